"""What `--json` prints. Money is text, to the digit; an unknown value is null."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from ...providers.base.errors import (
    AllAttemptsFailed,
    ConfigError,
    EaselError,
    ModerationBlocked,
    NoModelCan,
    RequestError,
)
from ...providers.base.request import AspectRatio, Size
from ...providers.base.response import Decision, ImageResponse, OutputImage

Json = dict[str, object]


def plain(value: object) -> Any:
    """A value as JSON has it: dataclasses as objects of their fields, amounts, sizes and dates as text."""
    match value:
        case Decimal():
            return f"{value:f}"
        case Size() | AspectRatio() | Path():
            return str(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(each) for name, each in cast("Mapping[object, object]", value).items()}
        case list() | tuple():
            return [plain(each) for each in cast("Sequence[object]", value)]
        case _ if is_dataclass(value):
            return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
        case _:
            return value


def decision(found: Decision) -> Json:
    """What `explain` prints."""
    return {
        "request_id": found.request_id,
        "rule": found.rule,
        "plan": plain(found.plan),
        "dropped": plain(found.dropped),
        "relaxations": plain(found.relaxations),
        "estimate": plain(found.estimate),
        "rules_hash": found.rules_hash,
    }


def answer(response: ImageResponse, files: Sequence[Path]) -> Json:
    """What `generate` and `edit` print. `files` are where the pictures were written, in their order."""
    pictures = [image(path, each) for path, each in zip(files, response.images, strict=True)]
    return {
        **decision(response.decision),
        "rule": response.route.rule,
        "estimate": plain(response.cost.estimate),
        "attempts": plain(response.attempts),
        "adaptations": plain(response.adaptations),
        "warnings": plain(response.warnings),
        "images": pictures,
        "usage": plain(response.usage),
        "cost": plain(response.cost),
    }


def image(path: Path, picture: OutputImage) -> Json:
    return {
        "path": str(path),
        "media_type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
        "has_alpha": picture.has_alpha,
        "sha256": picture.sha256,
    }


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


def kind(error: EaselError) -> str:
    """The error's name, as JSON writes names: no_model_can."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
