"""Pricing: the vendors' published figures to the digit, intervals where something is open, unknown is never zero."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from easel.providers.base.capabilities import ImagePrice, MegapixelPrice, Model, NoPrice, TokenPrice
from easel.providers.base.request import ImageRequest, InputImage, Size
from easel.providers.base.response import Estimate, Usage
from easel.router import pricing
from easel.router.catalog import load_catalog

EXAMPLES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "openai_worked_examples.yaml").read_text())
CATALOG = load_catalog()
MILLION = 1_000_000
PUBLISHED_DIGIT = Decimal("0.001")


def openai(name: str) -> Model:
    return CATALOG.model(f"openai/{name}")


def picture(size: str = "1024x1024") -> InputImage:
    return InputImage(b"", "image/png", Size.parse(size), has_alpha=True)


def tokens_price(model: Model) -> TokenPrice:
    price = model.price.value
    assert isinstance(price, TokenPrice)
    return price


def known(estimate: Estimate) -> tuple[Decimal, Decimal, Decimal]:
    assert estimate.low is not None
    assert estimate.expected is not None
    assert estimate.worst is not None
    return estimate.low, estimate.expected, estimate.worst


def usd(amount: float) -> Decimal:
    return Decimal(str(amount))


def rows(section: str) -> list[Any]:
    return list(_rows(section))


def _rows(section: str) -> Iterator[Any]:
    for table in EXAMPLES[section]:
        for model in table.get("models", [table.get("model")]):
            for row in table["rows"]:
                name = "-".join((model, row["size"], row.get("quality", row.get("input_fidelity", ""))))
                yield pytest.param(openai(model), row, usd(table.get("above_tokens_usd", 0)), id=name)


def painted(model: Model, row: dict[str, Any]) -> ImageRequest:
    return ImageRequest(size=Size.parse(row["size"]), quality=row["quality"])


# OpenAI's worked examples


def test_all_worked_examples_are_here() -> None:
    assert len(rows("pictures")) == 201
    assert {param.values[0].key for param in rows("pictures")} == {
        key for key in CATALOG.models if key.startswith("openai/")
    }


@pytest.mark.parametrize(("model", "row", "above"), rows("pictures"))
def test_a_picture_costs_what_the_example_says(model: Model, row: dict[str, Any], above: Decimal) -> None:
    _, expected, worst = known(pricing.estimate(painted(model, row), model))
    if isinstance(price := model.price.value, TokenPrice):
        text = price.text_overhead_tokens * (price.rates.text_input or Decimal(0)) / MILLION
        assert expected - text == usd(row["usd"])
        counted = pricing.output_image_tokens(price.output_tokens, model, painted(model, row))
        assert counted == pricing.Range(*[row["tokens"]] * 3)
    else:
        assert (expected, worst) == (usd(row["usd"]),) * 2
    if "published_usd" not in row:
        return
    published, ours = usd(row["published_usd"]), usd(row["usd"]) + above
    nearest = ours.quantize(PUBLISHED_DIGIT, ROUND_HALF_UP)
    if "rounded" in row:
        assert nearest != published
        assert abs(ours - published) < Decimal("0.002")
    else:
        assert nearest == published
    assert (worst.quantize(PUBLISHED_DIGIT, ROUND_HALF_UP) == published) or "rounded" in row


@pytest.mark.parametrize(("model", "row", "above"), rows("measured"))
def test_a_measured_bill_is_within_five_percent_of_the_estimate(
    model: Model, row: dict[str, Any], above: Decimal
) -> None:
    assert not above
    _, expected, worst = known(pricing.estimate(painted(model, row), model))
    measured = usd(row["usd"])
    assert abs(expected - measured) / measured < Decimal("0.05")
    assert worst > measured


@pytest.mark.parametrize(("model", "row", "above"), rows("output_tokens"))
def test_output_tokens_are_the_calculators(model: Model, row: dict[str, Any], above: Decimal) -> None:
    assert not above
    rule = tokens_price(model).output_tokens
    counted = pricing.output_image_tokens(rule, model, painted(model, row))
    assert counted == pricing.Range(*[row["tokens"]] * 3)


@pytest.mark.parametrize(("model", "row", "above"), rows("input_tokens"))
def test_input_image_tokens_are_those_measured(model: Model, row: dict[str, Any], above: Decimal) -> None:
    assert not above
    rule = tokens_price(model).input_image_tokens
    assert rule is not None
    high = row.get("input_fidelity") == "high"
    assert pricing.input_image_tokens(rule, Size.parse(row["size"]), high_fidelity=high) == row["tokens"]


@pytest.mark.parametrize("size", ["512x512", "1024x1536", "1536x1024", "3840x2160", "4000x300", "17x9000", "1x1"])
def test_no_input_image_takes_more_patches_than_the_budget(size: str) -> None:
    rule = tokens_price(openai("gpt-image-2")).input_image_tokens
    assert rule is not None
    assert 1 <= pricing.input_image_tokens(rule, Size.parse(size)) <= 1536


def test_an_edit_is_priced_with_its_input_images() -> None:
    """The worked edit: two 1024x1024 references, 1024x1536 at medium; of the prompt's 66 tokens we know 6."""
    model = openai("gpt-image-2")
    request = ImageRequest(
        operation="edit",
        images=(picture(),),
        references=(picture(),),
        size=Size(1024, 1536),
        quality="medium",
    )
    _, expected, _ = known(pricing.estimate(request, model))
    assert expected + 60 * Decimal(5) / MILLION == Decimal("0.057874")


