"""One mask, one picture, and every vendor with a twin: the same region is edited at all of them, and nothing beside it.

The vendors mark what is repainted in three ways: transparent, white, black. Their twins paint where the vendor's own
documents say, and were written without a look at the adapters, so a polarity that one of the two got wrong edits the
wrong part here. The hole lies off the middle of a picture that is not square: a mask that was turned, mirrored or
squeezed on its way shows as well. In the same way: references in their order, and sizes that lie down and stand up.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageChops

from easel.providers.base import images
from easel.providers.base.capabilities import Model, SizeRule
from easel.providers.base.request import AspectRatio, InputImage, Size
from easel.providers.base.response import OutputImage
from easel.router import sizes
from easel.router.deployments import TWINS
from easel.router.router import Router, SyncRouter
from easel.router.sizes import Choice
from easel.simulator.server import Simulator, running

from .conftest import TODAY, SkippingClock
from .test_vendors_walk import NO_TWIN

Box = tuple[int, int, int, int]

LYING, STANDING = AspectRatio(4, 3), AspectRatio(3, 4)
PLAIN = Size(640, 480)
"""Of pictures given to tools that keep the size of what they get."""
NEAR = 0.05
"""How far the pixels of a ratio may be from it."""
FAR = 40
"""How far a colour must go, of 255, to count as another one."""
SHARE = 0.9
"""Of the hole, repainted at least: a few of the pixels that are painted may have the colour that was there."""
QUARTERS = ("#e000a0", "#00a0e0", "#a0e000", "#5000ff")
CARDS = (
    *("#ff0000", "#00c000", "#0000ff", "#ffc000", "#00bebe", "#be00be", "#783c00", "#3c7800"),
    *("#003c78", "#78003c", "#3c0078", "#00783c", "#c86432", "#3264c8", "#64c832"),
)
"""What the references are filled with, each with another; twins lay the first four on the picture, left to right."""
GUIDES = ("ideogram/ideogram-3", "ideogram/ideogram-vector-1", "recraft/recraftv4_styles")
"""Models that are given pictures for their style only: the twin reads them, and shows nothing of them."""

GROWN: Mapping[str, tuple[str, int]] = {
    "bedrock/us.stability.stable-image-inpaint-v1:0": ("grow_mask", 5),
    "bedrock/us.stability.stable-image-erase-object-v1:0": ("grow_mask", 5),
    "stability/inpaint": ("grow_mask", 5),
    "stability/erase": ("grow_mask", 5),
    "bfl/flux-erase": ("dilate_pixels", 10),
}
"""Those that paint beyond a mask when nothing is said: their option, and by how many pixels they do.

