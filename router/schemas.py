"""JSON Schemas of the configuration, for editors and other tools: made from the types, kept in `config/*.schema.json`.

`python -m easel.router.schemas` writes them anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import cast

from . import catalog
from .settings import SettingsFile

Schema = dict[str, object]
ONE_OR_MORE = ("When", "Among", "PromptIs")
"""Types that take a single value in place of a list of one."""


def settings_schema() -> Schema:
    """Of a file with deployments, routes, tests or policy."""
    schema = cast("Schema", SettingsFile.model_json_schema())
    definitions = cast("dict[str, Schema]", schema["$defs"])
    for name in ONE_OR_MORE:
        definitions[name] = cast("Schema", _or_one(definitions[name]))
    return schema


def _or_one(schema: object) -> object:
    """Every list in a schema as: such a list, or one member of it."""
    if isinstance(schema, list):
        return [_or_one(each) for each in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    members = cast("Schema", schema)
    items = members.get("items")
    if members.get("type") == "array" and "$ref" not in cast("Schema", items):
        return {"anyOf": [items, members]}
    return {name: _or_one(each) for name, each in members.items()}


def schemas() -> Mapping[str, str]:
    """File name -> its text."""
    return {
        "models.schema.json": _text(catalog.json_schema()),
        "settings.schema.json": _text(settings_schema()),
    }


def _text(schema: Schema) -> str:
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


def write() -> None:
    folder = Path(str(files("easel.config")))
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
