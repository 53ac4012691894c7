"""An account's own facts: what was seen when a model was tried, in a file beside the user's catalogue.

The catalogue says what a vendor publishes; this says what came when somebody paid for a picture: did it work, how large
was it, what was billed. `easel probe` writes it, `easel doctor` tells of it, and nothing is routed by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..providers.base.capabilities import Frozen
from . import document

COMMENT = "What was seen when these deployments were tried. Written by `easel probe`, told by `easel doctor`."


class Proven(Frozen):
    """What was seen of one deployment, the newest of each."""

    works: bool
    """Did the last try give a picture?"""
    outcome: str
    """Of the last try, as the ledger has it."""
    as_of: date
    sizes: dict[str, str] = Field(default_factory=dict)
    """Asked for -> what came, in pixels."""
    costs_usd: dict[str, Decimal | None] = Field(default_factory=dict)
    """What was asked for -> what it cost. None: nobody says."""
    cost_basis: str = "unknown"
    """vendor, usage or list_price: how the last cost is known."""
    media_type: str | None = None
    seconds: float | None = None
    """From the call to the picture."""
    model_snapshot: str | None = None
    request_id: str | None = None
    """Of the last try, for the ledger."""


class AccountFile(Frozen):
    version: Literal[1] = 1
    deployments: dict[str, Proven] = Field(default_factory=dict)


def read(path: Path) -> Mapping[str, Proven]:
    """By deployment; empty when there is no file yet. Raises ConfigError for one that cannot be used."""
    if not path.exists():
        return {}
    return document.validate(document.read(path), AccountFile).deployments


def note(path: Path, deployment: str, seen: Proven) -> None:
    """Add what was seen; what was seen before of other sizes and prices stays. Raises ConfigError, OSError."""
    known = dict(read(path))
    before = known.get(deployment)
    if before is not None:
        merged = {"sizes": before.sizes | seen.sizes, "costs_usd": before.costs_usd | seen.costs_usd}
        seen = seen.model_copy(update=merged)
    known[deployment] = seen
    content = AccountFile(deployments=dict(sorted(known.items()))).model_dump(exclude_none=True)
    document.write(path, content, comment=COMMENT)
