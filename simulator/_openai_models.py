"""The GPT image models: when they live, what they take, what they count.

Sources, read 2026-11-23: developers.openai.com/api/docs/deprecations, /models, /guides/image-generation, and the types
of openai-python 3.54.0. A comment says "unconfirmed" where no source was found. DALL-E, gone since 2026-05-12, is left
out on every date.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Literal

from . import _openai_tokens as tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Family = Literal["1", "2", "2.5", "2.6"]

FIXED_SIZES = ("1024x1024", "1024x1536", "1536x1024")
QUALITIES = ("low", "medium", "high")
MORE_QUALITIES = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    family: Family
    """Which counts of tokens apply."""
    launched: date
    shutdown: date | None
    """The first day it no longer answers; None when none is announced."""
    sizes: tuple[str, ...] = ()
    """The sizes it paints; empty for the flexible rule."""
    qualities: tuple[str, ...] = QUALITIES
    auto_quality: str = "high"
    """What `auto` becomes. unconfirmed for most: Azure documents high, and medium for mini."""
    formats: tuple[str, ...] = ("png", "webp", "jpeg")
    preview_formats: tuple[str, ...] = ()
    """Formats it knows and paints for chosen projects only."""
    input_types: tuple[str, ...] = ("image/jpeg", "image/png", "image/webp")
    transparent_since: date = date.min
    transparent_preview: bool = False
    fidelities: tuple[str, ...] = ()
    """Values of input_fidelity, the default first; empty when the parameter is refused."""
    markup: bool = False
    counts_text: bool = False
    """Whether text is counted among the output."""

    def is_live(self, today: date) -> bool:
        return self.launched <= today and (self.shutdown is None or today < self.shutdown)

    def output_tokens(self, quality: str, width: int, height: int) -> int:
        """Of one picture."""
        match self.family:
            case "1":
                return tokens.TABLE[quality][f"{width}x{height}"]
            case "2":
                return tokens.grid_tokens(tokens.GRID_2[quality], width, height)
            case "2.5":
                return tokens.grid_tokens(tokens.GRID_2_5[quality], width, height)
            case "2.6":
                counted = tokens.grid_tokens(tokens.GRID_2_5[quality], width, height)
                return -(-counted * tokens.TENTHS_2_6.get(quality, 10) // 10)

    def input_tokens(self, width: int, height: int, fidelity: str) -> int:
        """Of one picture given."""
        if self.family == "1":
            return tokens.tile_tokens(width, height, fidelity)
        return tokens.patch_tokens(width, height)


IMAGE_1 = Model(
    id="gpt-image-1",
    family="1",
    launched=date(2025, 4, 23),  # unconfirmed to the day
    shutdown=date(2026, 10, 23),
    sizes=FIXED_SIZES,
    fidelities=("low", "high"),
)
IMAGE_1_MINI = replace(
    IMAGE_1,
    id="gpt-image-1-mini",
    launched=date(2025, 10, 6),
    shutdown=date(2026, 12, 1),
    auto_quality="medium",
    fidelities=("low",),
)
IMAGE_1_5 = replace(
    IMAGE_1, id="gpt-image-1.5", launched=date(2025, 12, 16), shutdown=date(2026, 12, 1), counts_text=True
)
CHATGPT_LATEST = replace(IMAGE_1_5, id="chatgpt-image-latest")
IMAGE_2 = Model(
    id="gpt-image-2",
    family="2",
    launched=date(2026, 4, 21),
    shutdown=None,
    transparent_since=date(2026, 8, 20),
    transparent_preview=True,
)
SUNBURST_2_5 = Model(
    id="gpt-image-2.5-sunburst",
    family="2.5",
    launched=date(2026, 9, 8),
    shutdown=None,
    qualities=MORE_QUALITIES,
    markup=True,
)
FLARE_2_5 = replace(SUNBURST_2_5, id="gpt-image-2.5-flare")
SUNBURST_2_6 = replace(
    SUNBURST_2_5,
    id="gpt-image-2.6-sunburst",
    family="2.6",
    launched=date(2026, 11, 4),
    preview_formats=("gif", "svg"),
)
FLARE_2_6 = replace(
    SUNBURST_2_6,
    id="gpt-image-2.6-flare",
    auto_quality="max",  # chooses by the prompt; the one measurement, about 5800 tokens at 1024x1024, is nearest to max
)
MODELS = (SUNBURST_2_6, FLARE_2_6, SUNBURST_2_5, FLARE_2_5, IMAGE_2, IMAGE_1_5, CHATGPT_LATEST, IMAGE_1_MINI, IMAGE_1)
SNAPSHOTS = {
    "gpt-image-2-2026-04-21": "gpt-image-2",
    "gpt-image-2.5-sunburst-2026-09-08": "gpt-image-2.5-sunburst",
    "gpt-image-2.5-flare-2026-09-08": "gpt-image-2.5-flare",
    "gpt-image-1.5-2025-12-16": "gpt-image-1.5",
}


def roster(models: Iterable[Model]) -> Mapping[str, Model]:
    """By id, the dated snapshots beside the names that point at them."""
    by_id = {model.id: model for model in models}
    dated = {name: replace(by_id[alias], id=name) for name, alias in SNAPSHOTS.items() if alias in by_id}
    return by_id | dated
