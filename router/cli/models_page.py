"""models --markdown: the catalogue as a page, for each provider its keys, models, oddities and sources.

What is not in the catalogue comes from the adapter: how the key travels, and its module's own words.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, assert_never

from ... import providers
from ...providers.base.adapter import Adapter, AnyAdapter
from ...providers.base.capabilities import DurationRange, Durations, Fact, ListedDurations, Model
from .. import settings
from ..catalog import FACTS, LIFE
from ..report import price_of_a_square
from ..settings import DeploymentRow, Named
from . import models, show

HEAD = """\
<!-- Made from the catalogue; do not edit it. CONTRIBUTING.md says how it is made anew. -->

# Providers

What the catalogue knows, one section for each provider: how it is reached, what its models can do and what they cost,
what is odd, and where and when all of it was read. `—` is no, and what nobody has published. A price is that of a
1024x1024 picture of standard quality, or of a second of video. Facts in *italics* are not the vendor's own word. A
prompt's limit is in characters.
"""
HEADINGS = (
    "model",
    "operations",
    "sizes",
    "per call",
    "prompt",
    "pictures in",
    "mask",
    "alpha",
    "formats",
    "typography",
    "price",
    "ends",
    "as of",
)
NONE = "—"
KEY = "…"


def page(config: Path | None, found: Iterable[Model]) -> str:
    """Models of one provider are in one section, in the order in which they come."""
    rows = settings.load(config).deployments
    sections: dict[str, list[Model]] = {}
    for each in found:
        sections.setdefault(each.provider, []).append(each)
    count = f"{sum(map(len, sections.values()))} models of {len(sections)} providers."
    lines = [HEAD, count, ""]
    for provider, group in sorted(sections.items()):
        lines += _section(provider, group, [row for row in rows if row.provider == provider])
    return "\n".join(lines)


def _section(provider: str, found: Sequence[Model], rows: Sequence[DeploymentRow]) -> Iterator[str]:
    yield f"## {provider}"
    yield ""
    if provider in providers.names():
        yield from _reached(providers.adapter(provider), rows)
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|---" * len(HEADINGS) + "|"
    yield from (f"| {' | '.join(_cells(each))} |" for each in found)
    yield ""
    if oddities := list(_oddities(found)):
        yield "What is odd:"
        yield ""
        yield from (f"- {each}" for each in oddities)
        yield ""
    yield "Read for the catalogue:"
    yield ""
    yield from (f"- {each}" for each in _sources(found))
    yield ""


# How it is reached


def _reached(kind: type[AnyAdapter], rows: Sequence[DeploymentRow]) -> Iterator[str]:
    """The first paragraph of the adapter's docstring, the ways that are configured, and the other paragraphs."""
    title, *others = inspect.cleandoc(sys.modules[kind.__module__].__doc__ or kind.__name__).split("\n\n")
    yield from (_joined(title), "")
    for row in rows:
        yield f"- As `{row.prefix}/…`: {_auth(kind, row)}, at {_place(kind, row)}."
    if kind.settings:
        yield f"- Settings: {', '.join(f'`{name}`' for name in sorted(kind.settings))}."
    if rows or kind.settings:
        yield ""
    for paragraph in others:
        yield from (_joined(paragraph), "")


def _joined(paragraph: str) -> str:
    """In one line, unless it is a list."""
    return paragraph if paragraph.startswith("- ") else " ".join(paragraph.split())


def _auth(kind: type[AnyAdapter], row: DeploymentRow) -> str:
    """Where the key is found, and how it travels."""
    if row.key is None:
        return "no key"
    key = f"the key in `{row.key.env or row.key.file}`"
    if not issubclass(kind, Adapter):
        return key
    if kind.login is not Adapter.login:
        return f"{key}, exchanged for a token"
    settings = {name: value if isinstance(value, str) else KEY for name, value in row.settings.items()}
    headers = kind(base_url="https://base", settings=settings).auth(KEY)
    sent = " and ".join(f"`{name}: {value}`" for name, value in headers.items() if KEY in value)
    return f"{key}, as `{sent.strip('`')}`" + (", or signing each call" if kind.sign is not Adapter.sign else "")


