"""Reports: what is known, as JSON has it. Both doors say it in these words; money is text, to the digit, and an unknown
value is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from ..providers.base.capabilities import Model
from ..providers.base.errors import (
    AllAttemptsFailed,
    ConfigError,
    EaselError,
    ModerationBlocked,
    NoModelCan,
    RequestError,
)
from ..providers.base.request import AspectRatio, ImageRequest, InputImage, Size
from ..providers.base.response import Candidate, Decision
from . import contract, pricing
from .deployments import Deployments
from .telemetry import kind

Json = dict[str, object]
SQUARE = Size(1024, 1024)
"""What prices are compared by."""
GIVEN = InputImage(b"", "image/png", SQUARE, has_alpha=True)
"""Stands for a picture to be changed: only its size is looked at."""


def plain(value: object) -> Any:
    """A value as JSON has it: dataclasses as objects of their fields, amounts, sizes and dates as text."""
    match value:
        case Decimal():
            return f"{value:f}"
        case Size() | AspectRatio() | Path():
            return str(value)
        case date():
            return value.isoformat()
        case BaseModel():
            return value.model_dump(mode="json")
        case Mapping():
            return {str(name): plain(each) for name, each in cast("Mapping[object, object]", value).items()}
        case list() | tuple():
            return [plain(each) for each in cast("Sequence[object]", value)]
        case _ if is_dataclass(value):
            return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
        case _:
            return value


# Decisions and errors


def decision(found: Decision) -> Json:
    """What `explain` says."""
    return {
        "request_id": found.request_id,
        "rule": found.rule,
        "plan": plain(found.plan),
        "dropped": plain(found.dropped),
        "relaxations": plain(found.relaxations),
        "estimate": plain(found.estimate),
        "rules_hash": found.rules_hash,
    }


def with_keys(found: Decision, deployments: Deployments) -> Decision:
    """A candidate whose key is not set is one by its facts, and yet it would be passed over: it says so."""

    def noted(each: Candidate) -> Candidate:
        deployment = deployments.by_name.get(each.deployment)
        if deployment is None or deployment.lacking is None:
            return each
        return replace(each, warnings=(*each.warnings, f"it would be passed over: {deployment.lacking}"))

    return replace(found, plan=tuple(map(noted, found.plan)))


def failure(error: EaselError) -> Json:
    """`error`, with whatever of an answer's own keys there is by then."""
    said: Json = {"kind": kind(error), "message": str(error)}
    beside: Json = {}
    match error:
        case NoModelCan():
            beside = {"dropped": plain(error.dropped), "relaxations": plain(error.relaxations)}
        case RequestError():
            said["field"] = error.field
        case ConfigError():
            said["problems"] = plain(error.problems)
        case ModerationBlocked():
            said |= {"stage": error.stage, "categories": list(error.categories)}
            beside = {"attempts": plain(error.attempts)}
        case AllAttemptsFailed():
            said["spent_usd"] = plain(error.spent_usd)
            beside = {"attempts": plain(error.attempts)}
        case _:
            pass
    return {"error": said, **beside}


# Models


def price_of_a_square(model: Model) -> Decimal | None:
    """Of a 1024x1024 picture at the standard band, as far as the model can be asked for one; None if it cannot.

    Of a model that does not paint from words: what it takes for its job on one such picture.
    """
    does = model.operations.value
    if does == ("video",):
        return None
    qualities = model.qualities.value
    paints = "generate" in does
    wanted = ImageRequest(
        prompt="a picture",
        operation="generate" if paints else does[0],
        images=() if paints else (GIVEN,),
        size=SQUARE,
        quality=qualities.bands.get("standard") if qualities is not None else None,
    )
    choice = contract.size_choice(wanted, model)
    request = replace(wanted, size=choice.size, aspect_ratio=choice.aspect_ratio, resolution=choice.resolution)
    return pricing.estimate(request, model).expected


def capabilities(model: Model) -> Json:
    """What it can do, in the catalogue's words."""
    inputs, mask, streaming = model.input_images.value, model.mask.value, model.streaming.value
    return {
        "operations": list(model.operations.value),
        "backgrounds": list(model.backgrounds.value),
        "sizes": plain(model.sizes.value),
        "durations": plain(model.durations.value) if model.durations is not None else None,
        "qualities": plain(model.qualities.value),
        "output_formats": list(model.output.value.formats),
        "max_outputs_per_call": model.max_outputs_per_call.value,
        "max_prompt_characters": model.max_prompt_characters.value,
        "max_input_images": inputs.max_input_images if inputs is not None else 0,
        "mask": mask is not None,
        "max_partial_images": streaming.max_partial_images if streaming is not None else None,
        "strengths": plain(model.strengths.value),
        "hints": list(model.hints.value),
    }


def life(model: Model) -> Json:
    """`shutdown_date` is the first day on which the vendor no longer answers; null: none is announced."""
    dates = model.lifecycle
    return {
        "launch_date": plain(dates.launched.value),
        "deprecation_date": plain(dates.deprecated.value),
        "shutdown_date": plain(dates.shutdown.value),
        "replacement": dates.replacement.value,
    }


def price(model: Model) -> Json:
    """`square_usd`: of a 1024x1024 picture of standard quality, in US dollars; null when nobody knows."""
    fact = model.price
    return {
        "square_usd": plain(price_of_a_square(model)),
        "billed_by": fact.value.kind,
        "status": fact.status,
        "source": fact.source,
        "as_of": plain(fact.as_of),
    }