Sources: platform.stability.ai/docs/api-reference, docs.aws.amazon.com/bedrock/latest/userguide/stable-image-services,
docs.bfl.ai (flux-tools/erase-v1). Easel says 0, so that what is marked is what changes; an option asks for more.
"""
GRID = 4
"""Pixels by which an edge may be off in an SVG, which the twin draws in few colours on a grid of 256 squares."""


@dataclass(frozen=True)
class Case:
    deployment: str
    model: Model

    def __str__(self) -> str:
        return self.deployment

    @property
    def required(self) -> frozenset[str]:
        return frozenset(self.model.requires.value if self.model.requires is not None else ())

    @property
    def most_given(self) -> int:
        """Pictures of one request."""
        rule = self.model.input_images.value
        return rule.max_input_images if rule is not None and "video" not in self.model.operations.value else 0


def alive() -> Iterator[Case]:
    """Every model that a twin has and that edits or paints."""
    with Router.sync(clock=SkippingClock(), environment={}) as opened:
        for each in opened.router.deployments:
            ends = each.model.lifecycle.shutdown.value
            if each.provider in TWINS and each.name not in NO_TWIN and (ends is None or ends > TODAY):
                yield Case(each.name, each.model)


ALIVE = list(alive())
MASKED = [case for case in ALIVE if case.model.mask.value is not None]
SEVERAL = [case for case in ALIVE if case.most_given > 1]
SHAPED = [
    case
    for case in ALIVE
    if "generate" in case.model.operations.value
    and case.model.sizes.value.kind not in {"input", "any"}
    and not case.required
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running(today=TODAY) as running_simulator:
        yield running_simulator


@pytest.fixture(scope="module")
def router(simulator: Simulator) -> Iterator[SyncRouter]:
    with Router.sync(simulator_url=simulator.base_url, clock=SkippingClock(), environment={}) as opened:
        yield opened


# Pictures


def png(picture: Image.Image) -> InputImage:
    content = BytesIO()
    picture.save(content, "PNG")
    return images.input_image(content.getvalue(), field="images")


@cache
def source(size: Size) -> InputImage:
    """Four quarters, each of another loud colour."""
    picture = Image.new("RGB", (size.width, size.height))
    for place, color in enumerate(QUARTERS):
        across, down = place % 2 * size.width // 2, place // 2 * size.height // 2
        picture.paste(color, (across, down, across + size.width // 2, down + size.height // 2))
    return png(picture)


def hole(size: Size) -> Box:
    """To the right and near the top, over two quarters."""
    return size.width * 3 // 8, size.height // 8, size.width * 13 // 16, size.height * 3 // 8


@cache
def mask(size: Size) -> InputImage:
    picture = Image.new("RGBA", (size.width, size.height), "black")
    picture.paste((0, 0, 0, 0), hole(size))
    return png(picture)


@cache
def card(color: str) -> InputImage:
    return png(Image.new("RGB", (PLAIN.height, PLAIN.height), color))


def pixels(picture: OutputImage, size: Size) -> Image.Image:
    if picture.media_type == "image/svg+xml":
        return traced(picture.data.decode(), size)
    with Image.open(BytesIO(picture.data)) as opened:
        return opened.convert("RGB")


def traced(svg: str, size: Size) -> Image.Image:
    """The simulator's SVG: a ground, and rows of squares."""
    box = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    assert box is not None
    picture = Image.new("RGB", (int(box[1]), int(box[2])), "white")
    for ground in re.findall(r'<rect [^>]*fill="(#\w+)"', svg):
        picture.paste(ground, (0, 0, *picture.size))
    for color, path in re.findall(r'<path fill="(#\w+)" d="([^"]*)"', svg):
        for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)", path):
            picture.paste(color, (int(x), int(y), int(x) + int(width), int(y) + 1))
    return picture.resize((size.width, size.height), Image.Resampling.NEAREST)


def changed(before: Image.Image, after: Image.Image, *, by: int) -> Image.Image:
    """White where a colour is more than `by` from what it was."""
    red, green, blue = ImageChops.difference(before, after).split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return Image.eval(most, lambda value: 255 if value > by else 0)


def share(region: Image.Image) -> float:
    return region.histogram()[255] / (region.width * region.height)


# Orders


def smallest(rule: SizeRule, ratio: AspectRatio) -> Choice:
    """What a model can paint that is nearest to this ratio, and small."""
    return sizes.choose(rule, size=None, aspect_ratio=ratio, resolution="512", input_size=PLAIN)


def edited(case: Case) -> Choice:
    return smallest((case.model.edit_sizes or case.model.sizes).value, LYING)


def said(choice: Choice) -> dict[str, object]:
    """As fields of a request. A resolution is the vendor's word, and so is not among them."""
    given = {"size": choice.size, "aspect_ratio": choice.aspect_ratio}
    return {name: value for name, value in given.items() if value is not None}


def is_shaped(size: Size, choice: Choice) -> bool:
    """To the pixel where pixels were asked for; else of the ratio, as near as a vendor's own table comes to it."""
    if choice.size is not None:
        return size == choice.size
    return choice.aspect_ratio is None or abs(size.ratio / choice.aspect_ratio.ratio - 1) < NEAR


def order(case: Case, **given: Any) -> dict[str, Any]:
    """As an edit of this model's, told as little as it can do with."""
    model = case.model
    prompt = "" if model.max_prompt_characters.value == 0 else "a red kite over dunes"
    output = model.output.value
    png_for_the_pixels = {"output_format": "png"} if output.selectable and "png" in output.formats else {}
    return {"model": case.deployment, "operation": "edit", "prompt": prompt, **png_for_the_pixels, **given}


def masked_order(case: Case, **given: Any) -> tuple[Size, dict[str, Any]]:
    choice = edited(case)
    size = choice.size or PLAIN
    if "references" in case.required:
        given["references"] = card(CARDS[0])
    if choice.size is not None:
        given["size"] = size
    return size, order(case, images=source(size), mask=mask(size), **given)


def region(case: Case, router: SyncRouter, **given: Any) -> tuple[Box | None, float, Box]:
    """The box around all that changed, how much of the hole did, and the hole."""
    size, request = masked_order(case, **given)
    answer = router.run(request)
    (attempt,), (painted,) = answer.attempts, answer.images
    assert (attempt.deployment, attempt.outcome) == (case.deployment, "done")
    is_drawing = painted.media_type == "image/svg+xml"
    assert is_drawing or painted.size == size
    with Image.open(BytesIO(source(size).data)) as before:
        after = pixels(painted, size)
        beyond = changed(before, after, by=FAR if is_drawing else 0)
        within = share(changed(before, after, by=FAR).crop(hole(size)))
    return beyond.getbbox(), within, hole(size)


