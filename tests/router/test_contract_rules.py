"""The contract: what a model is held to, what may be changed under which policy, and that the two agree.

That what reaches a vendor is what is listed here, `test_adaptations.py` proves over the wire.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from easel.providers.base.capabilities import Model
from easel.providers.base.request import AspectRatio, ImageRequest, Policy, Size
from easel.router.catalog import load_catalog, unknown_model
from easel.router.contract import Fitted, Policies, Unmet, check, fit
from easel.router.deployments import Deployment
from easel.router.relaxing import relaxations
from easel.router.settings import DeploymentRow

from .requests import MASKS, PICTURES, requests

TODAY = date(2026, 11, 23)
FACTS: dict[str, object] = {
    "qualities": {"words": ["low", "medium", "high"], "bands": {"draft": "low", "standard": "medium", "high": "high"}},
    "output": {"formats": ["png", "jpeg"], "selectable": True, "transparent": ["png"], "compression": ["jpeg"]},
    "backgrounds": ["auto", "opaque", "transparent"],
    "sizes": {"kind": "fixed", "sizes": ["1024x1024", "1536x1024"]},
    "max_outputs_per_call": 4,
    "max_prompt_characters": 60,
    "input_images": {"max_input_images": 2, "media_types": ["image/png"], "max_pixels": 80_000},
    "mask": {"polarity": "transparent", "max_bytes": 10_000},
    "hints": ["user"],
    "streaming": {"max_partial_images": 2},
    "strengths": {"typography": "weak"},
}
CATALOGUE = load_catalog().models


def a_model(**facts: object) -> Model:
    return unknown_model("openai_compatible", "brush", as_of=TODAY, source="this file", facts={**FACTS, **facts})


def lived(**dates: date | None) -> Model:
    life: dict[str, object] = {"deprecated": None, "replacement": None, "snapshots": [], "launched": None}
    return a_model(lifecycle={**life, "shutdown": None, **dates})


def policy(**by_field: Policy) -> Policies:
    return Policies.of(by_field)


def asked(request: ImageRequest, model: Model | None = None, policies: Policies | None = None) -> Unmet | None:
    return check(request, model or a_model(), policies or policy(), TODAY)


def fitted(request: ImageRequest, model: Model | None = None, policies: Policies | None = None) -> Fitted:
    model, policies = model or a_model(), policies or policy()
    assert check(request, model, policies, TODAY) is None
    row = DeploymentRow(provider=model.provider)
    return fit(request, Deployment(model.key, model.provider, model, row), policies, TODAY, warn_days=30)


def a_request(**given: Any) -> ImageRequest:
    whole: dict[str, Any] = {"prompt": "a heron", **given}
    return ImageRequest(**whole)


# What no policy changes


@pytest.mark.parametrize(
    ("request_", "requirement", "says"),
    [
        (a_request(operation="upscale", images=PICTURES[:1]), "operation", "cannot upscale"),
        (a_request(prompt="x" * 61), "prompt", "takes at most 60 characters, not 61"),
        (a_request(prompt=" "), "prompt", "needs a prompt"),
        (a_request(operation="edit", images=PICTURES[:1] * 3), "images", "takes at most 2 input images, not 3"),
        (a_request(references=PICTURES[1:2]), "references", "does not take image/jpeg"),
        (a_request(references=PICTURES[3:4]), "references", "takes images up to 80,000 pixels, not 320x320"),
        (a_request(needs=("typography",)), "needs", "is weak at typography"),
        (a_request(needs=("vector",)), "needs", "is weak at vector"),
        (a_request(prompt="", text=("O",)), "text", "is weak at spelling words"),
    ],
)
def test_what_cannot_be_is_named_whatever_the_policy(request_: ImageRequest, requirement: str, says: str) -> None:
    for default in ("adapt", "warn", "strict"):
        found = asked(request_, policies=Policies.of({"default": default}))
        assert found is not None
        assert found.requirement == requirement
        assert says in found.text


@pytest.mark.parametrize(
    ("facts", "request_", "requirement"),
    [
        ({"backgrounds": ["auto"]}, a_request(background="transparent"), "background"),
        ({"backgrounds": ["auto"]}, a_request(background="opaque"), "background"),
        ({"output": {"formats": ["jpeg"], "transparent": ["png"]}}, a_request(background="transparent"), "background"),
        ({"input_images": None}, a_request(references=PICTURES[:1]), "references"),
        (
            {"mask": None},
            a_request(operation="edit", images=PICTURES[:1], mask=MASKS[PICTURES[0].size][0]),
            "mask",
        ),
        ({"requires": ["mask"]}, a_request(operation="edit", images=PICTURES[:1]), "requires"),
        ({"operations": ["generate"]}, a_request(references=PICTURES[:1]), "operation"),
    ],
)
def test_an_input_is_never_given_up(facts: dict[str, object], request_: ImageRequest, requirement: str) -> None:
    found = asked(request_, a_model(**facts))
    assert found is not None
    assert found.requirement == requirement


@pytest.mark.parametrize(
    ("rule", "request_", "requirement"),
    [
        ({"max_source_images": 1}, ImageRequest(prompt="a", operation="edit", images=PICTURES[:1] * 2), "images"),
        ({"max_references": 0}, ImageRequest(prompt="a", references=PICTURES[:1]), "references"),
        ({"max_source_images": 0}, ImageRequest(prompt="a", operation="edit", images=PICTURES[:1]), "images"),
    ],
)
def test_sources_and_references_are_counted_apart(
    rule: dict[str, int], request_: ImageRequest, requirement: str
) -> None:
    assert asked(request_) is None
    unmet = asked(request_, a_model(input_images={"max_input_images": 2, **rule}))
    assert unmet is not None
    assert unmet.requirement == requirement


def test_with_a_source_other_sizes_may_be_possible() -> None:
    model = a_model(edit_sizes={"kind": "input"})
    strict = policy(size="strict")
    wanted = ImageRequest(prompt="a", size=Size(1024, 1024))
    assert asked(wanted, model, strict) is None
    edit = replace(wanted, operation="edit", images=PICTURES[:1])
    unmet = asked(edit, model, strict)
    assert unmet is not None
    assert unmet.requirement == "size"
    assert fitted(edit, model).request.size is None


def test_a_drawing_is_not_converted_into_a_picture() -> None:
    model = a_model(output={"formats": ["svg"], "transparent": [], "compression": []})
    assert asked(ImageRequest(prompt="a", output_format="svg"), model) is None
    unmet = asked(ImageRequest(prompt="a", output_format="png"), model)
    assert unmet is not None
    assert unmet.requirement == "output_format"


def test_a_tool_that_requires_words_does_not_go_without() -> None:
    model = a_model(operations=["upscale"], requires=["prompt"])
    upscale = ImageRequest(operation="upscale", images=PICTURES[:1])
    unmet = asked(upscale, model)
    assert unmet is not None
    assert unmet.requirement == "requires"
    assert asked(replace(upscale, prompt="a dune"), model) is None


def test_a_tool_that_nothing_in_a_request_tells_of_is_for_callers_who_name_it() -> None:
    model = a_model(operations=["edit"], requires=["images", "model"])
    edit = ImageRequest(prompt="a beach", operation="edit", images=PICTURES[:1])
    unmet = asked(edit, model)
    assert unmet is not None
    assert (unmet.requirement, unmet.text) == ("requires", "is a tool for one job, for callers who name it")
    assert asked(replace(edit, model=model.key), model) is None


@pytest.mark.parametrize(
    ("facts", "wish", "requirement"),
    [
        ({"output": {"formats": ["svg"], "transparent": []}}, {"needs": ("vector",)}, "output_format"),
        ({"output": {"formats": ["svg"], "transparent": []}}, {"output_format": "svg"}, "output_format"),
        ({"backgrounds": ["auto", "transparent"]}, {"background": "transparent"}, "background"),
    ],
)
def test_what_nobody_expects_is_for_those_who_ask_for_it(
    facts: dict[str, object], wish: dict[str, object], requirement: str
) -> None:
    model = a_model(**facts)
    unmet = asked(a_request(), model)
    assert unmet is not None
    assert unmet.requirement == requirement
    assert asked(a_request(**wish), model) is None
    assert asked(a_request(model=model.key), model) is None


def test_a_vector_picture_is_asked_of_a_model_that_paints_pixels_as_well() -> None:
    model = a_model(output={"formats": ["png", "svg"], "transparent": []})
    found = fitted(a_request(needs=("vector",)), model)
    assert found.request.output_format == "svg"
    assert [(each.field, each.sent) for each in found.adaptations] == [("output_format", "svg")]
    assert fitted(a_request(), model).request.output_format is None


def test_a_model_lives_from_its_launch_until_the_day_before_its_end() -> None:
    for model, today, requirement in (
        (lived(shutdown=date(2026, 12, 1)), date(2026, 11, 30), None),
        (lived(shutdown=date(2026, 12, 1)), date(2026, 12, 1), "retired"),
        (lived(launched=date(2026, 12, 1)), date(2026, 11, 30), "not_launched"),
        (lived(launched=date(2026, 12, 1)), date(2026, 12, 1), None),
    ):
        found = check(a_request(), model, policy(), today)
        assert (found and found.requirement) == requirement


def test_a_dying_model_warns() -> None:
    assert fitted(a_request(), lived(shutdown=TODAY + timedelta(days=31))).warnings == ()
    (warning,) = fitted(a_request(), lived(shutdown=TODAY + timedelta(days=30))).warnings
    assert warning == "openai_compatible/brush ends on 2026-12-23"


def test_what_is_dropped_carries_its_fact() -> None:
    model = a_model(max_outputs_per_call={"value": 4, "note": "svg: 1", "status": "third_party"})
    found = asked(a_request(n=5), model, policy(n="strict"))
    assert found is not None
    dropped = found.dropped(Deployment("x/brush", model.provider, model, DeploymentRow(provider=model.provider)))
    assert (dropped.deployment, dropped.requirement, dropped.fact) == ("x/brush", "n", "4 (svg: 1)")
    assert (dropped.source, dropped.as_of, dropped.status) == ("this file", "2026-11-23", "third_party")


# What a policy decides

CASES: Mapping[str, tuple[ImageRequest, tuple[str, object] | None, tuple[str, object] | None]] = {
    "size": (a_request(size=Size(1500, 1000)), ("dropped", None), ("clamped", Size(1536, 1024))),
    "aspect_ratio": (a_request(aspect_ratio=AspectRatio(16, 9)), ("dropped", None), ("clamped", None)),
    "resolution": (a_request(resolution="4K"), ("dropped", None), ("clamped", None)),
    "n": (a_request(n=9), ("emulated", 4), ("emulated", 4)),
    "quality": (a_request(quality="max"), ("dropped", None), ("clamped", "high")),
    "output_format": (a_request(output_format="webp"), ("emulated", "png"), ("emulated", "png")),
    "output_compression": (a_request(output_compression=5), ("dropped", None), ("dropped", None)),
    "seed": (a_request(seed=7), ("dropped", None), ("dropped", None)),
    "style": (a_request(style="vivid"), ("dropped", None), ("emulated", None)),
    "negative_prompt": (a_request(negative_prompt="fog"), ("dropped", None), ("emulated", None)),
    "moderation": (a_request(moderation="low"), ("dropped", None), ("dropped", None)),
    "partial_images": (a_request(stream=True, partial_images=3), ("dropped", None), ("clamped", 2)),
}
"""Field -> a request that asks for too much of it, and what becomes of it under warn and under adapt."""


@pytest.mark.parametrize("name", CASES)
def test_strict_drops_the_model(name: str) -> None:
    found = asked(CASES[name][0], policies=Policies.of({name: "strict"}))
    assert found is not None
    assert found.requirement == name


@pytest.mark.parametrize("name", CASES)
def test_what_strict_drops_a_relaxation_brings_back(name: str) -> None:
    (change,) = relaxations(CASES[name][0], Policies.of({name: "strict"}), {name})
    assert change.field == name
    assert asked(change.request, policies=change.policies) is None


@pytest.mark.parametrize(
    ("facts", "request_", "words"),
    [
        ({"backgrounds": ["auto"]}, a_request(background="transparent"), ["drop transparency"]),
        (
            {"mask": None},
            a_request(operation="edit", images=PICTURES[:1], mask=MASKS[PICTURES[0].size][0]),
            ["drop the mask"],
        ),
        ({}, a_request(operation="edit", images=(PICTURES[0],) * 3), ["use one source image"]),
        (
            {"input_images": {"max_input_images": 1}},
            a_request(references=PICTURES[:2]),
            ["drop the reference images", "use one reference image"],
        ),
        ({}, a_request(needs=("typography", "vector")), ["drop the need for typography, vector"]),
        ({}, a_request(prompt="", text=("O",)), ["drop the words to spell"]),
        ({"max_prompt_characters": 1000}, a_request(prompt="x" * 2000), ["shorten the prompt to 1,000 characters"]),
    ],
)
def test_what_could_be_given_up_is_said(facts: dict[str, object], request_: ImageRequest, words: list[str]) -> None:
    found = asked(request_, a_model(**facts))
    assert found is not None
    changes = relaxations(request_, policy(), {found.requirement})
    assert [change.words for change in changes] == words
    for change in changes:
        again = asked(change.request, a_model(**facts), change.policies)
        assert again is None or again.requirement != found.requirement


def test_what_was_not_asked_for_cannot_be_given_up() -> None:
    """A model that only draws, or paints on nothing, is for those who ask for that: no demand is in its way."""
    assert relaxations(a_request(), policy(), {"background", "output_format"}) == []


@pytest.mark.parametrize(
    ("size", "is_promised"), [("1024x1024", True), ("1216x768", True), ("1111x777", False), ("2048x2048", False)]
)
def test_a_size_beyond_limits_that_nobody_knows_is_not_promised(size: str, *, is_promised: bool) -> None:
    model, request_ = a_model(sizes={"kind": "flexible"}), a_request(size=Size.parse(size))
    found = asked(request_, model, policy(size="strict"))
    assert found is None if is_promised else found is not None and found.requirement == "size"
    assert asked(request_, model) is None
    assert asked(replace(request_, model=model.key), model, policy(size="strict")) is None


@pytest.mark.parametrize(("masked", "requirement"), [(True, None), (False, "requires")])
def test_a_model_that_repaints_marked_parts_only_takes_no_picture_without_a_mask(
    requirement: str | None, *, masked: bool
) -> None:
    picture = PICTURES[0]
    request_ = a_request(operation="edit", images=(picture,), mask=MASKS[picture.size][0] if masked else None)
    found = asked(request_, a_model(input_images={"max_input_images": 1, "needs_mask": True}))
    assert (found.requirement if found is not None else None) == requirement


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("word", "column"), [("warn", 1), ("adapt", 2)])
def test_warn_leaves_out_and_adapt_changes(name: str, word: Policy, column: int) -> None:
    case = CASES[name]
    found = fitted(case[0], policies=Policies.of({name: word}))
    expected = case[column]
    (adaptation,) = [each for each in found.adaptations if each.field == name]
    assert (adaptation.kind, getattr(found.request, name)) == expected
    assert adaptation.reason
    assert adaptation.asked == str(getattr(case[0], name))


@pytest.mark.parametrize("name", CASES)
def test_what_is_lost_is_also_a_warning(name: str) -> None:
    found = fitted(CASES[name][0])
    if any(each.kind == "dropped" for each in found.adaptations):
        assert any(name in warning for warning in found.warnings)


def test_more_than_a_call_makes_is_several_calls() -> None:
    found = fitted(a_request(n=9))
    assert found.calls == (4, 4, 1)
    assert found.request.n == 4


def test_a_request_that_fits_is_not_touched() -> None:
    request = a_request(size=Size(1024, 1024), n=4, output_format="png", user="u")
    found = fitted(request)
    assert found.request is request
    assert (found.adaptations, found.warnings, found.convert_to) == ((), (), None)


def test_the_nearest_layer_is_the_strongest() -> None:
    configured, route, own = {"default": "warn", "size": "strict"}, {"seed": "strict"}, {"size": "adapt"}
    merged = Policies.of(configured, route, own)  # pyright: ignore[reportArgumentType] (words of the table above)
    assert (merged["size"], merged["seed"], merged["style"]) == ("adapt", "strict", "warn")
    overruled = Policies.of({"size": "strict"}, {"default": "warn"})
    assert overruled["size"] == "warn", "a default speaks for every field that its layer does not name"


# Everything at once

REQUESTS = requests(known_options={})
NEVER_CHANGED = ("operation", "images", "references", "mask", "needs", "region", "max_cost_usd", "metadata", "model")
SAID_OTHERWISE = ("text", "background")
"""Asked of a model in other words than a field's, and not less for it."""


@given(request=REQUESTS, key=st.sampled_from(sorted(CATALOGUE)))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_what_passes_the_check_is_fitted_with_every_change_listed(request: ImageRequest, key: str) -> None:
    model = CATALOGUE[key]
    policies, today = Policies.of(request.policy), model.lifecycle.launched.value or TODAY
    assume(check(request, model, policies, today) is None)
    row = DeploymentRow(provider=model.provider)
    found = fit(request, Deployment(key, model.provider, model, row), policies, today, warn_days=30)
    listed = {each.field for each in found.adaptations}
    for each in fields(request):
        before, after = getattr(request, each.name), getattr(found.request, each.name)
        if before == after or before in (None, "", "auto", 0, False):
            continue
        assert each.name not in NEVER_CHANGED
        if each.name == "prompt":
            assert after.startswith(before)
            assert listed & {"text", "style", "negative_prompt"}
        else:
            assert each.name in listed
    for adaptation in found.adaptations:
        if policies.strict(adaptation.field) and adaptation.field not in SAID_OTHERWISE:
            assert adaptation.kind in {"renamed", "passed"}, adaptation
    assert sum(found.calls) == request.n
    assert max(found.calls) <= model.max_outputs_per_call.value
