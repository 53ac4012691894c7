"""Answers held against the types that OpenAI publishes with its client, to the last field."""

from collections.abc import Collection
from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


def strictly(model: type[Model], body: object, *, beside: Collection[str] = ()) -> Model:
    """Reads `body` as `model`: every type exact, nothing missing, and nothing there that OpenAI does not have.

    `beside`: members of Easel's own that are expected at the top.
    """
    found = model.model_validate(body, strict=True)
    assert set(found.model_extra or ()) == set(beside), f"{model.__name__} has {found.model_extra}"
    for name in type(found).model_fields:
        _nothing_beside(getattr(found, name), name)
    return found


def _nothing_beside(value: Any, where: str) -> None:
    match value:
        case BaseModel():
            assert not value.model_extra, f"{where} has {value.model_extra}"
            for name in type(value).model_fields:
                _nothing_beside(getattr(value, name), f"{where}.{name}")
        case list():
            for each in value:
                _nothing_beside(each, where)
        case _:
            return
