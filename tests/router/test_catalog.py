"""The catalogue: every documented model is in it, each fact with its evidence, and mistakes are located."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from easel import providers
from easel.providers.base.capabilities import (
    AreaTokens,
    Fact,
    FixedSizes,
    FlexibleSizes,
    GridTokens,
    Lifecycle,
    MaskPolarity,
    MegapixelPrice,
    Model,
    NoPrice,
    RatioTable,
    TableTokens,
    TierTokens,
    TokenPrice,
)
from easel.providers.base.errors import ConfigError
from easel.providers.base.request import ImageRequest
from easel.router import document
from easel.router.catalog import FACTS, Catalog, CatalogueFile, load_catalog, read_models
from easel.router.router import Router
from easel.router.schemas import schemas

READ_ON = date(2026, 11, 25)
FOLDER = Path(__file__).parents[2] / "config" / "models"
FILES = sorted(FOLDER.glob("*.yaml"))
CATALOG = load_catalog()
MODELS = [pytest.param(model, id=key) for key, model in CATALOG.models.items()]

WITHOUT_MODELS = {"automatic1111", "comfyui", "litellm", "openai_compatible"}
"""Providers whose models are whatever their operator has."""
LEADING: Mapping[str, tuple[str, ...]] = {
    "azure_openai": ("gpt-image-2.5-sunburst", "gpt-image-2.5-flare", "gpt-image-2", "gpt-image-1.5"),
    "bedrock": ("stability.stable-image-ultra-v1:1", "us.stability.stable-image-inpaint-v1:0"),
    "bfl": ("flux-3-image", "flux-2-max", "flux-2-pro", "flux-2-flex", "flux-kontext-max", "flux-pro-1.0-fill"),
    "bria": ("fibo", "fibo-edit", "bria-remove-background"),
    "cloudflare": ("flux-2-dev", "lucid-origin"),
    "dashscope": ("qwen-image-3.0", "qwen-image-3.0-pro", "wan2.7-image-pro", "z-image-turbo"),
    "deepinfra": ("black-forest-labs/FLUX-2-dev", "Bria/fibo"),
    "fal": ("openai/gpt-image-2", "google/nano-banana-2.1/edit", "fal-ai/flux-2-pro"),
    "firefly": ("image5", "image4_ultra", "firefly-fill"),
    "fireworks": ("flux-kontext-max", "flux-1-schnell-fp8"),
    "google": ("gemini-nano-banana-2.1", "gemini-3-pro-image", "gemini-3.1-flash-lite-image"),
    "huggingface": ("together/black-forest-labs/FLUX.2-dev", "zai-org/glm-image"),
    "ideogram": ("ideogram-4-6", "ideogram-4-transparent", "ideogram-vector-1", "ideogram-remove-background"),
    "kling": ("kling-image-o1", "kling-v3-omni"),
    "microsoft_mai": ("MAI-Image-2.7", "MAI-Image-2.6-Flash"),
    "minimax": ("MiniMax-H3-Image", "image-01"),
    "novita": ("flux-1-kontext-max", "remove-background"),
    "openai": (
        "gpt-image-2.6-sunburst",
        "gpt-image-2.5-sunburst",
        "gpt-image-2.5-flare",
        "gpt-image-2",
        "gpt-image-1.5",
    ),
    "openrouter": ("openai/gpt-image-2", "bytedance-seed/seedream-4.5"),
    "recraft": ("recraftv4_1", "recraftv4_1_vector", "recraft-vectorize", "recraft-remove-background"),
    "replicate": ("openai/gpt-image-2", "google/nano-banana-pro", "recraft-ai/recraft-v3-svg"),
    "runware": ("bfl:5@1", "openai:4@1"),
    "runway": ("gen4.5",),
    "seedream": ("dola-seedream-5-5-261028", "seedream-4-5-251128"),
    "stability": ("stable-image-ultra", "inpaint", "remove-background", "fast"),
    "tencent": ("hunyuan-image-3.0", "seedream-image-v5.0-pro"),
    "together": ("black-forest-labs/FLUX.2-max", "Qwen/Qwen-Image"),
    "vercel_gateway": ("openai/gpt-image-2", "bfl/flux-3-image"),
    "vertex": ("gemini-nano-banana-2.1", "gemini-3-pro-image"),
    "wavespeed": ("openai/gpt-image-2/edit", "google/nano-banana-2.1/text-to-image", "midjourney/text-to-image"),
    "xai": ("grok-imagine-image-2.0", "grok-imagine-image"),
    "zai": ("glm-image", "cogview-4-250304"),
}
"""Of each provider, models that its documents put first: they are there, and alive."""
RETIRED = {
    "openai/gpt-image-1": date(2026, 10, 23),
    "openai/dall-e-3": date(2026, 5, 12),
    "openai/dall-e-2": date(2026, 5, 12),
    "azure_openai/gpt-image-1": date(2026, 10, 23),
    "google/gemini-2.5-flash-image": date(2026, 10, 2),
    "google/gemini-3.1-flash-image": date(2026, 10, 29),
    "google/gemini-3-pro-image-preview": date(2026, 6, 25),
    "google/gemini-3.1-flash-image-preview": date(2026, 6, 25),
    "google/imagen-4.0-generate-001": date(2026, 8, 17),
    "google/imagen-4.0-ultra-generate-001": date(2026, 8, 17),
    "google/imagen-4.0-fast-generate-001": date(2026, 8, 17),
    "google/imagen-3.0-generate-002": date(2026, 6, 24),
    "google/veo-3.1-generate-preview": date(2026, 10, 22),
    "google/veo-3.1-fast-generate-preview": date(2026, 10, 22),
    "google/veo-3.1-lite-generate-preview": date(2026, 10, 22),
    "xai/grok-imagine-image-quality": date(2026, 11, 2),
    "xai/grok-imagine-image-pro": date(2026, 5, 15),
    "xai/grok-2-image": date(2026, 8, 18),
    "bedrock/amazon.nova-canvas-v1:0": date(2026, 9, 30),
    "bedrock/amazon.titan-image-generator-v2:0": date(2026, 6, 30),
    "bedrock/amazon.titan-image-generator-v1": date(2025, 12, 31),
    "bedrock/stability.stable-diffusion-xl-v1": date(2025, 12, 31),
    "bedrock/stability.stable-diffusion-xl-v0": date(2025, 12, 31),
    "vertex/imagen-4.0-ultra-generate-001": date(2026, 6, 24),
    "vertex/imagen-4.0-generate-001": date(2026, 6, 24),
    "vertex/imagen-4.0-fast-generate-001": date(2026, 6, 24),
    "vertex/imagen-3.0-generate-002": date(2026, 6, 24),
    "microsoft_mai/MAI-Image-2.5-Pro": date(2026, 10, 1),
    "microsoft_mai/MAI-Image-2.5": date(2026, 10, 1),
    "microsoft_mai/MAI-Image-2.5-Flash": date(2026, 10, 1),
    "stability/stable-diffusion-v1-6": date(2025, 7, 24),
}
"""And when."""
REPAINTED: Mapping[str, MaskPolarity] = {
    "azure_openai": "transparent",
    "bedrock": "white",
    "bfl": "white",
    "bria": "white",
    "cloudflare": "white",
    "deepinfra": "transparent",
    "fal": "transparent",
    "firefly": "white",
    "ideogram": "black",
    "novita": "white",
    "openai": "transparent",
    "recraft": "white",
    "replicate": "black",
    "stability": "white",
    "tencent": "white",
    "vercel_gateway": "transparent",
}
"""Which pixels of its masks a provider repaints."""
REPAINTED_BY: Mapping[str, MaskPolarity] = {
    "fal/fal-ai/ideogram/v3/edit": "black",
    "ideogram/ideogram-remove-object": "white",
    "vercel_gateway/bfl/flux-pro-1.0-fill": "white",
}
"""Models that do not do as the rest of their provider's."""
PAINTS_ON_NOTHING = re.compile(
    r"gpt-image-(1|1\.5|2|2\.5|2\.6)\b|chatgpt-image|openai:4@1|ideogram-|seedream-(image-v)?5"
)
"""Makers that have alpha, wherever they are sold."""


