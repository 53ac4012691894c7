"""One request to every model that a twin serves, through the whole Router: what is asked comes, and costs what it says.

Adapter and twin are two readings of the same documents. Where they do not agree, one of these requests fails; where the
two agree and the catalogue does not, the price differs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from io import BytesIO
from math import ceil, isqrt
from typing import Any

import pytest
from PIL import Image

from easel.providers.base import images
from easel.providers.base.capabilities import (
    AnySize,
    FixedSizes,
    FlexibleSizes,
    FollowsInput,
    Model,
    RatioRange,
    RatioTable,
    SizeRule,
    listed_sizes,
)
from easel.providers.base.errors import AllAttemptsFailed
from easel.providers.base.request import AspectRatio, InputImage, Operation, Size
from easel.providers.base.response import Cost
from easel.router.deployments import SIMULATED_KEY, TWINS
from easel.router.router import Router, SyncRouter
from easel.router.sizes import TIERS
from easel.simulator import faults
from easel.simulator.server import Simulator, running

from .conftest import TODAY, SkippingClock

EDGE = 512
"""Of the pictures that are given."""
ASKED: Mapping[str, object] = {
    "search_prompt": "the kite",
    "select_prompt": "the kite",
    "control_strength": 0.7,
    "reference_offset_x": 0,
    "reference_offset_y": 0,
    **dict.fromkeys(("left", "right", "up", "down", "top", "bottom"), 64),
    **dict.fromkeys(("expand_left", "expand_right", "expand_top", "expand_bottom"), 64),
}
"""What the tools that require an option of their vendor are given."""

NO_TWIN = {
    "recraft/recraft-refine-details": "its path and its fields are unconfirmed, so the twin has no such tool",
    "wavespeed/recraft-ai/recraft-v4.1-flash/text-to-image": "a third party's list alone has it",
}
"""Models of vendors with a twin which their twin does not know, and why."""
ACCOUNTS = {
    "openrouter": Decimal("0.000001"),
    "recraft": Decimal("0.001"),
    "stability": Decimal("0.001"),
    "wavespeed": Decimal("0.000001"),
}
"""Twins that keep an account of what they charge, and the US dollars that one of its units is."""
PRICED_OTHERWISE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "wavespeed/openai/gpt-image-2/text-to-image",
            "wavespeed/google/nano-banana-2/text-to-image",
            "wavespeed/google/nano-banana-pro/text-to-image",
            "wavespeed/bytedance/seedream-v5.0-pro",
        ),
        "an account's discount, which may change: the catalogue has the list price",
    ),
    "wavespeed/ideogram-ai/ideogram-v4.5": "a third party's price; the twin has that of 4.0",
}
"""Models whose price in the catalogue is not what their twin takes, and why."""


@dataclass(frozen=True)
class Case:
    deployment: str
    model: Model
    operation: Operation

    def __str__(self) -> str:
        return f"{self.deployment}:{self.operation}"


@cache
def picture(color: str, *, masked: bool = False) -> InputImage:
    """A square of one colour with another in it; `masked`: with a hole in it."""
    drawn = Image.new("RGBA" if masked else "RGB", (EDGE, EDGE), color)
    drawn.paste((0, 0, 0, 0) if masked else (250, 250, 250), (EDGE // 4, EDGE // 4, EDGE // 2, EDGE // 2))
    content = BytesIO()
    drawn.save(content, "PNG")
    return images.input_image(content.getvalue(), field="mask" if masked else "images")


def cases() -> Iterator[Case]:
    with Router.sync(clock=SkippingClock(), environment={}) as opened:
        for each in opened.router.deployments:
            life = each.model.lifecycle.shutdown.value
            if each.provider in TWINS and (life is None or life > TODAY):
                for operation in each.model.operations.value:
                    if operation != "video":
                        yield Case(each.name, each.model, operation)


CASES = list(cases())
QUOTED = [case for case in CASES if case.model.provider in {"ideogram", "wavespeed"} and case.deployment not in NO_TWIN]
"""Of vendors that can be asked for a price, for nothing, and do not say it afterwards."""
QUOTES = """
version: 1
deployments:
  - {provider: ideogram, key: {env: KEY}, settings: {quote: first}}
  - {provider: wavespeed, key: {env: KEY}, settings: {quote: first}}
routes:
  - {name: all, prefer: {by: [price]}}
