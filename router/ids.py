"""Names for requests, attempts and calls: no two are alike. They are not secrets, and so cost a tenth of one."""

from __future__ import annotations

import os
from random import Random

_RANDOM = Random(os.urandom(32))  # noqa: S311 (not a secret); our own: a program may seed the shared one
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _RANDOM.seed(os.urandom(32)))


class NewId(str):
    """A name that was made here a moment ago: no row of a ledger can have it yet."""

    __slots__ = ()


def new(kind: str) -> NewId:
    """`kind`, and 24 hexadecimal digits."""
    return NewId(f"{kind}_{_RANDOM.getrandbits(96):024x}")