def test_a_mask_is_in_the_worst_case_only() -> None:
    model = openai("gpt-image-2")
    request = ImageRequest(operation="edit", images=(picture(),), size=Size(1024, 1024), quality="low")
    plain, masked = (known(pricing.estimate(each, model)) for each in (request, replace(request, mask=picture())))
    assert plain[:2] == masked[:2]
    assert masked[2] - plain[2] == 1024 * Decimal(8) / MILLION


def test_high_input_fidelity_is_priced() -> None:
    model = openai("gpt-image-1.5")
    request = ImageRequest(operation="edit", images=(picture(),), size=Size(1024, 1024), quality="low")
    faithful = replace(request, provider_options={"openai": {"input_fidelity": "high"}})
    extra = known(pricing.estimate(faithful, model))[1] - known(pricing.estimate(request, model))[1]
    assert extra == 4160 * Decimal(8) / MILLION


def test_previews_add_a_hundred_tokens_each() -> None:
    model = openai("gpt-image-2")
    request = ImageRequest(size=Size(1024, 1024), quality="low")
    streamed = replace(request, stream=True, partial_images=3)
    before, after = known(pricing.estimate(request, model)), known(pricing.estimate(streamed, model))
    assert after[0] == before[0]  # fewer may come than were asked for
    assert after[1] - before[1] == 300 * Decimal(30) / MILLION
    assert known(pricing.estimate(replace(request, partial_images=3), model)) == before  # without a stream: none


def test_n_pictures_cost_n_times_the_picture_and_once_the_prompt() -> None:
    model = openai("gpt-image-2")
    one = ImageRequest(size=Size(1024, 1024), quality="high")
    single, three = known(pricing.estimate(one, model))[1], known(pricing.estimate(replace(one, n=3), model))[1]
    assert three - single == 2 * Decimal("0.21072")
    assert known(pricing.estimate(one, model, calls=3))[1] == 3 * single


def test_a_batch_costs_half_where_it_is_offered() -> None:
    offered = {key: model.batch_multiplier.value for key, model in CATALOG.models.items()}
    for name in ("gpt-image-2", "gpt-image-2.5-sunburst", "gpt-image-2.5-flare", "gpt-image-1.5"):
        assert offered[f"openai/{name}"] == Decimal("0.5")
    assert offered["openai/gpt-image-2.6-sunburst"] is None
    assert offered["google/gemini-3-pro-image"] == Decimal("0.5")
    assert offered["bfl/flux-2-pro"] is None


# What is open is an interval


@pytest.mark.parametrize("quality", [None, "auto"])
def test_a_quality_that_the_vendor_chooses_gives_an_interval(quality: str | None) -> None:
    model = openai("gpt-image-2")
    low, expected, worst = known(pricing.estimate(ImageRequest(size=Size(1024, 1024), quality=quality), model))
    text = 6 * Decimal(5) / MILLION
    assert (low - text, expected - text, worst - text) == (Decimal("0.00588"), Decimal("0.05268"), Decimal("0.21072"))