def facts(model: Model) -> Iterator[tuple[str, Fact[Any]]]:
    for name in FACTS:
        if (fact := getattr(model, name)) is not None:
            yield name, fact
    for name in Lifecycle.model_fields:
        yield f"lifecycle.{name}", getattr(model.lifecycle, name)


# What is in it


def test_every_provider_has_its_models() -> None:
    assert {model.provider for model in CATALOG.models.values()} == {*providers.names()} - WITHOUT_MODELS
    assert set(LEADING) == {model.provider for model in CATALOG.models.values()}


@pytest.mark.parametrize("key", [f"{provider}/{name}" for provider, names in LEADING.items() for name in names])
def test_a_leading_model_is_in_it_and_lives(key: str) -> None:
    end = CATALOG.model(key).lifecycle.shutdown.value
    assert end is None or end > READ_ON


def test_a_file_is_named_after_its_provider() -> None:
    providers = {path.stem: document.validate(document.read(path), CatalogueFile).provider for path in FILES}
    assert all(name == provider for name, provider in providers.items())


@pytest.mark.parametrize("model", MODELS)
def test_every_fact_has_a_source_and_a_date(model: Model) -> None:
    for name, fact in facts(model):
        assert fact.source, name
        assert date(2026, 1, 1) < fact.as_of <= READ_ON, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_source_is_used(path: Path) -> None:
    file = document.validate(document.read(path), CatalogueFile)
    used = {fact.source for model in CATALOG.models.values() if model.provider == path.stem for _, fact in facts(model)}
    assert set(file.sources.values()) - used == set()


