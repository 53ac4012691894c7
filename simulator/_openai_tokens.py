"""How many tokens OpenAI counts for a prompt, for a picture given and for a picture made.

Sources, read 2026-11-23: the tables of developers.openai.com/api/docs/guides/image-generation; the tile rule of
/guides/images-vision; the grid formula https://community.openai.com/t/1382699 and the patch rule
https://community.openai.com/t/1382940, both recovered by users and equal to every published figure.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTIAL_IMAGE_TOKENS = 100
PROMPT_OVERHEAD = 6
"""Measured on generations. Edits are said to add more, by an amount nobody published; they add as much here."""

TABLE: Mapping[str, Mapping[str, int]] = {
    "low": {"1024x1024": 272, "1024x1536": 408, "1536x1024": 400},
    "medium": {"1024x1024": 1056, "1024x1536": 1584, "1536x1024": 1568},
    "high": {"1024x1024": 4160, "1024x1536": 6240, "1536x1024": 6208},
}
"""gpt-image-1 and its relatives: by quality and size."""

GRID_2: Mapping[str, int] = {"low": 16, "medium": 48, "high": 96}
GRID_2_5: Mapping[str, int] = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
"""Cells along the longer side, by quality."""

TENTHS_2_6: Mapping[str, int] = {"low": 42, "medium": 40}
"""Tenths of what 2.5 counts, where 2.6 was measured to count more: unconfirmed, one reseller's runs of 2026-11-05."""

PATCH = 32
PATCH_BUDGET = 1536


def grid_tokens(cells: int, width: int, height: int) -> int:
    longer, shorter = max(width, height), min(width, height)
    shorter_cells = (2 * cells * shorter + longer) // (2 * longer)
    return -(-cells * shorter_cells * (2_000_000 + width * height) // 4_000_000)


def prompt_tokens(prompt: str) -> int:
    """An estimate of four letters a token: the tokenizer's vocabulary (o200k_base) would be a download of its own."""
    return max(1, math.ceil(len(prompt) / 4)) + PROMPT_OVERHEAD


def tile_tokens(width: int, height: int, fidelity: str) -> int:
    """A picture given to gpt-image-1 and its relatives."""
    scale = min(1.0, 2048 / max(width, height))
    scale = min(scale, 512 / min(width, height))
    tiles = _cells(width * scale, 512) * _cells(height * scale, 512)
    extra = 0 if fidelity == "low" else 4160 if width == height else 6240
    return 65 + 129 * tiles + extra


def patch_tokens(width: int, height: int) -> int:
    """A picture given to gpt-image-2; the same is assumed of 2.5 and 2.6."""
    magnify = min(2.0, max(1.0, 1024 / max(width, height)))
    wide, high = width * magnify, height * magnify
    wide, high = max(wide, high / 3), max(high, wide / 3)
    if _cells(wide, PATCH) * _cells(high, PATCH) > PATCH_BUDGET:
        shrink = math.sqrt(PATCH_BUDGET * PATCH**2 / (wide * high))
        columns, rows = wide * shrink / PATCH, high * shrink / PATCH
        shrink *= min(math.floor(columns) / columns, math.floor(rows) / rows)
        wide, high = wide * shrink, high * shrink
    return _cells(wide, PATCH) * _cells(high, PATCH)


def _cells(length: float, cell: int) -> int:
    """Cells begun; the small step keeps a length that is a whole number of cells from beginning one more."""
    return math.ceil(length / cell - 1e-9)