def test_a_documented_default_quality_is_no_guess() -> None:
    model = CATALOG.model("azure_openai/gpt-image-2")
    low, expected, worst = known(pricing.estimate(ImageRequest(size=Size(1024, 1024)), model))
    assert low == expected == worst
    assert low > Decimal("0.21")
    open_low, _, open_worst = known(pricing.estimate(ImageRequest(size=Size(1024, 1024), quality="auto"), model))
    assert open_low < Decimal("0.01") < open_worst


def test_an_automatic_quality_of_2_6_is_expected_to_be_dear() -> None:
    _, expected, _ = known(pricing.estimate(ImageRequest(size=Size(1024, 1024)), openai("gpt-image-2.6-flare")))
    assert expected.quantize(PUBLISHED_DIGIT) == Decimal("0.211")


def test_a_size_that_the_vendor_chooses_gives_an_interval() -> None:
    low, expected, worst = known(pricing.estimate(ImageRequest(quality="high"), openai("gpt-image-2")))
    assert low < expected <= worst


def test_a_longer_prompt_widens_the_interval() -> None:
    model = openai("gpt-image-2")
    short, long = (
        known(pricing.estimate(ImageRequest(prompt=prompt, size=Size(1024, 1024), quality="low"), model))
        for prompt in ("a kite", "a kite over dunes " * 500)
    )
    assert long[2] - long[0] > short[2] - short[0]
    assert long[0] <= long[1] <= long[2]


@pytest.mark.parametrize("key", sorted(CATALOG.models))
@pytest.mark.parametrize(
    "request_",
    [
        ImageRequest(prompt="a kite"),
        ImageRequest(prompt="a kite", size=Size(1024, 1024), n=4),
        ImageRequest(prompt="a kite", quality="auto", stream=True, partial_images=2),
        ImageRequest(prompt="a hat", operation="edit", images=(picture("900x700"),), references=(picture(),)),
    ],
    ids=["plain", "four", "streamed", "edit"],
)
def test_every_model_has_an_ordered_interval_or_says_what_is_unknown(key: str, request_: ImageRequest) -> None:
    estimate = pricing.estimate(request_, CATALOG.model(key))
    if estimate.expected is None:
        assert (estimate.low, estimate.worst) == (None, None)
        assert estimate.unpriced
    else:
        low, expected, worst = known(estimate)
        assert 0 < low <= expected <= worst


# What is unknown is unknown


def test_an_unknown_price_is_none_and_named() -> None:
    model = CATALOG.model("bfl/flux-outpainting")
    assert isinstance(model.price.value, NoPrice)
    estimate = pricing.estimate(ImageRequest(prompt="wider", operation="edit", images=(picture(),)), model)
    assert (estimate.low, estimate.expected, estimate.worst) == (None, None, None)
    assert estimate.unpriced
    assert pricing.actual(Usage(images=1), model, ImageRequest(), [Size(1024, 1024)]) == (None, "unknown")


def test_a_size_beyond_the_table_has_no_price() -> None:
    estimate = pricing.estimate(ImageRequest(size=Size(2048, 2048), quality="low"), openai("gpt-image-1.5"))
    assert estimate.expected is None
    assert "table" in estimate.unpriced[-1]


def test_input_images_without_a_published_count_are_named() -> None:
    model = CATALOG.model("google/gemini-3.1-flash-lite-image")
    edit = ImageRequest(prompt="a hat", operation="edit", images=(picture(),))
    assert "input images" in pricing.estimate(edit, model).unpriced
    assert "input images" not in pricing.estimate(ImageRequest(prompt="a hat"), model).unpriced


def test_formats_that_cost_more_by_an_unpublished_amount_are_named() -> None:
    model = openai("gpt-image-2.6-sunburst")
    assert "what svg adds" in pricing.estimate(ImageRequest(output_format="svg", quality="low"), model).unpriced
    assert pricing.estimate(ImageRequest(output_format="png", quality="low"), model).unpriced == ()


# Google, by tier


