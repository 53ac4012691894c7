"""Hygiene: what is paid for and not needed is said with its price, and left out where the policy lets it."""

import io
import re
from decimal import Decimal
from functools import cache

import pytest
from PIL import Image

from easel.providers.base import images
from easel.providers.base.capabilities import Model
from easel.providers.base.request import ImageRequest, InputImage, Size
from easel.router import hygiene, pricing
from easel.router.catalog import load_catalog
from easel.router.hygiene import says_nothing, used, within

from .conftest import Opening, png

TILES, PATCHES, MEGAPIXELS = "openai/gpt-image-1.5", "openai/gpt-image-2", "bfl/flux-2-pro"
CONFIG = "version: 1\nroutes: [{{name: one, prefer: [{}]}}]\npolicy: {{hygiene: {}}}\n"
SAVED = re.compile(r"\$(\d+\.\d{4}) less")


@cache
def model(key: str) -> Model:
    return load_catalog().models[key]


def picture(size: str) -> InputImage:
    """Only its facts are looked at."""
    return InputImage(b"\0" * 3_000_000, "image/png", Size.parse(size), has_alpha=False)


# What a model looks at


@pytest.mark.parametrize(
    ("key", "given", "looked_at"),
    [
        (TILES, "4000x3000", "682x512"),
        (TILES, "512x512", None),
        (TILES, "400x300", None),
        (TILES, "8000x1000", "2048x256"),  # the square of 2048 binds before the shorter edge does
        (PATCHES, "4000x3000", "1448x1086"),
        (PATCHES, "1254x1254", None),
        (PATCHES, "1024x1024", None),
        (PATCHES, "7000x900", None),  # beyond 3:1 a part is left out, and nobody says which
        (MEGAPIXELS, "4000x3000", "1182x886"),
        (MEGAPIXELS, "1024x1024", None),
        ("google/gemini-3-pro-image", "4000x3000", None),  # so many tokens, whatever the size
        ("ideogram/ideogram-3", "4000x3000", None),  # nobody says
    ],
)
def test_how_much_of_a_picture_counts(key: str, given: str, looked_at: str | None) -> None:
    request = ImageRequest(prompt="x", size=Size(1024, 1024))
    found = used(Size.parse(given), model(key), request)
    assert (found and str(found.size)) == looked_at


def test_high_fidelity_uses_all_of_it() -> None:
    request = ImageRequest(prompt="x", provider_options={"openai": {"input_fidelity": "high"}})
    assert used(Size(4000, 3000), model(TILES), request) is None


@pytest.mark.parametrize("size", ["4000x3000", "3000x4000", "2500x2500", "3000x1000", "3001x2999"])
@pytest.mark.parametrize("key", [TILES, PATCHES])
def test_a_smaller_picture_costs_no_more_tokens(key: str, size: str) -> None:
    """And none less than the model's own shrinking: what is left out was not looked at."""
    price = model(key).price.value
    assert isinstance(price, pricing.TokenPrice)
    assert price.input_image_tokens is not None
    found = used(Size.parse(size), model(key), ImageRequest(prompt="x"))
    assert found is not None
    before = pricing.input_image_tokens(price.input_image_tokens, Size.parse(size))
    after = pricing.input_image_tokens(price.input_image_tokens, found.size)
    assert 0.94 * before <= after <= before


def test_the_shape_is_kept() -> None:
    for pixels in (1, 1000, 1_048_576):
        found = within(Size(4000, 3000), pixels)
        assert found.pixels <= pixels
    assert within(Size(4000, 3000), 1_048_576).ratio == pytest.approx(4 / 3, rel=0.01)
    assert within(Size(50_000, 1), 100).height == 1


# Prompts


@pytest.mark.parametrize(
    "prompt",
    [
        "make it better",
        "Please improve this image.",
        "fix it",
        "Make the photo look more professional!",
        "enhance",
        "it's nice, but can you make it better",
        "Mach das Bild schöner",
        "améliore la photo",
        "make make make",
    ],
)
def test_prompts_that_say_nothing(prompt: str) -> None:
    assert says_nothing(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "remove the background",
        "make it blue",
        "colorize",
        "a red kite",
        "make the sky darker",
        "换成蓝色背景",
        "背景を青に",
        "",
        "!!!",
        "improve this image " * 5 + "and make the kite red",
    ],
)
def test_prompts_that_say_something(prompt: str) -> None:
    assert not says_nothing(prompt)


# Through the router


