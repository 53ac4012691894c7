"""Every vendor Easel speaks to: one file each, found by its name.

`base/` is the contract they share. A provider is the name of a module here that ends with `ADAPTER = TheClass`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.resources import files

from .base.adapter import AnyAdapter


@cache
def names() -> tuple[str, ...]:
    """Every provider that ships."""
    found = (entry.name.removesuffix(".py") for entry in files(__name__).iterdir() if entry.name.endswith(".py"))
    return tuple(sorted(name for name in found if not name.startswith("_")))


@cache
def adapter(name: str) -> type[AnyAdapter]:
    """The adapter class of a provider. Raises KeyError for an unknown one."""
    if name not in names():
        raise KeyError(name)
    kind: type[AnyAdapter] = import_module(f".{name}", __name__).ADAPTER
    return kind