@pytest.mark.parametrize("model", MODELS)
def test_no_model_ends_before_it_starts(model: Model) -> None:
    life = model.lifecycle
    days = [each for each in (life.launched.value, life.deprecated.value, life.shutdown.value) if each is not None]
    assert days == sorted(days)


@pytest.mark.parametrize("model", MODELS)
def test_a_replacement_is_a_model_that_lives_longer(model: Model) -> None:
    replacement = model.lifecycle.replacement.value
    if replacement is None:
        return
    end, successor = model.lifecycle.shutdown.value, CATALOG.model(f"{model.provider}/{replacement}")
    later = successor.lifecycle.shutdown.value
    assert later is None or (end is not None and later > end)


def test_what_the_vendors_ended_has_ended() -> None:
    ends = {key: model.lifecycle.shutdown.value for key, model in CATALOG.models.items()}
    assert ends.items() >= RETIRED.items()


@pytest.mark.parametrize("model", MODELS)
def test_an_end_that_is_past_is_certain_or_says_why_it_is_not(model: Model) -> None:
    end = model.lifecycle.shutdown
    assert end.value is None or end.value > READ_ON or end.status == "confirmed" or end.note


def test_openai_and_azure_end_the_first_generation_on_days_of_their_own() -> None:
    ends = {key: model.lifecycle.shutdown.value for key, model in CATALOG.models.items()}
    assert ends["openai/gpt-image-1.5"] == ends["openai/gpt-image-1-mini"] == date(2026, 12, 1)
    assert ends["openai/chatgpt-image-latest"] == date(2026, 12, 1)
    assert ends["azure_openai/gpt-image-1.5"] == date(2026, 12, 16)
    assert ends["azure_openai/gpt-image-1-mini"] == date(2027, 4, 7)


@pytest.mark.parametrize("model", MODELS)
def test_a_price_is_known_or_said_to_be_unknown(model: Model) -> None:
    price = model.price
    if isinstance(price.value, NoPrice):
        assert price.note or price.source.endswith("/deprecations"), "an unknown price says where to learn it"
    if isinstance(price.value, TokenPrice):
        assert price.value.rates.image_output
    if isinstance(price.value, MegapixelPrice):
        assert price.value.first_usd >= price.value.further_usd > 0


def test_a_snapshot_finds_its_model() -> None:
    assert CATALOG.keys_for("gpt-image-2-2026-04-21") == ("openai/gpt-image-2",)
    assert set(CATALOG.keys_for("gpt-image-1.5")) == {"openai/gpt-image-1.5", "azure_openai/gpt-image-1.5"}
    assert CATALOG.keys_for("gpt-image-9") == ()


# Do its facts agree with one another?


