"""The catalogue: every model that is known, and what is known of it. Read from `config/models/*.yaml`.

A file names its sources once; a fact names one of them, or takes its model's:

    shared: {flexible: &flexible {kind: flexible, multiple_of: 16}}     # values that models repeat, by YAML anchor
    defaults: {source: guide, as_of: 2026-11-23}
    models:
      gpt-image-2:
        sizes: *flexible
        max_outputs_per_call: 10                                        # a bare value: the model's source and date
        mask: {value: {polarity: transparent}, source: sdk, status: third_party}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast

from pydantic import Field, ValidationError

from .. import providers as registry
from ..providers.base.capabilities import Frozen, Lifecycle, Model
from ..providers.base.errors import ConfigError, Problem
from . import document
from .document import Document, did_you_mean, problems

FACTS = tuple(name for name, field in Model.model_fields.items() if "Fact" in str(field.annotation))
"""The fields of a model that carry evidence."""
LIFE = tuple(Lifecycle.model_fields)
Given = dict[str, object]


class CatalogueFile(Frozen):
    """A file of `config/models/`."""

    version: Literal[1]
    provider: str
    sources: dict[str, str] = Field(default_factory=dict)
    """Key -> address."""
    shared: dict[str, object] = Field(default_factory=dict)
    """Values with an anchor, for models to repeat; nothing else reads them."""
    defaults: dict[str, object] = Field(default_factory=dict)
    """Fields for every model of the file that does not give its own; of `lifecycle`, each member by itself."""
    models: dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every model by its key, `provider/id`."""

    models: Mapping[str, Model]
    _by_id: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]], repr=False)

    @classmethod
    def of(cls, models: Iterable[Model]) -> Catalog:
        by_key = {model.key: model for model in models}
        by_id: dict[str, tuple[str, ...]] = {}
        for key, model in by_key.items():
            for name in {model.id, *model.lifecycle.snapshots.value}:
                by_id[name] = (*by_id.get(name, ()), key)
        return cls(by_key, by_id)

    def model(self, key: str) -> Model:
        """The model of `provider/id`. Raises KeyError."""
        return self.models[key]

    def keys_for(self, model_id: str) -> tuple[str, ...]:
        """Every key whose model, or dated snapshot, the vendor calls by this name."""
        return self._by_id.get(model_id, ())

    def plus(self, models: Iterable[Model]) -> Catalog:
        return Catalog.of([*self.models.values(), *models])


@cache
def load_catalog(directory: Path | None = None, *, providers: frozenset[str] | None = None) -> Catalog:
    """The catalogue in `directory`, or the one that ships. Raises ConfigError with every problem of every file.

    With `providers`, only the files that are named after them are read, and those that came with another package.
    """
    found: list[Model] = []
    wrong: list[Problem] = []
    for path in _paths(directory, providers):
        try:
            found += read_models(document.read(path))
        except ConfigError as error:
            wrong += error.problems
    if wrong:
        raise ConfigError(wrong)
    return Catalog.of(found)


def _paths(directory: Path | None, providers: frozenset[str] | None) -> list[Path]:
    folder = directory or Path(str(files("easel.config"))) / "models"
    own = sorted(path for path in folder.glob("*.yaml") if providers is None or path.stem in providers)
    if directory is not None:
        return own
    found = (registry.models_of(name) for name in registry.others() if providers is None or name in providers)
    return own + [path for path in found if path is not None]


def read_models(content: Document) -> list[Model]:
    """The models of one file. Raises ConfigError."""
    file = document.validate(content, CatalogueFile)
    known = list(Model.model_fields)
    wrong = [
        content.problem(("defaults", name), f"unknown key {name!r}{did_you_mean(name, known)}")
        for name in file.defaults
        if name not in known
    ]
    if wrong:
        raise ConfigError(wrong)
    models: list[Model] = []
    for identifier, given in file.models.items():
        at = ("models", identifier)
        try:
            models.append(expand(file.provider, identifier, _over(file.defaults, given), file.sources))
        except ValidationError as error:
            wrong += problems(error, content, Model, at)
        except ValueError as error:
            wrong.append(content.problem(at, f"{identifier}: {error}"))
    if wrong:
        raise ConfigError(wrong)
    return models


