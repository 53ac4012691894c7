"""A picture as an aggregator is asked for it: drawn, edited or traced as SVG, of a size from a ratio and a tier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from . import drawing, retouching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .faults import Fault

Format = Literal["png", "jpeg", "webp", "gif", "svg"]

TIERS = {"0.5k": 512, "512": 512, "768": 768, "1k": 1024, "1.5k": 1536, "2k": 2048, "3k": 3072, "4k": 4096, "8k": 8192}
"""The side, in pixels, of the square of each resolution, in lower case."""


@dataclass(frozen=True, slots=True)
class Painting:
    prompt: str
    size: tuple[int, int]
    output_format: Format
    sources: Sequence[bytes] = ()
    mask: bytes | None = None
    repaint: drawing.Repaint = "white"
    """The pixels of the mask that are painted anew."""
    transparent: bool = False
    seed: int | None = None
    compression: int | None = None

    @property
    def media_type(self) -> str:
        return "image/svg+xml" if self.output_format == "svg" else f"image/{self.output_format}"

    @property
    def extension(self) -> str:
        return "jpg" if self.output_format == "jpeg" else self.output_format

    def paint(self, fault: Fault | None, index: int = 0) -> bytes:
        """With a seed, the picture of this index among those of one call; always the same one."""
        seed = None if self.seed is None else self.seed + index
        raster: drawing.Format = "png" if self.output_format == "svg" else self.output_format
        if self.sources:
            drawn = drawing.edit(
                self.sources,
                self.prompt,
                *self.size,
                mask=self.mask,
                repaint=self.repaint,
                output_format=raster,
                transparent=self.transparent,
                seed=seed,
                fault=fault,
                compression=self.compression,
            )
        else:
            drawn = drawing.draw(
                self.prompt,
                *self.size,
                raster,
                transparent=self.transparent,
                seed=seed,
                fault=fault,
                compression=self.compression,
            )
        return retouching.trace(drawn, self.size) if self.output_format == "svg" else drawn


def output_format(name: str) -> Format:
    """Raises KeyError for a name that is no format; `jpg` is one."""
    formats: dict[str, Format] = {
        "png": "png",
        "jpeg": "jpeg",
        "jpg": "jpeg",
        "webp": "webp",
        "gif": "gif",
        "svg": "svg",
    }
    return formats[name]


def fitted(ratio: float, pixels: float, step: int = 16) -> tuple[int, int]:
    """Sides that are multiples of `step`, as near to that ratio and that many pixels as those allow."""
    width, height = math.sqrt(pixels * ratio), math.sqrt(pixels / ratio)
    return max(step, round(width / step) * step), max(step, round(height / step) * step)


def ratio_of(aspect_ratio: str) -> float:
    """Width over height of `16:9`; raises ValueError when it is not written so."""
    width, _, height = aspect_ratio.partition(":")
    ratio = float(width) / float(height or "nan")
    if not (math.isfinite(ratio) and ratio > 0):
        raise ValueError(f"{aspect_ratio!r} is not width:height")
    return ratio


def tiered(aspect_ratio: str, tier: str) -> tuple[int, int]:
    """As many pixels as the square of that tier has."""
    return fitted(ratio_of(aspect_ratio), TIERS[tier.lower()] ** 2)
