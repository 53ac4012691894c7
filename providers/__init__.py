"""Every vendor Easel speaks to: one file each, found by its name; and those of other packages, by their entry points.

`base/` is the contract they share. A provider is the name of a module here that ends with `ADAPTER = TheClass`. Another
package adds one by an entry point of the group `easel.providers` that names such a module:

    [project.entry-points."easel.providers"]
    lumen = "lumen_easel"

`MODELS`, beside `ADAPTER`, is the path of its models in the form of `config/models/`. A name that ships is not
replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from .base.adapter import Adapter, AnyAdapter, LocalAdapter
from .base.errors import ConfigError, Problem

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "easel.providers"


@cache
def shipped() -> tuple[str, ...]:
    """Every provider that ships."""
    found = (entry.name.removesuffix(".py") for entry in files(__name__).iterdir() if entry.name.endswith(".py"))
    return tuple(sorted(name for name in found if not name.startswith("_")))


@cache
def others() -> Mapping[str, EntryPoint]:
    """Those of other packages. Nothing of theirs is imported."""
    from importlib.metadata import entry_points  # a twentieth of a second that importing Easel need not pay

    return {each.name: each for each in entry_points(group=GROUP) if each.name not in shipped()}


@cache
def names() -> tuple[str, ...]:
    return tuple(sorted((*shipped(), *others())))


@cache
def adapter(name: str) -> type[AnyAdapter]:
    """The adapter class of a provider. Raises KeyError for an unknown one, ConfigError for one that is none."""
    kind: object = getattr(_module(name), "ADAPTER", None)
    if not (isinstance(kind, type) and issubclass(kind, Adapter | LocalAdapter)):
        raise _unusable(name, "its module has no ADAPTER that is an Adapter of easel.providers.base")
    if kind.name != name:
        raise _unusable(name, f"its adapter calls itself {kind.name!r}; both names must be the same")
    return kind


def models_of(name: str) -> Path | None:
    """The file with the models of another package's provider; None where it has none, or where Easel ships it."""
    if name not in others():
        return None
    place: object = getattr(_module(name), "MODELS", None)
    return Path(place) if isinstance(place, str | Path) else None


def _module(name: str) -> ModuleType:
    if name in shipped():
        return import_module(f".{name}", __name__)
    entry = others()[name]
    try:
        return import_module(entry.module)
    except Exception as error:
        raise _unusable(name, f"{entry.module} cannot be imported: {type(error).__name__}: {error}") from error


def _unusable(name: str, why: str) -> ConfigError:
    package = others()[name].dist if name in others() else None
    return ConfigError([Problem(f"provider {name!r} of {package.name if package else 'Easel'}", why)])