def _over(defaults: Given, given: Given) -> Given:
    """A model's own fields over the file's. Of its life a model says only what differs."""
    merged = {**defaults, **given}
    usual, own = defaults.get("lifecycle"), given.get("lifecycle")
    if isinstance(usual, dict) and isinstance(own, dict):
        merged["lifecycle"] = {**cast("Given", usual), **cast("Given", own)}
    return merged


def expand(provider: str, identifier: str, given: Given, sources: Mapping[str, str]) -> Model:
    """A model from its YAML: bare values become facts, source keys become addresses."""

    def address(key: object) -> object:
        if not isinstance(key, str) or "/" in key or not sources:
            return key
        if key not in sources:
            raise ValueError(f"unknown source {key!r}{did_you_mean(key, list(sources))}")
        return sources[key]

    source, as_of = address(given.get("source")), given.get("as_of")

    def fact(value: object) -> Given:
        full: Given = {"value": value}
        if isinstance(value, dict) and "value" in value:
            full = dict(cast("Given", value))
        full["source"] = address(full["source"]) if "source" in full else source
        full.setdefault("as_of", as_of)
        return full

    whole: Given = {"provider": provider, "id": identifier, **given, "source": source}
    for name in FACTS:
        if name in whole:
            whole[name] = fact(whole[name])
    life = whole.get("lifecycle")
    if isinstance(life, dict):
        members = cast("Given", life)
        whole["lifecycle"] = {**members, **{name: fact(members[name]) for name in LIFE if name in members}}
    return Model.model_validate(whole)


def unknown_model(
    provider: str, identifier: str, *, as_of: date, source: str, facts: Mapping[str, object] | None = None
) -> Model:
    """A model the catalogue does not have: what its operator says of it in `facts`, and else nothing to rely on.

    Raises ValidationError, or ValueError, when `facts` are not a model's.
    """
    given: Given = {
        "name": identifier,
        "source": source,
        "as_of": as_of,
        "lifecycle": {"launched": None, "deprecated": None, "shutdown": None, "replacement": None, "snapshots": []},
        "operations": ["generate", "edit"],
        "backgrounds": ["auto", "opaque"],
        "sizes": {"kind": "any"},
        "qualities": {"words": ["low", "medium", "high"], "bands": {}},
        "output": {"formats": ["png", "jpeg", "webp"], "selectable": False, "transparent": [], "compression": []},
        "max_outputs_per_call": 1,
        "max_prompt_characters": None,
        "input_images": {"max_input_images": 1},
        "mask": None,
        "hints": ["seed", "user"],
        "streaming": None,
        "strengths": {},
        "options": [],
        "price": {"kind": "unknown"},
        "batch_multiplier": None,
        "typical_seconds": None,
    }
    for name in FACTS:
        if name in given:
            given[name] = {"value": given[name], "status": "unconfirmed"}
    return expand(provider, identifier, {**given, **(facts or {})}, {})


def json_schema() -> Given:
    """The JSON Schema of a catalogue file, for editors, from the types: a fact in full, or as its bare value."""
    model = cast("Given", Model.model_json_schema(ref_template="#/$defs/{model}"))
    whole = cast("Given", CatalogueFile.model_json_schema())
    definitions = cast("dict[str, Given]", model.pop("$defs"))
    for name, definition in definitions.items():
        if name.startswith("Fact"):
            value = cast("Given", definition["properties"])["value"]
            # A fact's source and date may come from its model.
            definitions[name] = {"anyOf": [{**definition, "required": ["value"]}, value]}
        definition.pop("required" if name == "Lifecycle" else "", None)
    properties = cast("Given", model["properties"])
    row = {**model, "properties": {k: v for k, v in properties.items() if k not in {"provider", "id"}}}
    row.pop("required", None)
    cast("Given", whole["properties"])["models"] = {"type": "object", "additionalProperties": row}
    cast("Given", whole["properties"])["defaults"] = row
    return {**whole, "$defs": definitions}
