"""The configuration that ships: it can be followed, its own tests hold, and it sends requests where a user expects."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image

from easel.providers.base import images
from easel.providers.base.clock import DateClock
from easel.providers.base.request import InputImage
from easel.providers.base.response import Decision
from easel.router import document
from easel.router.catalog import load_catalog
from easel.router.router import Router
from easel.router.settings import PolicySection, load

FOLDER = Path(__file__).parents[2] / "config"
FILES = sorted(FOLDER.glob("*.yaml"))
BEFORE, AFTER = date(2026, 11, 23), date(2026, 12, 2)
"""GPT Image 1.5 ends between them."""
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "azure": ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
    "bedrock": ("AWS_BEARER_TOKEN_BEDROCK",),
    "bfl": ("BFL_API_KEY",),
    "bria": ("BRIA_API_TOKEN",),
    "cloudflare": ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"),
    "dashscope": ("DASHSCOPE_API_KEY",),
    "deepinfra": ("DEEPINFRA_API_KEY",),
    "fal": ("FAL_KEY",),
    "firefly": ("FIREFLY_CREDENTIALS",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "google": ("GEMINI_API_KEY",),
    "huggingface": ("HF_TOKEN",),
    "ideogram": ("IDEOGRAM_API_KEY",),
    "kling": ("KLING_CREDENTIALS",),
    "microsoft_mai": ("AZURE_AI_API_KEY", "AZURE_AI_ENDPOINT"),
    "minimax": ("MINIMAX_API_KEY",),
    "novita": ("NOVITA_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "recraft": ("RECRAFT_API_TOKEN",),
    "replicate": ("REPLICATE_API_TOKEN",),
    "runware": ("RUNWARE_API_KEY",),
    "runway": ("RUNWAYML_API_SECRET",),
    "seedream": ("ARK_API_KEY",),
    "stability": ("STABILITY_API_KEY",),
    "tencent": ("TENCENT_CREDENTIALS",),
    "together": ("TOGETHER_API_KEY",),
    "tokenhub": ("TOKENHUB_API_KEY",),
    "vercel": ("AI_GATEWAY_API_KEY",),
    "vertex": ("VERTEX_ACCESS_TOKEN", "GOOGLE_CLOUD_PROJECT"),
    "wavespeed": ("WAVESPEED_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "zai": ("ZAI_API_KEY",),
}
"""What each deployment reads, its key first: the vendors' own names, where they have some."""
KEYS = {
    name: "https://test.example" if name.endswith("ENDPOINT") else "test"
    for names in VARIABLES.values()
    for name in names
}


def router(environment: Mapping[str, str] = KEYS) -> Router:
    return Router(clock=DateClock(BEFORE), environment=environment)


async def explain(on: date = BEFORE, **given: Any) -> Decision:
    async with router() as opened:
        return await opened.explain({"prompt": "a badge", **given}, on=on, keys=True)


def plan(decision: Decision) -> list[str]:
    return [each.deployment for each in decision.plan]


def dropped(decision: Decision) -> dict[str, str]:
    return {each.deployment: each.requirement for each in decision.dropped}


def picture(*, masked: bool = False) -> InputImage:
    image = Image.new("RGBA", (1024, 1024), "teal")
    if masked:
        image.paste((0, 0, 0, 0), (256, 256, 512, 512))
    content = BytesIO()
    image.save(content, "PNG")
    return images.input_image(content.getvalue(), field="mask" if masked else "images")


# The files


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_fits_the_schema(path: Path) -> None:
    schema = json.loads((FOLDER / "settings.schema.json").read_text())
    content = json.loads(json.dumps(document.read(path).data, default=date.isoformat))
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(content)] == []