async def test_a_usual_request_raises_no_question(world: Opening) -> None:
    assert hygiene.questions(ImageRequest(prompt="a red kite", size=Size(1024, 1024), quality="high"), "warn") == ()
    async with world(config=CONFIG.format(PATCHES, "warn")) as at:
        answer = await at.router.generate("a red kite", size="1024x1024", quality="high", n=4)
        assert answer.warnings == ()


async def test_many_pictures_without_a_ceiling(world: Opening) -> None:
    async with world(config=CONFIG.format(PATCHES, "warn")) as at:
        found = await at.router.explain({"prompt": "a red kite", "n": 10, "size": "1024x1024", "quality": "high"})
        worst = found.plan[0].estimate.worst
        assert found.plan[0].warnings == (f"n is 10, up to ${worst:.4f}, and nothing limits it; max_cost_usd would",)
        limited = await at.router.explain({"prompt": "a red kite", "n": 10, "quality": "low", "max_cost_usd": "9"})
        assert limited.plan[0].warnings == ()


async def test_high_quality_for_a_thumbnail_is_said(world: Opening) -> None:
    async with world(config=CONFIG.format(PATCHES, "warn")) as at:
        asked = {"prompt": "a red kite", "size": "256x256", "quality": "high"}
        dear = (await at.router.explain(asked)).plan[0]
        fair = (await at.router.explain(asked | {"quality": "standard"})).plan[0]
        (said,) = [each for each in dear.warnings if "thumbnail" in each]
        assert said.startswith("quality high for a thumbnail of 256x256: medium would cost $")
        assert dear.estimate.expected is not None
        assert fair.estimate.expected is not None
        saved = dear.estimate.expected - fair.estimate.expected
        assert SAVED.findall(said) == [f"{saved:.4f}"]
        assert saved > 0


async def test_high_quality_for_a_thumbnail_is_adapted(world: Opening) -> None:
    async with world(config=CONFIG.format(PATCHES, "adapt")) as at:
        answer = await at.router.edit(
            "make the kite blue", png(64, 64), size="256x256", quality="high", request_id="one"
        )
        (change,) = [each for each in answer.adaptations if each.field == "quality" and each.kind == "clamped"]
        assert (change.asked, change.sent) == ("high", "medium")
        assert SAVED.search(change.reason)
        ((attempt,)) = await at.attempts("one")
        assert attempt.quality == "medium"
        assert attempt.cost_usd is not None
        assert attempt.estimate_worst_usd is not None
        assert attempt.cost_usd <= attempt.estimate_worst_usd


async def test_a_strict_quality_is_kept(world: Opening) -> None:
    async with world(config=CONFIG.format(PATCHES, "adapt")) as at:
        asked = {"prompt": "x", "size": "256x256", "quality": "high", "policy": {"quality": "strict"}}
        found = (await at.router.explain(asked)).plan[0]
        assert not [each for each in found.adaptations if each.field == "quality"]
        assert any("thumbnail" in each for each in found.warnings)


async def test_a_prompt_that_says_nothing(world: Opening) -> None:
    async with world(config=CONFIG.format(PATCHES, "warn")) as at:
        answer = await at.router.edit("make it better", png(64, 64), quality="low")
        cost = answer.cost.estimate.expected
        assert answer.warnings == (
            f"the prompt says in 3 words nothing of what is to change, and every further try costs ${cost:.4f}",
        )


async def test_megapixels_that_are_billed_are_said(world: Opening) -> None:
    async with world(config=CONFIG.format(MEGAPIXELS, "warn")) as at:
        asked = {"prompt": "a kite", "size": "1024x1024", "references": [png(3000, 2000)]}
        found = (await at.router.explain(asked)).plan[0]
        (said,) = [each for each in found.warnings if "references[0]" in each]
        assert said == (
            "references[0] is 3000x2000, and billed by the megapixel: as 1254x836 it would cost $0.0750 less"
        )


async def test_megapixels_that_are_billed_are_left_out(world: Opening) -> None:
    """The vendor's own bill shows the saving: 6 megapixels of a reference, then one."""
    costs: list[Decimal] = []
    for word in ("warn", "adapt"):
        async with world(config=CONFIG.format(MEGAPIXELS, word)) as at:
            answer = await at.router.generate("a kite", size="1024x1024", references=[png(3000, 2000)])
            assert answer.cost.actual_usd is not None
            costs.append(answer.cost.actual_usd)
            assert answer.cost.actual_usd <= (answer.cost.estimate.worst or 0)
    (change,) = [each for each in answer.adaptations if each.field == "references[0]"]
    assert (change.kind, change.asked, change.sent) == ("clamped", "3000x2000", "1254x836")
    assert change.reason == "billed by the megapixel: $0.0750 less"
    assert costs[0] - costs[1] == Decimal("0.075")


