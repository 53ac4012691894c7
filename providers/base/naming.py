"""Bodies in which every model has names of its own, at vendors of many makers' models (fal, Replicate, WaveSpeed).

What a request says is collected under the request's names and goes out under the model's: the catalogue's `wire_names`
over the vendor's usual ones. A name that ends in `[]` is a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from .errors import InvalidRequest

if TYPE_CHECKING:
    from .capabilities import Model


def named(said: Mapping[str, object], model: Model, usual: Mapping[str, str]) -> dict[str, object]:
    """`said` under the model's names, without what is None or an empty list.

    Raises InvalidRequest for several values where the model has room for one: none of them is left out in silence.
    """
    body: dict[str, object] = {}
    for field, value in said.items():
        if value is None or value == []:
            continue
        name = model.wire_names.get(field, usual.get(field, field))
        values = cast("list[object]", value) if isinstance(value, list) else [value]
        if name.endswith("[]"):
            body[name.removesuffix("[]")] = values
        elif len(values) == 1:
            body[name] = values[0]
        else:
            raise InvalidRequest(f"{model.key} takes one of {field}, as {name}, not {len(values)}")
    return body