@pytest.mark.parametrize("model", MODELS)
def test_bands_are_words_of_the_model(model: Model) -> None:
    qualities = model.qualities.value
    if qualities is None:
        return
    assert set(qualities.bands.values()) <= set(qualities.words)
    assert qualities.default is None or qualities.default in qualities.words


@pytest.mark.parametrize("model", MODELS)
def test_every_quality_size_and_tier_has_tokens(model: Model) -> None:
    price, sizes, qualities = model.price.value, model.sizes.value, model.qualities.value
    if not isinstance(price, TokenPrice):
        return
    match price.output_tokens:
        case GridTokens(factors=factors, multiplier=multiplier, auto_as=auto_as):
            assert qualities is not None
            assert set(factors) == set(qualities.words)
            assert set(multiplier) <= set(factors)
            assert auto_as is None or auto_as in factors
        case TableTokens(tokens=tokens):
            assert qualities is not None
            assert isinstance(sizes, FixedSizes)
            assert set(tokens) == set(qualities.words)
            assert all(set(by_size) == set(sizes.sizes) for by_size in tokens.values())
        case TierTokens(tokens=tokens):
            assert isinstance(sizes, RatioTable)
            assert set(tokens) == (set(sizes.tiers) or {"default"})
        case AreaTokens():
            assert isinstance(sizes, FlexibleSizes)


def test_equal_bands_cost_about_the_same_across_generations() -> None:
    """GPT Image 2.5 calls `high` what GPT Image 2 calls `medium`."""
    tokens = {}
    for name in ("gpt-image-2", "gpt-image-2.5-sunburst"):
        model = CATALOG.model(f"openai/{name}")
        price, qualities = model.price.value, model.qualities.value
        assert isinstance(price, TokenPrice)
        assert isinstance(price.output_tokens, GridTokens)
        assert qualities is not None
        tokens[name] = {band: price.output_tokens.factors[word] for band, word in qualities.bands.items()}
    for band in ("draft", "standard"):
        assert tokens["gpt-image-2"][band] == tokens["gpt-image-2.5-sunburst"][band]
    words = CATALOG.model("openai/gpt-image-2.5-sunburst").qualities.value
    assert words is not None
    assert words.bands["standard"] == "high"


@pytest.mark.parametrize("model", MODELS)
def test_formats_agree(model: Model) -> None:
    output = model.output.value
    assert set(output.transparent) <= set(output.formats)
    assert set(output.compression) <= set(output.formats)
    if "transparent" in model.backgrounds.value:
        assert output.transparent


@pytest.mark.parametrize("model", MODELS)
def test_what_edits_takes_pictures_and_masks_go_with_edits(model: Model) -> None:
    operations = set(model.operations.value)
    assert bool(operations - {"generate", "video"}) <= (model.input_images.value is not None)
    assert model.input_images.value is None or operations - {"generate"}
    assert model.mask.value is None or "edit" in operations


@pytest.mark.parametrize("model", MODELS)
def test_a_tool_requires_what_a_request_can_give(model: Model) -> None:
    if model.requires is not None:
        assert set(model.requires.value) <= {*ImageRequest.__dataclass_fields__, *model.options.value}


def test_masks_mean_what_their_vendor_means() -> None:
    found = {key: model.mask.value.polarity for key, model in CATALOG.models.items() if model.mask.value}
    usual = {key: REPAINTED.get(CATALOG.model(key).provider) for key in found}
    assert found == {**usual, **REPAINTED_BY}
    assert set(REPAINTED) == {CATALOG.model(key).provider for key in found}
    assert all(usual[key] != polarity for key, polarity in REPAINTED_BY.items()), "an exception that is none"
    assert {key for key in found if key.startswith("bfl/")} == {"bfl/flux-pro-1.0-fill", "bfl/flux-erase"}


@pytest.mark.parametrize("model", MODELS)
def test_a_mask_that_nobody_documents_is_no_certain_one(model: Model) -> None:
    """What resellers do with a mask is rarely written down: the maker's way is taken, and said to be a guess."""
    resellers = {"cloudflare", "deepinfra", "fal", "novita", "vercel_gateway"}
    assert model.mask.value is None or model.provider not in resellers or model.mask.status != "confirmed"