@pytest.mark.parametrize(
    ("name", "tier", "published"),
    [
        ("gemini-nano-banana-2.1", "1K", "0.0336"),
        ("gemini-nano-banana-2.1", "2K", "0.0504"),
        ("gemini-nano-banana-2.1", "4K", "0.1134"),
        ("gemini-3-pro-image", "1K", "0.134"),
        ("gemini-3-pro-image", "2K", "0.134"),
        ("gemini-3-pro-image", "4K", "0.24"),
        ("gemini-3.1-flash-lite-image", "1K", "0.0336"),
        ("gemini-3.1-flash-image", "512", "0.045"),
        ("gemini-3.1-flash-image", "1K", "0.067"),
        ("gemini-3.1-flash-image", "2K", "0.101"),
        ("gemini-3.1-flash-image", "4K", "0.151"),
        ("gemini-2.5-flash-image", None, "0.039"),
    ],
)
def test_google_costs_by_tier_what_its_page_says(name: str, tier: str | None, published: str) -> None:
    """Source: https://ai.google.dev/gemini-api/docs/pricing, read 2026-11-23."""
    model = CATALOG.model(f"google/{name}")
    low, expected, worst = known(pricing.estimate(ImageRequest(resolution=tier), model))
    assert low == expected == worst
    assert expected.quantize(Decimal(published), ROUND_HALF_UP) == Decimal(published)


def test_a_tier_that_is_not_asked_for_is_the_vendors_default() -> None:
    for key in ("google/gemini-3-pro-image", "bfl/flux-3-image"):
        model = CATALOG.model(key)
        default = {"google/gemini-3-pro-image": "1K", "bfl/flux-3-image": "1k"}[key]
        plain = pricing.estimate(ImageRequest(prompt="a kite"), model)
        assert plain == pricing.estimate(ImageRequest(prompt="a kite", resolution=default), model)


@pytest.mark.parametrize(
    ("name", "tokens", "rate"), [("gemini-nano-banana-2.1", 1120, "1.5"), ("gemini-3-pro-image", 560, "2")]
)
def test_google_bills_input_images(name: str, tokens: int, rate: str) -> None:
    model = CATALOG.model(f"google/{name}")
    plain, edit = (
        known(pricing.estimate(each, model))[1]
        for each in (
            ImageRequest(prompt="a hat"),
            ImageRequest(prompt="a hat", operation="edit", images=(picture(), picture())),
        )
    )
    assert edit - plain == 2 * tokens * Decimal(rate) / MILLION


# Black Forest Labs, by megapixels


@pytest.mark.parametrize(
    ("name", "size", "inputs", "amount"),
    [
        ("flux-2-klein-4b", "1024x1024", (), "0.014"),
        ("flux-2-klein-4b", "2048x2048", (), "0.017"),
        ("flux-2-klein-9b", "1024x1024", ("1024x1024",), "0.017"),
        ("flux-2-pro", "1024x1024", (), "0.03"),
        ("flux-2-pro", "1024x1024", ("1024x1024",), "0.045"),
        ("flux-2-pro", "1040x1024", (), "0.045"),
        ("flux-2-pro", "2048x2048", ("1024x1024", "1536x1024"), "0.12"),
        ("flux-2-flex", "1024x1024", (), "0.05"),
        ("flux-2-flex", "1024x1024", ("1024x1024",), "0.10"),
        ("flux-2-max", "1024x1024", ("1024x1024",), "0.10"),
        ("flux-2-max", "2048x2048", (), "0.16"),
        ("flux-2-max", "512x512", (), "0.07"),
    ],
)
def test_flux_2_costs_by_megapixels(name: str, size: str, inputs: tuple[str, ...], amount: str) -> None:
    """First output megapixel, each further one, each of the inputs. Source: docs.bfl.ai/quick_start/pricing.md."""
    model = CATALOG.model(f"bfl/{name}")
    request = ImageRequest(prompt="a kite", size=Size.parse(size), images=tuple(picture(each) for each in inputs))
    assert known(pricing.estimate(request, model)) == (Decimal(amount),) * 3
    assert pricing.actual(Usage(images=1), model, request, [Size.parse(size)]) == (Decimal(amount), "list_price")