"""


def shape(rule: SizeRule) -> dict[str, Any]:
    """The smallest thing that can be asked for."""
    match rule:
        case FixedSizes():
            return {"size": min(listed_sizes(rule), key=lambda each: each.pixels)}
        case FlexibleSizes():
            edge = max(EDGE, rule.min_edge, isqrt(rule.min_pixels - 1) + 1)
            edge = ceil(edge / rule.multiple_of) * rule.multiple_of
            return {"size": Size(edge, edge)}
        case RatioTable():
            smallest = min(rule.tiers.keys() & set(TIERS), key=lambda tier: rule.tiers[tier], default=None)
            ratio = "1:1" if "1:1" in rule.ratios else next(iter(rule.ratios))
            return {"aspect_ratio": ratio, "resolution": smallest}
        case RatioRange():
            return {"aspect_ratio": "1:1"}
        case FollowsInput() | AnySize():
            return {}


def order(case: Case) -> dict[str, Any]:
    """A cheap request of standard quality that this model can do."""
    model, operation = case.model, case.operation
    required = set(model.requires.value) if model.requires is not None else set[str]()
    inputs, qualities = model.input_images.value, model.qualities.value
    given: dict[str, Any] = {"model": case.deployment, "operation": operation, "prompt": "a red kite over dunes"}
    if model.max_prompt_characters.value == 0:
        given["prompt"] = ""
    if qualities is not None and "standard" in qualities.bands:
        given["quality"] = "standard"
    guided = inputs is not None and inputs.max_source_images == 0
    if operation != "generate" and not guided:
        given["images"] = picture("teal")
    if "references" in required or (operation == "edit" and guided):
        given |= {"operation": "generate" if guided else operation, "references": picture("gold")}
    if "mask" in required or ("images" in given and inputs is not None and inputs.needs_mask):
        given["mask"] = picture("teal", masked=True)
    if operation == "generate" and "transparent" in model.backgrounds.value:
        given["background"] = "transparent"
    taken = model.edit_sizes if model.edit_sizes is not None and "images" in given else model.sizes
    given |= {name: value for name, value in shape(taken.value).items() if value is not None}
    options = {name: ASKED[name] for name in required if name in ASKED}
    if options:
        given["provider_options"] = {model.provider: options}
    return given


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running(today=TODAY) as running_simulator:
        yield running_simulator


@pytest.fixture(scope="module")
def router(simulator: Simulator) -> Iterator[SyncRouter]:
    with Router.sync(simulator_url=simulator.base_url, clock=SkippingClock(), environment={}) as opened:
        yield opened


@pytest.fixture(scope="module")
def asking_router(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncRouter]:
    """It has a call priced before it is made."""
    path = tmp_path_factory.mktemp("quotes") / "easel.yaml"
    path.write_text(QUOTES)
    with Router.sync(path, simulator_url=simulator.base_url, clock=SkippingClock(), environment={}) as opened:
        yield opened


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_model_does_what_it_is_asked(case: Case, router: SyncRouter, simulator: Simulator) -> None:
    given, model = order(case), case.model
    if case.deployment in NO_TWIN:
        with pytest.raises(AllAttemptsFailed):
            router.run(given)
        return
    before = charged(case, simulator)
    answer = router.run(given)
    (attempt,) = answer.attempts
    painted = answer.images[0]
    assert (attempt.deployment, attempt.outcome, attempt.billed) == (case.deployment, "done", True)
    assert painted.media_type in {images.MEDIA_TYPES[each] for each in model.output.value.formats}
    assert painted.has_alpha or given.get("background") != "transparent"
    assert painted.has_alpha or case.operation != "remove_background"
    assert painted.media_type == "image/svg+xml" or fits(painted.size, given, model), painted.size
    said, actual = answer.cost.estimate, answer.cost.actual_usd
    print(f"{case}: {actual} by {answer.cost.basis}, foretold {said.low} to {said.worst}, without {said.unpriced}")
    check_cost(answer.cost)
    after = charged(case, simulator)
    if before is not None and after is not None and actual is not None:
        took = after - before
        assert (took != actual) == (case.deployment in PRICED_OTHERWISE), f"the twin takes {took}, and not {actual}"


@pytest.mark.parametrize("case", QUOTED, ids=str)
def test_a_quote_is_what_is_taken_and_what_the_catalogue_says(
    case: Case, asking_router: SyncRouter, simulator: Simulator
) -> None:
    before = charged(case, simulator)
    cost = asking_router.run(order(case)).cost
    after = charged(case, simulator)
    print(f"{case}: quoted {cost.actual_usd}, foretold {cost.estimate.low} to {cost.estimate.worst}")
    assert cost.basis == "vendor"
    if before is not None and after is not None:
        assert after - before == cost.actual_usd
    if case.deployment not in PRICED_OTHERWISE:
        check_cost(cost)


def test_every_twin_serves_a_provider() -> None:
    assert sorted(TWINS.values()) == sorted(faults.TWINS)
    assert {case.model.provider for case in CASES} == set(TWINS)
    assert {*NO_TWIN, *PRICED_OTHERWISE} <= {case.deployment for case in CASES}


def fits(size: Size, given: Mapping[str, Any], model: Model) -> bool:
    """Is it as large as asked for, or of the shape, or as large as the source, whichever it was?"""
    if "size" in given:
        return size == given["size"]
    if "aspect_ratio" in given:
        wanted = AspectRatio.parse(given["aspect_ratio"])
        return abs(size.width / size.height * wanted.height / wanted.width - 1) < 0.05
    rule = model.sizes.value
    if isinstance(rule, FollowsInput) and rule.scale is not None and not given.get("provider_options"):
        return size == Size(int(EDGE * rule.scale), int(EDGE * rule.scale))
    return bool(size.pixels)


def check_cost(cost: Cost) -> None:
    """What the reply says is what the catalogue says, as far as that knows it; it does not know and yet say."""
    said, actual = cost.estimate, cost.actual_usd
    if actual is None:
        assert said.low is None or said.low != said.worst, "the price is known before, and not after"
    elif said.low is None or said.worst is None:
        assert cost.basis == "vendor", "the price is not known before, and yet after"
    else:
        assert said.low <= actual, said
        assert actual <= said.worst or said.unpriced, said


def charged(case: Case, simulator: Simulator) -> Decimal | None:
    """What the twin has taken from the account so far, in US dollars. None: it keeps no account."""
    if case.model.provider not in ACCOUNTS:
        return None
    return Decimal(simulator.world.counters[f"{case.model.provider} {SIMULATED_KEY}"]) * ACCOUNTS[case.model.provider]