@pytest.mark.parametrize("model", MODELS)
def test_alpha_is_of_those_makers_who_have_it(model: Model) -> None:
    able, operations = "transparent" in model.backgrounds.value, set(model.operations.value)
    if "remove_background" in operations:
        assert able
    if able and operations & {"generate", "edit"}:
        assert PAINTS_ON_NOTHING.search(model.key)


def test_alpha_is_not_claimed_where_it_is_not_there() -> None:
    able = {key for key, model in CATALOG.models.items() if "transparent" in model.backgrounds.value}
    assert not able & {"openai/dall-e-3", "openai/dall-e-2", "azure_openai/gpt-image-2", "fal/openai/gpt-image-2"}
    assert {"ideogram/ideogram-4-6", "openai/gpt-image-1.5", "seedream/dola-seedream-5-5-261028"} <= able
    assert "preview" in (CATALOG.model("openai/gpt-image-2").backgrounds.note or "")
    assert CATALOG.model("openai/gpt-image-2.6-sunburst").backgrounds.status == "unconfirmed"
    assert {CATALOG.model(key).backgrounds.status for key in able if key.startswith("azure_openai/")} == {"unconfirmed"}


def test_azure_answers_in_png_and_jpeg_only() -> None:
    for model in CATALOG.models.values():
        if model.provider == "azure_openai":
            assert model.output.value.formats == ("png", "jpeg")


# How it is written


@pytest.mark.parametrize("name", ["models.schema.json", "settings.schema.json"])
def test_the_schema_is_that_of_the_types(name: str) -> None:
    current = (FOLDER.parent / name).read_text()
    assert current == schemas()[name], "run: python -m easel.router.schemas"


def schema_errors(content: object) -> list[str]:
    schema = json.loads((FOLDER.parent / "models.schema.json").read_text())
    errors = jsonschema.Draft202012Validator(schema).iter_errors(as_json(content))
    return [error.message for error in errors]


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=date.isoformat))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_fits_the_schema(path: Path) -> None:
    assert schema_errors(document.read(path).data) == []