# Masks


@pytest.mark.parametrize("case", MASKED, ids=str)
def test_what_is_marked_is_what_changes(case: Case, router: SyncRouter) -> None:
    found, within, marked = region(case, router)
    print(f"{case}: {case.model.mask.value} {found} of {marked}, {within:.0%}")
    assert found is not None
    slack = GRID if case.model.output.value.formats == ("svg",) else 0
    assert all(abs(one - other) <= slack for one, other in zip(found, marked, strict=True)), (found, marked)
    assert within > SHARE


def test_every_vendor_with_a_twin_and_a_mask_is_asked() -> None:
    """And each of the three ways to mark is among them."""
    assert {case.model.provider for case in MASKED} == {
        *("azure_openai", "bedrock", "bfl", "fal", "ideogram", "openai", "recraft", "replicate", "stability")
    }
    assert {case.model.mask.value.polarity for case in MASKED if case.model.mask.value} == {
        *("transparent", "white", "black")
    }


@pytest.mark.parametrize("case", [case for case in MASKED if case.deployment in GROWN], ids=str)
def test_a_mask_is_grown_for_those_who_ask(case: Case, router: SyncRouter) -> None:
    name, usual = GROWN[case.deployment]
    found, _, (left, top, right, bottom) = region(case, router, provider_options={case.model.provider: {name: usual}})
    assert found == (left - usual, top - usual, right + usual, bottom + usual)


# References


def guided(case: Case) -> tuple[tuple[InputImage, ...], dict[str, Any]]:
    """As many references as the model takes beside its source, and the request with them."""
    rule = case.model.input_images.value
    assert rule is not None
    choice = edited(case)
    most = case.most_given if rule.max_source_images == 0 else case.most_given - 1
    if rule.max_references is not None and rule.max_references > 0:
        most = min(most, rule.max_references)
    cards = tuple(card(color) for color in CARDS[:most])
    if rule.max_source_images == 0:
        return cards, order(case, operation="generate", references=list(cards), **said(choice))
    size = choice.size or PLAIN
    given = said(choice) | ({"mask": mask(size)} if "mask" in case.required else {})
    if rule.max_references == 0:  # several pictures that are changed together
        return cards, order(case, images=[source(size), *cards], **given)
    return cards, order(case, images=source(size), references=list(cards), **given)


def places(picture: Image.Image, colors: tuple[str, ...]) -> list[int | None]:
    """Where each colour begins, from the left; None: it is nowhere."""

    def found(color: str) -> Box | None:
        plain = Image.new("RGB", picture.size, color)
        return ImageChops.invert(changed(plain, picture, by=FAR // 2)).getbbox()

    return [box[0] if (box := found(color)) is not None else None for color in colors]


@pytest.mark.parametrize("case", SEVERAL, ids=str)
def test_references_arrive_all_and_in_their_order(case: Case, router: SyncRouter, simulator: Simulator) -> None:
    cards, request = guided(case)
    simulator.received.clear()
    answer = router.run(request)
    assert answer.attempts[-1].outcome == "done"
    sent = b"".join(each.body for each in simulator.received)
    arrived = [each.data in sent or base64.b64encode(each.data) in sent for each in cards]
    print(f"{case}: {sum(arrived)} of {len(cards)}, {answer.images[0].size} for {edited(case)}")
    assert all(arrived)
    assert answer.images[0].media_type == "image/svg+xml" or is_shaped(answer.images[0].size, edited(case))
    if not case.deployment.startswith(GUIDES):
        shown = places(pixels(answer.images[0], PLAIN), CARDS[: min(len(cards), 4)])
        assert None not in shown
        assert shown == sorted(shown, key=lambda each: each or 0)


# Sizes


@pytest.mark.parametrize("case", SHAPED, ids=str)
def test_a_standing_picture_stands(case: Case, router: SyncRouter) -> None:
    choice = smallest(case.model.sizes.value, STANDING)
    answer = router.run(order(case, operation="generate", **said(choice)))
    painted = answer.images[0]
    print(f"{case}: {painted.size} for {choice.size or choice.aspect_ratio}, {choice.paints} foretold")
    assert painted.media_type == "image/svg+xml" or is_shaped(painted.size, choice)
