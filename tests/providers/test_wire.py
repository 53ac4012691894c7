"""What goes out follows from the request: what the catalogue promises is sent, and no option says it otherwise."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from easel.providers.base import Call, ImageRequest, Model, Reply
from easel.providers.base.adapter import Adapter
from easel.providers.base.errors import InvalidRequest, ProviderError

from .asking import fitted, further, models, plainest
from .recording import UUID, http_adapter, http_providers, recordings

ORIGIN = "https://vendor.example"
SETTINGS: Mapping[str, dict[str, str]] = {
    "cloudflare": {"account_id": "an-account"},
    "vertex": {"project": "a-project"},
}
"""Of adapters that cannot do without."""
MARKER = "easel-marker"
PREPARED: Mapping[str, object] = {
    "name": "a-file",
    "urls": {"get": "an-address"},
    "images": [{"id": "a-picture"}],
    "code": 200,
    "data": {"currency": "EUR"},
    "object": "price_quote",
    "usd_micros": 1,
    "qualifier": "estimate",
}
"""What uploads and quotes are answered with, all of them."""
CONSTANTS: Mapping[str, Mapping[str, str]] = {
    "huggingface": {"response_format": "base64 or an address: the picture is the same"},
    "minimax": {"response_format": "base64 or an address: the picture is the same"},
    "openai_compatible": {"response_format": "a deployment has a setting for it"},
    "runware": {
        "includeCost": "without it the cost is the catalogue's",
        "outputType": "base64 or an address: the picture is the same",
        "taskUUID": "a name for the task, of the caller's own",
    },
    "together": {"response_format": "base64 or an address: the picture is the same"},
}
"""Members that follow from nothing in a request, and may be given as options though the vendor's list lacks them."""

Leaf = tuple[str, str]
"""Where it stands in a body, and what."""


def adapter(provider: str) -> Adapter:
    kind = http_adapter(provider)
    return kind(base_url=kind.default_base_url or ORIGIN, settings=SETTINGS.get(provider))


def paid(call: Call) -> Call:
    """The call that is paid for, after those that prepare it."""
    while call.then is not None:
        call = call.then(Reply(200, {}, json.dumps(PREPARED).encode(), call.url))
    return call


def leaves(call: Call) -> Counter[Leaf]:
    """Every value of the body, by its place."""
    boundary = re.search(r"boundary=(.*)", call.headers.get("content-type", ""))
    if boundary:
        return Counter(_parts(call.body or b"", boundary[1].encode()))
    return Counter(_values(json.loads(call.body or b"null"), ""))


def _parts(body: bytes, boundary: bytes) -> Iterator[Leaf]:
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        yield (name[1].decode() if name else "", data.hex())


def _values(value: object, place: str) -> Iterator[Leaf]:
    if isinstance(value, dict):
        for name, each in cast("dict[str, object]", value).items():
            yield from _values(each, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for index, each in enumerate(cast("list[object]", value)):
            yield from _values(each, f"{place}.{index}")
    else:
        yield place, UUID.sub("uuid", str(value))


def names(found: Counter[Leaf]) -> set[str]:
    """Of every member, at whatever depth."""
    return {name for place, _ in found for name in re.sub(r"\[(\w*)\]", r".\1", place).split(".") if not name.isdigit()}


def overridden(kind: Adapter, request: ImageRequest, model: Model, documented: frozenset[str]) -> Iterator[str]:
    """The members of the body that an option of the same name replaces, or sends a second time."""
    try:
        sent = leaves(paid(kind.call(request, model)))
    except ProviderError:
        return
    given = request.options(kind.name)
    allowed = documented | kind.wire.keys() | CONSTANTS.get(kind.name, {}).keys() | given.keys()
    for name in sorted(names(sent) - allowed - {""}):
        options = {**request.provider_options, kind.name: {**given, name: MARKER}}
        try:
            changed = leaves(paid(kind.call(replace(request, provider_options=options), model)))
        except ProviderError:
            continue
        twice = sum(place == name for place, _ in changed) > max(1, sum(place == name for place, _ in sent))
        if sent - changed or twice:
            yield name


@pytest.mark.parametrize("provider", http_providers())
def test_no_option_says_what_the_request_says_by_itself(provider: str) -> None:
    """It would neither be checked nor priced. A name that is in `wire` is refused by the contract."""
    found: set[str] = set()
    documented = frozenset(name for model in models(provider) for name in model.options.value)
    for recording in recordings(provider):
        kind, model = recording.adapter(ORIGIN), recording.easel_model
        found |= set(overridden(kind, recording.easel_request, model, documented))
    for model, request in asked(provider):
        found |= set(overridden(adapter(provider), request, model, documented))
    assert found == set()


def asked(provider: str) -> Iterator[tuple[Model, ImageRequest]]:
    """Every request that one of its models serves as it was asked for."""
    for model in models(provider):
        for plain in plainest(model):
            for _, more in further(model, plain):
                request = fitted(ImageRequest(**{**plain, **more}), model)
                if request is not None:
                    yield model, request


@pytest.mark.parametrize("provider", http_providers())
def test_what_the_catalogue_promises_is_sent(provider: str) -> None:
    """A field that a model takes under a strict policy changes the call."""
    kind = adapter(provider) if models(provider) else None
    unsent: list[str] = []
    for model in models(provider):
        assert kind is not None
        for plain in plainest(model):
            unsent += [f"{model.key} {plain['operation']}: {each}" for each in _unsent(kind, model, plain)]
    assert unsent == []


def _unsent(kind: Adapter, model: Model, plain: dict[str, Any]) -> Iterator[str]:
    base = fitted(ImageRequest(**plain), model)
    assert base is not None
    without = _said(kind, base, model)
    for name, more in further(model, plain):
        request = fitted(ImageRequest(**{**plain, **more}), model)
        if request is None or request == base:
            continue
        try:
            said = _said(kind, request, model)
        except InvalidRequest:  # refused here, and nothing is sent
            continue
        if said == without:
            yield name


def _said(kind: Adapter, request: ImageRequest, model: Model) -> object:
    call = paid(kind.call(request, model))
    headers = {name: value for name, value in call.headers.items() if name.lower() != "content-type"}
    return call.url, headers, leaves(call)