def test_flux_2_without_a_size_paints_its_default() -> None:
    assert (
        known(pricing.estimate(ImageRequest(prompt="a kite"), CATALOG.model("bfl/flux-2-pro")))
        == (Decimal("0.03"),) * 3
    )


@pytest.mark.parametrize(("tier", "amount"), [("768sq", "0.041"), ("1k", "0.048"), ("2k", "0.1"), ("4k", "0.607")])
def test_flux_3_costs_by_tier(tier: str, amount: str) -> None:
    estimate = pricing.estimate(ImageRequest(resolution=tier), CATALOG.model("bfl/flux-3-image"))
    assert known(estimate) == (Decimal(amount),) * 3


def test_a_tier_without_a_list_price_has_none() -> None:
    estimate = pricing.estimate(ImageRequest(resolution="1.5k"), CATALOG.model("bfl/flux-3-image"))
    assert estimate.expected is None
    assert estimate.unpriced


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("flux-kontext-pro", "0.04"),
        ("flux-kontext-max", "0.08"),
        ("flux-pro-1.1", "0.04"),
        ("flux-pro-1.1-ultra", "0.06"),
        ("flux-dev", "0.025"),
        ("flux-pro-1.0-fill", "0.05"),
        ("flux-pro-1.0-expand", "0.05"),
    ],
)
def test_flux_1_and_its_tools_cost_by_the_picture(name: str, amount: str) -> None:
    model = CATALOG.model(f"bfl/{name}")
    assert isinstance(model.price.value, ImagePrice)
    assert known(pricing.estimate(ImageRequest(prompt="a kite", n=2), model)) == (2 * Decimal(amount),) * 3


def test_the_eraser_costs_by_the_source_it_gives_back() -> None:
    model = CATALOG.model("bfl/flux-erase")
    assert isinstance(model.price.value, MegapixelPrice)
    request = ImageRequest(operation="edit", images=(picture("2048x1024"),), mask=picture("2048x1024"))
    # 2 megapixels come (0.03 + 0.004), 2 go in (2 x 0.004).
    assert known(pricing.estimate(request, model)) == (Decimal("0.042"),) * 3


# Afterwards


def test_the_vendors_own_figure_is_the_cost() -> None:
    usage = Usage(images=1, cost_usd=Decimal("0.045"))
    model = CATALOG.model("bfl/flux-2-pro")
    assert pricing.actual(usage, model, ImageRequest(), [Size(1024, 1024)]) == (Decimal("0.045"), "vendor")


def test_counted_tokens_are_billed_at_the_catalogues_rates() -> None:
    usage = Usage(input_tokens=2114, input_text_tokens=66, input_image_tokens=2048, output_tokens=1372)
    cost = pricing.actual(usage, openai("gpt-image-2"), ImageRequest(), [Size(1024, 1536)])
    assert cost == (Decimal("0.057874"), "usage")


def test_text_that_the_model_wrote_is_billed_at_its_own_rate() -> None:
    usage = Usage(input_text_tokens=10, output_tokens=1156, output_text_tokens=100, output_image_tokens=1056)
    cost, _ = pricing.actual(usage, openai("gpt-image-1.5"), ImageRequest(), [Size(1024, 1024)])
    assert cost == (10 * Decimal(5) + 1056 * Decimal(32) + 100 * Decimal(10)) / MILLION


def test_a_rate_that_is_not_published_leaves_the_cost_unknown() -> None:
    usage = Usage(input_text_tokens=10, output_text_tokens=7, output_image_tokens=196)
    assert pricing.actual(usage, openai("gpt-image-2"), ImageRequest(), []) == (None, "unknown")


def test_no_counts_leave_the_cost_unknown() -> None:
    assert pricing.actual(Usage(), openai("gpt-image-2"), ImageRequest(), []) == (None, "unknown")


# Vendors that bill otherwise


def test_input_images_cost_what_the_vendor_says_beside_the_picture() -> None:
    model = CATALOG.model("xai/grok-imagine-image")
    request = ImageRequest(prompt="a kite", operation="edit", images=(picture(), picture()), n=2)
    assert known(pricing.estimate(request, model)) == (Decimal("0.044"),) * 3
    assert pricing.actual(Usage(images=2), model, request, [Size(1024, 1024)] * 2) == (Decimal("0.044"), "list_price")