@pytest.mark.parametrize(
    "content",
    [
        {"routes": [{"name": "a", "prefer": ["openai/gpt-image-2"], "whem": {}}]},
        {"routes": [{"name": "a", "prefer": ["openai/gpt-image-2"], "when": {"background": "clear"}}]},
        {"deployments": [{"provider": "openai", "key": "sk-written-out"}]},
        {"policy": {"fields": {"size": "perhaps"}}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_types_refuse(content: dict[str, Any]) -> None:
    schema = json.loads((FOLDER / "settings.schema.json").read_text())
    assert list(jsonschema.Draft202012Validator(schema).iter_errors({"version": 1, **content}))


def test_the_policy_that_ships_is_what_an_absent_one_means() -> None:
    assert load().policy == PolicySection()


def test_keys_are_named_and_not_written() -> None:
    named = {row.prefix: row.key.env for row in load().deployments if row.key is not None}
    assert named == {name: key for name, (key, *_) in VARIABLES.items()}
    for path in FILES:
        assert not re.search(r"\bsk-|\bbfl_|AIza", path.read_text())


# Deployments


def test_every_model_of_the_catalogue_has_one_deployment() -> None:
    opened = router()
    assert Counter(each.model.key for each in opened.deployments) == Counter(list(load_catalog().models))
    assert {each.name.partition("/")[0] for each in opened.deployments} == set(VARIABLES)
    assert {each.lacking for each in opened.deployments} == {None}


def test_what_is_not_set_is_named_and_others_still_serve() -> None:
    opened = router({"GEMINI_API_KEY": "test"})
    lacking = {name.partition("/")[0]: each.lacking for name, each in opened.deployments.by_name.items()}
    assert lacking == {
        name: f"environment variable {key} is not set" if name != "google" else None
        for name, (key, *_) in VARIABLES.items()
    }


@pytest.mark.parametrize(
    ("deployment", "variable"),
    [
        ("cloudflare/flux-2-dev", "CLOUDFLARE_ACCOUNT_ID"),
        ("vertex/gemini-3-pro-image", "GOOGLE_CLOUD_PROJECT"),
        ("microsoft_mai/MAI-Image-2.7", "AZURE_AI_ENDPOINT"),
    ],
)
def test_an_account_has_to_be_named_as_well(deployment: str, variable: str) -> None:
    found = router({**KEYS, variable: ""}).deployments.by_name[deployment]
    assert found.lacking == f"environment variable {variable} is not set"


def test_settings_that_are_kept_elsewhere_reach_the_adapter() -> None:
    adapters = {name: each.adapter for name, each in router().deployments.by_name.items()}
    assert adapters["cloudflare/flux-2-dev"].options == {"account_id": "test"}
    assert adapters["vertex/gemini-3-pro-image"].options == {"project": "test", "location": "global"}


def test_an_azure_resource_has_to_be_named() -> None:
    opened = router({**KEYS, "AZURE_OPENAI_ENDPOINT": ""})
    assert opened.deployments.by_name["azure/gpt-image-2"].lacking == (
        "environment variable AZURE_OPENAI_ENDPOINT is not set"
    )


def test_any_model_of_litellm_can_be_named() -> None:
    (found,) = router().deployments.named("litellm/bedrock/amazon.nova-canvas-v1:0", today=BEFORE)
    assert (found.provider, found.model.wire) == ("litellm", "bedrock/amazon.nova-canvas-v1:0")


def test_a_dated_snapshot_is_asked_for_by_its_own_name() -> None:
    (found,) = router().deployments.named("gpt-image-2-2026-04-21", today=BEFORE)
    assert (found.name, found.model.wire) == ("openai/gpt-image-2", "gpt-image-2-2026-04-21")


# Routes


@pytest.mark.parametrize("today", [BEFORE, AFTER, date(2027, 1, 1), date(2027, 12, 31)])
def test_every_route_can_be_followed(today: date) -> None:
    opened = Router(clock=DateClock(today), environment=KEYS)  # it raises what cannot
    assert opened.findings.problems == ()


def test_what_has_ended_since_is_a_note() -> None:
    assert router().findings.notes == ()
    notes = "\n".join(map(str, Router(clock=DateClock(AFTER), environment=KEYS).findings.notes))
    assert "openai/gpt-image-1.5 ended on 2026-12-01" in notes
    assert "routes.yaml:" in notes


async def test_the_files_own_tests_hold() -> None:
    async with router() as opened:
        assert len(opened.settings.tests) > 8
        findings = await opened.run_route_tests()
    assert findings.problems == ()


async def test_a_test_that_does_not_hold_is_told_with_its_line() -> None:
    async with router() as opened:
        test = opened.settings.tests[0]
        expect = test.expect.model_copy(update={"first": "google/gemini-3-pro-image"})
        wrong = (test.model_copy(update={"expect": expect}),)
        opened.settings = replace(opened.settings, tests=wrong)
        (problem,) = (await opened.run_route_tests()).problems
    assert problem.line is not None
    assert "expected google/gemini-3-pro-image first, got openai/gpt-image-1.5" in str(problem)


async def test_transparency_goes_to_1_5_while_it_lives() -> None:
    decision = await explain(BEFORE, background="transparent")
    assert (decision.rule, plan(decision)[0]) == ("transparent", "openai/gpt-image-1.5")
    assert any("ends on 2026-12-01" in warning for warning in decision.plan[0].warnings)


async def test_transparency_goes_to_a_successor_with_alpha_afterwards() -> None:
    decision = await explain(AFTER, background="transparent")
    assert plan(decision)[0] == "openai/gpt-image-2.5-sunburst"
    (ended,) = (each for each in decision.dropped if each.deployment == "openai/gpt-image-1.5")
    assert (ended.requirement, ended.as_of) == ("retired", "2026-11-23")
    assert ended.source == "https://developers.openai.com/api/docs/deprecations"
    assert "2026-12-01" in ended.unmet


@pytest.mark.parametrize("on", [BEFORE, AFTER])
async def test_every_candidate_for_transparency_has_alpha(on: date) -> None:
    async with router() as opened:
        decision = await opened.explain({"prompt": "a badge", "background": "transparent"}, on=on, keys=True)
        models = [opened.deployments.by_name[name].model for name in plan(decision)]
    assert len(models) > 5
    assert all("transparent" in each.backgrounds.value for each in models)
    assert {dropped(decision)[name] for name in ("google/gemini-3-pro-image", "bfl/flux-2-pro")} == {"background"}


@pytest.mark.parametrize(
    "given",
    [
        {"text": ["SALE"]},
        {"needs": ["typography"]},
        {"prompt": 'a shop sign that says "OPEN LATE"'},
    ],
    ids=str,
)
@pytest.mark.parametrize("on", [BEFORE, AFTER])
async def test_lettering_goes_to_gpt_image_2(given: dict[str, Any], on: date) -> None:
    decision = await explain(on, **given)
    assert (decision.rule, plan(decision)[0]) == ("typography", "openai/gpt-image-2")


async def test_words_are_not_asked_of_models_that_are_weak_at_them() -> None:
    decision = await explain(text=["SALE"])
    assert not {name for name in plan(decision) if "flux-2-klein" in name or "flux-2/klein" in name}
    assert dropped(decision)["bfl/flux-2-klein-4b"] == "text"


@pytest.mark.parametrize("on", [BEFORE, AFTER])
async def test_both_wishes_go_to_a_model_that_can_do_both(on: date) -> None:
    decision = await explain(on, text=["SALE"], background="transparent")
    assert (decision.rule, plan(decision)[0]) == ("transparent-lettering", "openai/gpt-image-2.5-sunburst")
    assert plan(decision)[1] == "openai/gpt-image-2"


async def test_a_masked_edit_goes_to_models_with_a_mask() -> None:
    async with router() as opened:
        given = {"prompt": "a hat", "images": picture(), "mask": picture(masked=True)}
        decision = await opened.explain(given, on=AFTER, keys=True)
        models = [opened.deployments.by_name[name].model for name in plan(decision)]
    assert (decision.rule, plan(decision)[0]) == ("masked-edit", "openai/gpt-image-2.5-sunburst")
    assert "bfl/flux-pro-1.0-fill" in plan(decision)
    assert all(each.mask.value is not None for each in models)
    assert dropped(decision)["google/gemini-nano-banana-2.1"] == "mask"
    assert dropped(decision)["bfl/flux-erase"] == "prompt"  # an eraser is told nothing


async def test_tools_are_no_candidates_for_a_plain_edit() -> None:
    decision = await explain(prompt="make it night", images=picture())
    assert decision.rule == "edit"
    for name in ("flux-pro-1.0-fill", "flux-pro-1.0-expand", "flux-erase", "flux-outpainting"):
        assert dropped(decision)[f"bfl/{name}"] == "requires"
    backgrounds = ("stability/replace-background-and-relight", "ideogram/ideogram-3-replace-background")
    for name in (*backgrounds, "recraft/recraft-replace-background", "stability/sketch", "tencent/sketch-to-image"):
        assert dropped(decision)[name] == "requires"


@pytest.mark.parametrize("given", [{"needs": ["vector"]}, {"output_format": "svg"}], ids=str)
async def test_a_drawing_goes_to_those_that_draw(given: dict[str, Any]) -> None:
    async with router() as opened:
        decision = await opened.explain({"prompt": "a logo", **given}, on=AFTER, keys=True)
        models = [opened.deployments.by_name[name].model for name in plan(decision)]
    assert (decision.rule, plan(decision)[0]) == ("vector", "recraft/recraftv4_1_vector")
    assert len(models) > 10
    assert all("svg" in each.output.value.formats for each in models)


async def test_who_asks_for_no_drawing_gets_none() -> None:
    decision = await explain(AFTER)
    assert dropped(decision)["recraft/recraftv4_1_vector"] == "output_format"
    assert dropped(decision)["ideogram/ideogram-4-transparent"] == "background"


async def test_a_tool_serves_a_caller_who_gives_it_what_it_needs() -> None:
    margins = {"top": 0, "bottom": 256, "left": 0, "right": 0}
    named: dict[str, Any] = {"prompt": "more beach", "images": picture(), "model": "bfl/flux-pro-1.0-expand"}
    decision = await explain(**named, provider_options={"bfl": margins})
    assert plan(decision) == ["bfl/flux-pro-1.0-expand"]
    assert plan(await explain(**named)) == []


@pytest.mark.parametrize(
    "given",
    [
        {"needs": ["character_consistency"]},
        {"references": picture()},
        {"images": [picture(), picture()]},
    ],
    ids=["need", "reference", "two sources"],
)
async def test_references_go_to_a_model_that_takes_many(given: dict[str, Any]) -> None:
    decision = await explain(AFTER, **given)
    assert (decision.rule, plan(decision)[0]) == ("references", "google/gemini-3-pro-image")


async def test_twelve_references_leave_those_that_take_so_many() -> None:
    decision = await explain(AFTER, references=[picture()] * 12)
    assert plan(decision)[:2] == ["google/gemini-3-pro-image", "openai/gpt-image-2.5-sunburst"]
    assert dropped(decision)["bfl/flux-3-image"] == "references"


async def test_drafts_go_where_they_are_cheap() -> None:
    decision = await explain(AFTER, quality="draft")
    assert decision.rule == "draft"
    prices = [each.estimate.expected for each in decision.plan if each.rule == "draft"]
    known = [price for price in prices if price is not None]
    assert known == sorted(known)
    assert known[0] < known[-1]


async def test_a_route_is_a_model_for_callers() -> None:
    decision = await explain(AFTER, model="typography")
    assert plan(decision)[0] == "openai/gpt-image-2"
    assert {each.rule for each in decision.plan} == {"typography"}


async def test_every_request_has_a_route() -> None:
    decision = await explain(AFTER)
    assert decision.rule == "everything-else"
    assert len(plan(decision)) > 15
    assert not set(plan(decision)) & {name for name, why in dropped(decision).items() if why == "retired"}