async def test_what_the_model_shrinks_is_sent_small(world: Opening) -> None:
    async with world(config=CONFIG.format(TILES, "adapt")) as at:
        answer = await at.router.edit("make the kite blue", png(3000, 2000), size="1024x1024", quality="low")
        (change,) = [each for each in answer.adaptations if each.field == "images[0]"]
        assert (change.asked, change.sent) == ("3000x2000", "768x512")
        assert re.fullmatch(r"the model looks at no more, and charges the same: \d\.\d MB are sent", change.reason)
        (body,) = [each.body for each in at.simulator.received]
        start = body.index(b"\x89PNG")
        assert images.probe(body[start:]).size == Size(768, 512)


@pytest.mark.parametrize("more", [{}, {"size": "1024x1024", "mask": png(3000, 2000, (0, 0, 0, 0), "RGBA")}])
async def test_a_source_that_decides_the_size_or_has_a_mask_stays(world: Opening, more: dict[str, object]) -> None:
    async with world(config=CONFIG.format(TILES, "adapt")) as at:
        asked = {"prompt": "a blue kite", "operation": "edit", "images": [png(3000, 2000)], **more}
        found = (await at.router.explain(asked)).plan[0]
        assert not [each for each in found.adaptations if each.field == "images[0]"]
        assert any("images[0] is 3000x2000, and the model looks at 768x512 of it" in each for each in found.warnings)


async def test_what_nobody_has_confirmed_changes_no_picture(world: Opening) -> None:
    key = "openai/gpt-image-2.6-sunburst"
    assert model(key).price.status == "unconfirmed"
    async with world(config=CONFIG.format(key, "adapt")) as at:
        asked = {"prompt": "a blue kite", "references": [png(3000, 2000)], "size": "1024x1024"}
        found = (await at.router.explain(asked)).plan[0]
        assert not [each for each in found.adaptations if each.field == "references[0]"]


async def test_off_is_silent(world: Opening) -> None:
    async with world(config=CONFIG.format(PATCHES, "off")) as at:
        asked = {
            "prompt": "make it better",
            "operation": "edit",
            "images": [png(3000, 2000)],
            "n": 10,
            "quality": "high",
            "size": "1024x1024",
        }
        assert (await at.router.explain(asked)).plan[0].warnings == ()


async def test_a_ceiling_holds_for_the_smaller_request(world: Opening) -> None:
    asked = {"prompt": "a kite", "size": "1024x1024", "references": [png(3000, 2000)], "max_cost_usd": "0.06"}
    for word, serves in (("warn", False), ("adapt", True)):
        async with world(config=CONFIG.format(MEGAPIXELS, word)) as at:
            assert bool((await at.router.explain(asked)).plan) is serves


# Making pictures smaller


@pytest.mark.parametrize(
    ("kind", "mode", "comes_as"),
    [
        ("PNG", "RGB", "image/png"),
        ("PNG", "RGBA", "image/png"),
        ("PNG", "P", "image/png"),
        ("PNG", "I;16", "image/png"),
        ("PNG", "1", "image/png"),
        ("JPEG", "RGB", "image/jpeg"),
        ("JPEG", "L", "image/jpeg"),
        ("JPEG", "CMYK", "image/jpeg"),
        ("WEBP", "RGBA", "image/webp"),
        ("GIF", "P", "image/png"),
    ],
)
def test_a_picture_made_smaller_stays_what_it_is(kind: str, mode: str, comes_as: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (300, 200)).save(out, kind)
    given = images.input_image(out.getvalue(), field="images")
    found = images.resized(given, Size(30, 20))
    assert (found.media_type, found.size) == (comes_as, Size(30, 20))
    assert found.has_alpha is given.has_alpha or not given.has_alpha
    assert images.input_image(found.data, field="images").size == Size(30, 20)


def test_orientation_and_colours_go_along() -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (300, 200)).save(out, "JPEG", exif=exif, icc_profile=b"a profile")
    found = images.resized(images.input_image(out.getvalue(), field="images"), Size(30, 20))
    opened = Image.open(io.BytesIO(found.data))
    assert opened.getexif()[0x0112] == 6
    assert opened.info["icc_profile"] == b"a profile"
