"""What `--json` prints of pictures that were written to files; the rest of it is the same at every door."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...providers.base.response import ImageResponse, OutputImage
from ..report import Json, decision, failure, plain

__all__ = ["Json", "answer", "decision", "failure", "image", "plain"]


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
        **({"seconds": picture.seconds} if picture.seconds is not None else {}),
    }