@pytest.mark.parametrize(
    "model",
    [
        {"nmae": "Lumen"},
        {"mask": {"polarity": "green"}},
        {"max_outputs_per_call": {"value": "ten"}},
        {"price": {"kind": "barter"}},
        {"lifecycle": {"born": "2026-01-01"}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_types_refuse(model: dict[str, object]) -> None:
    assert schema_errors({"version": 1, "provider": "lumen", "models": {"one": model}})


LUMEN = """\
version: 1
provider: lumen
sources: {guide: https://docs.lumen.example/images}
shared:
  small: &small {kind: fixed, sizes: [512x512]}
defaults:
  source: guide
  as_of: 2026-11-01
  lifecycle: {launched: null, deprecated: null, shutdown: null, replacement: null, snapshots: []}
  operations: [generate]
  backgrounds: [auto, opaque]
  sizes: *small
  qualities: null
  output: {formats: [png]}
  max_outputs_per_call: 1
  max_prompt_characters: null
  input_images: null
  mask: null
  hints: []
  streaming: null
  strengths: {}
  options: []
  price: {kind: image, rows: [{usd: 0.01}]}
  batch_multiplier: null
  typical_seconds: null
models:
  lumen-1:
    name: Lumen 1
    lifecycle: {shutdown: {value: 2027-01-01, as_of: 2026-11-20, status: third_party}}
  lumen-2:
    name: Lumen 2
    max_outputs_per_call: 4
"""


def test_defaults_are_taken_and_overridden() -> None:
    one, two = read_models(document.parse(LUMEN.encode(), "lumen.yaml"))
    assert (one.max_outputs_per_call.value, two.max_outputs_per_call.value) == (1, 4)
    assert one.sizes == two.sizes
    assert two.max_outputs_per_call.source == "https://docs.lumen.example/images"


def test_of_its_life_a_model_says_only_what_differs() -> None:
    one, two = read_models(document.parse(LUMEN.encode(), "lumen.yaml"))
    shutdown = one.lifecycle.shutdown
    assert (shutdown.value, shutdown.as_of, shutdown.status) == (date(2027, 1, 1), date(2026, 11, 20), "third_party")
    assert shutdown.source == "https://docs.lumen.example/images"
    assert one.lifecycle.launched == two.lifecycle.launched
    assert two.lifecycle.shutdown.value is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("    name: Lumen 2\n    max_output_per_call: 4", "32:5: unknown key 'max_output_per_call'; did you mean"),
        ("    name: Lumen 2\n    mask: {polarity: transparant}", "did you mean 'transparent'?"),
        ("    name: Lumen 2\n    source: gide", "unknown source 'gide'; did you mean 'guide'?"),
        ("    name: Lumen 2\n    name: Lumen 3", "32:5: 'name' is given twice; the first is at line 31"),
        ("    name: Lumen 2\n    max_outputs_per_call: four", "32:5: models.lumen-2.max_outputs_per_call"),
        ("    name: Lumen 2\n    price: {kind: image}", "rows is missing"),
        ("    name: Lumen 2\n    price: {kind: image, row: [{usd: 1}]}", "unknown key 'row'; did you mean 'rows'?"),
        ("    name: Lumen 2\n    lifecycle: {shutdown: 2027-02-30}", "2027-02-30 is not a date"),
        ("    name: Lumen 2\n    lifecycle: {shut_down: 2027-02-03}", "did you mean 'shutdown'?"),
        ("    name: Lumen 2\n    backgrounds: [opaque, clear]", "'clear'"),
        ("    {}", "lumen-2.name is missing"),
    ],
)
def test_a_mistake_is_located_and_mended(tmp_path: Path, wrong: str, message: str) -> None:
    head, _, _ = LUMEN.partition("    name: Lumen 2\n")
    path = tmp_path / "lumen.yaml"
    path.write_text(head + wrong + "\n")
    with pytest.raises(ConfigError) as error:
        load_catalog(tmp_path)
    said = "\n".join(map(str, error.value.problems))
    assert message in said
    for problem in error.value.problems:
        assert problem.file == str(path)
        assert problem.line is not None
        assert problem.column is not None


def test_a_mistake_in_the_defaults_is_told_once_and_there(tmp_path: Path) -> None:
    path = tmp_path / "lumen.yaml"
    path.write_text(LUMEN.replace("  batch_multiplier: null", "  batch_multiplyer: null"))
    with pytest.raises(ConfigError) as error:
        load_catalog(tmp_path)
    (problem,) = error.value.problems
    assert (problem.line, problem.column) == (24, 3)
    assert "did you mean 'batch_multiplier'?" in str(problem)


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "lumen.yaml").write_text(LUMEN.replace("Lumen 1", "[]").replace("call: 4", "call: four"))
    (tmp_path / "umbra.yaml").write_text("version: 2\nprovider: umbra\nmodels: {}\n")
    with pytest.raises(ConfigError) as error:
        load_catalog(tmp_path)
    assert len(error.value.problems) == 3


def test_models_of_ones_own_stand_beside_those_that_ship(tmp_path: Path) -> None:
    (tmp_path / "lumen.yaml").write_text(LUMEN)
    both = CATALOG.plus(load_catalog(tmp_path).models.values())
    assert isinstance(both, Catalog)
    assert both.model("lumen/lumen-1").name == "Lumen 1"
    assert len(both.models) == len(CATALOG.models) + 2


def test_only_the_files_of_the_providers_that_are_named_are_read(tmp_path: Path) -> None:
    (tmp_path / "lumen.yaml").write_text(LUMEN)
    (tmp_path / "umbra.yaml").write_text("version: 2\n")
    assert load_catalog(tmp_path, providers=frozenset({"lumen", "nobody"})).models.keys() == {
        "lumen/lumen-1",
        "lumen/lumen-2",
    }
    assert load_catalog(tmp_path, providers=frozenset()).models == {}


def test_a_router_reads_what_its_deployments_are_of(tmp_path: Path) -> None:
    config = tmp_path / "own.yaml"
    config.write_text(
        "version: 1\ndeployments:\n  - {provider: bfl, key: {env: BFL_API_KEY}}\n"
        "routes:\n  - {name: all, prefer: [bfl/flux-2-pro]}\n"
    )
    with Router.sync(config) as opened:
        assert {each.provider for each in opened.router.catalog.models.values()} == {"bfl"}