@pytest.mark.parametrize(
    ("name", "size", "published"),
    [
        ("MAI-Image-2.7", None, "0.034816"),
        ("MAI-Image-2.6", "1024x1024", "0.038912"),
        ("MAI-Image-2.6", "1536x1536", "0.087552"),
        ("MAI-Image-2.5-Pro", "1024x1024", "0.108544"),
    ],
)
def test_a_picture_of_mai_costs_by_its_area(name: str, size: str | None, published: str) -> None:
    model = CATALOG.model(f"microsoft_mai/{name}")
    request = ImageRequest(size=Size.parse(size) if size else None)
    assert known(pricing.estimate(request, model)) == (Decimal(published),) * 3


def test_an_edit_of_mai_may_paint_as_large_as_the_model_can() -> None:
    model = CATALOG.model("microsoft_mai/MAI-Image-2.6")
    low, expected, worst = known(pricing.estimate(ImageRequest(operation="edit", images=(picture(),)), model))
    assert (low, expected, worst) == (Decimal("0.021888"), Decimal("0.038912"), Decimal("0.087552"))


@pytest.mark.parametrize(
    ("size", "quality", "published"),
    [("2048x2048", "medium", "0.06"), ("4096x2304", "medium", "0.12"), ("4096x4096", "high", "0.20")],
)
def test_ideogram_costs_by_pixels(size: str, quality: str, published: str) -> None:
    model, request = CATALOG.model("ideogram/ideogram-4-6"), ImageRequest(size=Size.parse(size), quality=quality)
    assert known(pricing.estimate(request, model)) == (Decimal(published),) * 3


def test_of_a_size_that_was_left_to_the_vendor_the_picture_tells_the_price() -> None:
    model, request = CATALOG.model("ideogram/ideogram-4-6"), ImageRequest(quality="medium")
    assert known(pricing.estimate(request, model)) == (Decimal("0.06"), Decimal("0.06"), Decimal("0.12"))
    assert pricing.actual(Usage(), model, request, [Size(4096, 4096)]) == (Decimal("0.12"), "list_price")


def test_a_quality_that_is_not_asked_for_costs_what_the_vendors_default_does() -> None:
    request = ImageRequest(size=Size(1024, 1024))
    assert known(pricing.estimate(request, CATALOG.model("ideogram/ideogram-4-5")))[2] == Decimal("0.10")
    edit = ImageRequest(operation="edit", images=(picture(),))
    assert known(pricing.estimate(edit, CATALOG.model("ideogram/ideogram-4-5-edit")))[2] == Decimal("0.06")


def test_references_make_an_edit_of_it() -> None:
    model = CATALOG.model("ideogram/ideogram-vector-1")
    plain = ImageRequest(prompt="a kite", quality="high")
    assert known(pricing.estimate(plain, model))[1] == Decimal("0.20")
    assert known(pricing.estimate(replace(plain, references=(picture(),)), model))[1] == Decimal("0.32")


def test_pictures_that_were_withheld_are_billed() -> None:
    model, request = CATALOG.model("ideogram/ideogram-3"), ImageRequest(quality="turbo", n=3)
    cost = pricing.actual(Usage(images=3), model, request, [Size(1024, 1024)])
    assert cost == (Decimal("0.09"), "list_price")


def test_the_first_input_image_is_free_where_the_vendor_says_so() -> None:
    model = CATALOG.model("seedream/dola-seedream-5-0-pro-260628")
    plain = ImageRequest(prompt="a kite", size=Size(1536, 1536))
    assert known(pricing.estimate(plain, model)) == (Decimal("0.045"),) * 3
    one = replace(plain, references=(picture(),))
    assert known(pricing.estimate(one, model)) == (Decimal("0.045"),) * 3
    three = replace(plain, references=(picture(),) * 3)
    assert known(pricing.estimate(three, model)) == (Decimal("0.051"),) * 3
    assert pricing.actual(Usage(images=1), model, three, [Size(1536, 1536)]) == (Decimal("0.051"), "list_price")
