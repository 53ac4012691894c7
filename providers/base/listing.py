"""Lists of models, as vendors give them to a good key, read leniently: nothing is painted from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from .adapter import Standing
from .reply import Node, Reply


def openai_list(reply: Reply, *, paints: Callable[[Node], bool] | None = None) -> Standing:
    """`{"data": [{"id", "shutdown_date": null | "2026-12-01"}]}`, or the list alone.

    Source: openai/openai-python 3.54.0 types/model.py, read 2026-11-23. `paints` tells models that paint; by default
    their names do.
    """
    root = reply.json()
    found = list((root if isinstance(root.value, list) else root["data"]).items())
    names = {each["id"].text: each for each in found}
    ends = {name: day for name, each in names.items() if (day := _day(each.text_at("shutdown_date"))) is not None}
    painters = {name for name, each in names.items() if (paints(each) if paints is not None else "image" in name)}
    return Standing(frozenset(names), frozenset(painters), ends)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None


def names_at(holder: Node, *fields: str) -> Iterator[str]:
    """The texts in these fields, and in the lists that stand in them."""
    for field in fields:
        node = holder.at(field)
        if node is None:
            continue
        if isinstance(node.value, list):
            yield from (each.value for each in node.items() if isinstance(each.value, str))
        elif isinstance(node.value, str):
            yield node.value
