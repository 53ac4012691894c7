"""What vendors say of a key for nothing: the call that asks, and what is read from the answer."""

import json
from dataclasses import dataclass
from datetime import date

import pytest

from easel import providers
from easel.providers.base import Reply, Standing
from easel.providers.base.adapter import Adapter
from easel.providers.base.errors import BadReply
from easel.router.catalog import load_catalog


@dataclass(frozen=True)
class Case:
    provider: str
    asks: str
    answer: object
    says: Standing
    base_url: str | None = None


MODELS = {
    "object": "list",
    "data": [
        {"id": "gpt-image-2", "object": "model", "shutdown_date": None},
        {"id": "gpt-image-1.5", "object": "model", "shutdown_date": "2026-12-01"},
        {"id": "gpt-5", "object": "model", "shutdown_date": "not a date"},
        {"id": "o9", "object": "model"},
    ],
}
LISTED = Standing(
    frozenset({"gpt-image-2", "gpt-image-1.5", "gpt-5", "o9"}),
    frozenset({"gpt-image-2", "gpt-image-1.5"}),
    {"gpt-image-1.5": date(2026, 12, 1)},
)
CASES = [
    Case("openai", "/models", MODELS, LISTED),
    Case("openai_compatible", "/models", MODELS, LISTED, base_url="http://gpu-1:8000/v1"),
    Case(
        "azure_openai",
        "/openai/models?api-version=2024-10-21",
        {"data": [{"id": "gpt-image-2", "lifecycle_status": "generally-available"}]},
        Standing(),
        base_url="https://name.openai.azure.com",
    ),
    Case(
        "google",
        "/models?pageSize=1000",
        {"models": [{"name": "models/gemini-3-pro-image"}, {"name": "models/gemini-3-pro"}]},
        Standing(frozenset({"gemini-3-pro-image", "gemini-3-pro"}), frozenset({"gemini-3-pro-image"})),
    ),
    Case(
        "xai",
        "/image-generation-models",
        {"models": [{"id": "a", "aliases": ["a-latest", 7]}, {"id": "b"}]},
        Standing(frozenset({"a", "a-latest", "b"}), frozenset({"a", "a-latest", "b"})),
    ),
    Case("xai", "/image-generation-models", {"somewhere": "else"}, Standing()),
    Case(
        "together",
        "/models",
        [{"id": "flux", "type": "image"}, {"id": "llama", "type": "chat"}],
        Standing(frozenset({"flux", "llama"}), frozenset({"flux"})),
    ),
    Case("openrouter", "/key", {"data": {"limit_remaining": 12.5}}, Standing(credit="12.5 USD of the key's limit")),
    Case("openrouter", "/key", {"data": {"limit_remaining": None}}, Standing()),
    Case("recraft", "/users/me", {"id": "u", "credits": 1200}, Standing(credit="1200 credits")),
    Case("stability", "/v1/user/balance", {"credits": 123.4}, Standing(credit="123.4 credits")),
    Case("wavespeed", "/balance", {"code": 200, "data": {"balance": 3.25}}, Standing(credit="3.25 USD")),
    Case("replicate", "/account", {"type": "organization", "username": "acme"}, Standing()),
    Case(
        "vercel_gateway",
        "https://ai-gateway.vercel.sh/v1/credits",
        {"balance": "95.50", "total_used": "4.50"},
        Standing(credit="95.50 USD"),
    ),
]


def adapter_of(case: Case) -> Adapter:
    made = providers.adapter(case.provider)(base_url=case.base_url)
    assert isinstance(made, Adapter)
    return made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.provider)
def test_what_is_asked_and_what_is_read(case: Case) -> None:
    adapter = adapter_of(case)
    model = next(iter(load_catalog().models.values()))
    call = adapter.check(model)
    assert call is not None
    assert (call.method, call.url, call.body) == ("GET", case.asks, None)
    assert adapter.standing(Reply(200, {}, json.dumps(case.answer).encode(), call.url)) == case.says


@pytest.mark.parametrize("provider", ["openai", "google", "together"])
@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"data": 7, "models": 7}', b'{"data": [7], "models": [7]}'])
def test_an_answer_of_another_shape_is_no_key_error(provider: str, body: bytes) -> None:
    adapter = providers.adapter(provider)()
    assert isinstance(adapter, Adapter)
    with pytest.raises(BadReply):
        adapter.standing(Reply(200, {}, body, "/models"))