def _place(kind: type[AnyAdapter], row: DeploymentRow) -> str:
    if isinstance(row.base_url, Named):
        return f"the address in `{row.base_url.env or row.base_url.file}`"
    return f"`{row.base_url or kind.default_base_url}`"


# What each model can do


def _cells(model: Model) -> Iterator[str]:
    inputs, mask, ends = model.input_images, model.mask, model.lifecycle.shutdown
    square, lettering = price_of_a_square(model), model.strengths.value.get("typography")
    sizes = models.sizes(model.sizes.value)
    if model.edit_sizes is not None:
        sizes += f"; of edits {models.sizes(model.edit_sizes.value)}"
    yield f"`{model.id}`"
    yield _said(model.operations, ", ".join(model.operations.value))
    yield _said(model.sizes, sizes + (_durations(model.durations.value) if model.durations is not None else ""))
    yield _said(model.max_outputs_per_call, str(model.max_outputs_per_call.value))
    yield _said(model.max_prompt_characters, _number(model.max_prompt_characters.value))
    yield _said(inputs, str(inputs.value.max_input_images) if inputs.value is not None else NONE)
    yield _said(mask, f"{mask.value.polarity} is repainted" if mask.value is not None else NONE)
    yield _said(model.backgrounds, "yes" if "transparent" in model.backgrounds.value else NONE)
    yield _said(model.output, ", ".join(model.output.value.formats))
    yield _said(model.strengths, lettering or NONE)
    priced = square is not None or model.price.value.kind == "second"
    yield _said(model.price, models.price(model, square) if priced else NONE)
    yield _said(ends, str(ends.value) if ends.value is not None else NONE)
    yield str(model.as_of)


def _said(fact: Fact[Any], text: str) -> str:
    return text if fact.status == "confirmed" or text == NONE else f"*{text}*"


def _number(value: int | None) -> str:
    return f"{value:,}" if value is not None else NONE


def _durations(rule: Durations) -> str:
    match rule:
        case ListedDurations(seconds=able):
            return f"; {', '.join(map(str, able))} s"
        case DurationRange(shortest=shortest, longest=longest):
            return f"; {shortest} to {longest} s"
    assert_never(rule)


# What is odd, and where it was read


def _facts(model: Model) -> Iterator[tuple[str, Fact[Any]]]:
    for name in FACTS:
        if (fact := getattr(model, name)) is not None:
            yield name, fact
    for name in LIFE:
        yield name, getattr(model.lifecycle, name)


def _oddities(found: Sequence[Model]) -> Iterator[str]:
    """Each note once, with the models that have it where not all do."""
    notes: dict[tuple[str, str], list[str]] = {}
    for model in found:
        for name, fact in _facts(model):
            if fact.note is not None:
                notes.setdefault((name, fact.note), []).append(f"`{model.id}`")
    for (name, note), names in notes.items():
        whose = "" if len(names) == len(found) else f" ({show.some(names)})"
        yield f"{name.replace('_', ' ')}: {_harmless(note)}{whose}"


def _sources(found: Sequence[Model]) -> Iterator[str]:
    days: dict[str, set[date]] = {}
    for model in found:
        for _, fact in _facts(model):
            days.setdefault(fact.source, set()).add(fact.as_of)
    for source, read in days.items():
        where = f"<{source}>" if "://" in source else _harmless(source)
        yield f"{where}, {' to '.join(dict.fromkeys(map(str, (min(read), max(read)))))}"


def _harmless(text: str) -> str:
    """Words that Markdown does not take for anything else."""
    return re.sub(r"([*<\[\]|])", r"\\\1", text)
