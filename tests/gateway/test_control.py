"""The control plane over a socket: models, decisions, probes, its own description; and what the admin routes say."""

import base64
import json
import re
from collections.abc import Generator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from openai import NotFoundError, OpenAI
from openai.types import Model
from schemathesis import GenerationMode
from schemathesis.checks import CheckContext
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from typer.testing import CliRunner
from typing_extensions import override

from easel.router.cli.commands import app as program
from easel.router.gateway import control
from easel.router.gateway.keys import Keys
from easel.router.telemetry import Metrics

from .conftest import Served, listening, open_gateway
from .drawings import drawing

PNG = f"data:image/png;base64,{base64.b64encode(drawing()).decode()}"


@dataclass(frozen=True)
class Door:
    """A gateway with keys, and a client with one."""

    served: Served
    http: httpx.Client
    keys: Keys
    key: str

    @property
    def root(self) -> str:
        return self.served.base_url.removesuffix("/v1")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Generator[Door]:
    keys = Keys(tmp_path_factory.mktemp("keys") / "keys.json", environment={})
    secret = keys.create("shop").secret
    with open_gateway(keys=keys) as served:
        served.app.standing.metrics = Metrics(wall_seconds=lambda: 0.0)
        headers = {"authorization": f"Bearer {secret}"}
        with httpx.Client(base_url=served.base_url.removesuffix("/v1"), headers=headers, timeout=30) as http:
            yield Door(served, http, keys, secret)


# Models


def test_openais_client_lists_models(door: Door) -> None:
    with OpenAI(base_url=door.served.base_url, api_key=door.key) as client:
        found = {each.id: each for each in client.models.list()}
        for name in ("auto", "typography", "openai/gpt-image-2", "gpt-image-2", "dall-e-3"):
            assert name in found
            assert client.models.retrieve(name).id == name
        assert all(isinstance(each, Model) for each in found.values())
        with pytest.raises(NotFoundError) as missing:
            client.models.retrieve("gpt-image-99")
    assert missing.value.code == "model_not_found"


def test_a_model_says_what_it_can_what_it_costs_and_when_it_ends(door: Door) -> None:
    entries = {each["id"]: each for each in door.http.get("/v1/models").json()["data"]}
    deployment = entries["openai/gpt-image-1.5"]
    assert deployment["kind"] == "deployment"
    assert deployment["shutdown_date"] == "2026-12-01"
    assert deployment["replacement"] == "gpt-image-2.6-sunburst"
    assert "transparent" in deployment["capabilities"]["backgrounds"]
    assert re.fullmatch(r"\d+\.\d+", deployment["price"]["square_usd"])
    assert deployment["price"]["source"].startswith("https://")
    model = entries["gpt-image-2"]
    assert model["kind"] == "model"
    assert {"openai/gpt-image-2", "azure/gpt-image-2"} <= set(model["deployments"])
    route = entries["transparent"]
    assert (route["kind"], route["owned_by"], route["deployments"][0]) == ("route", "easel", "openai/gpt-image-1.5")
    assert entries["dall-e-3"]["kind"] == "alias"


def test_a_deployment_without_its_key_is_not_ready(door: Door) -> None:
    entries = {each["id"]: each for each in door.http.get("/v1/models").json()["data"]}
    assert entries["openai/gpt-image-2"]["ready"]
    unready = [each["id"] for each in entries.values() if not each["ready"]]
    lacking = [each.name for each in door.served.app.router.deployments if each.lacking is not None]
    assert set(lacking) <= set(unready)


# Decisions


def test_explain_says_what_the_terminal_says(door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["a badge", "--background", "transparent", "--simulate", "--on", "2026-11-23"]
    printed = CliRunner().invoke(program, ["explain", *asked, "--request-id", "r-1", "--json"])
    body = {"prompt": "a badge", "background": "transparent", "request_id": "r-1"}
    answered = door.http.post("/v1/easel/explain", json=body)
    assert answered.status_code == 200
    assert answered.json() == json.loads(printed.stdout)


def test_nothing_is_sent_for_an_explanation(door: Door) -> None:
    before = len(door.served.sent())
    body = {"prompt": "a kite", "operation": "edit", "images": [PNG], "mask": None}
    assert door.http.post("/v1/easel/explain", json=body).status_code == 200
    assert door.http.post("/v1/easel/estimate", json={"prompt": "a kite"}).status_code == 200
    assert len(door.served.sent()) == before


def test_an_estimate_is_an_interval_for_every_candidate(door: Door) -> None:
    found = door.http.post("/v1/easel/estimate", json={"prompt": "a kite", "model": "gpt-image-2", "n": 2}).json()
    assert found["deployment"] == "openai/gpt-image-2"
    low, expected, worst = (float(found["estimate"][name]) for name in ("low", "expected", "worst"))
    assert 0 < low <= expected <= worst
    assert found["candidates"][0]["estimate"] == found["estimate"]


def test_what_no_model_can_is_an_empty_plan_with_what_would_help(door: Door) -> None:
    body = {"prompt": "a badge", "max_cost_usd": "0.000001"}
    explained = door.http.post("/v1/easel/explain", json=body).json()
    assert explained["plan"] == []
    assert explained["relaxations"]
    assert door.http.post("/v1/easel/estimate", json=body).json()["deployment"] is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "x", "images": ["/etc/passwd"]}, "images"),
        ({"prompt": "x", "mask": "/etc/passwd"}, "mask"),
        ({"prompt": "x", "reference": ["https://example.com/a.png"]}, "reference"),
        ({"prompt": "x", "image": [["/etc/passwd"]]}, "image"),
        ({"prompt": "x", "caller": "somebody-else"}, "caller"),
        ({"prompt": "x", "size": "huge"}, "size"),
        ({"prompt": "x", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named(door: Door, body: dict[str, Any], param: str) -> None:
    refused = door.http.post("/v1/easel/explain", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param
    assert "root:" not in refused.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"prompt": NaN}', b"[" * 100_000])
def test_what_is_no_json_object_is_refused(door: Door, body: bytes) -> None:
    refused = door.http.post("/v1/easel/estimate", content=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "invalid_json"


# Who may ask


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/auto", "/metrics"])
def test_a_key_is_needed(door: Door, path: str) -> None:
    refused = httpx.get(door.root + path)
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "invalid_api_key"
    assert refused.headers["www-authenticate"] == "Bearer"


def test_a_key_is_needed_before_a_body_is_read(door: Door) -> None:
    assert httpx.post(f"{door.root}/v1/easel/explain", content=b"{").status_code == 401


def test_probes_and_documents_are_open(door: Door) -> None:
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert httpx.get(door.root + path).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v2", 404), ("DELETE", "/v1/models", 405)])
def test_what_is_not_there_is_said_in_openais_envelope(door: Door, method: str, path: str, status: int) -> None:
    refused = door.http.request(method, path)
    assert refused.status_code == status
    assert set(refused.json()["error"]) == {"message", "type", "param", "code"}


# What it says of itself


def test_the_description_names_the_images_api(door: Door) -> None:
    document = door.http.get("/openapi.json").json()
    assert {"/v1/images/generations", "/v1/images/edits", "/v1/images/variations"} <= set(document["paths"])
    assert {"/v1/responses", "/v1/moderations", "/v1/models", "/healthz", "/metrics"} <= set(document["paths"])
    edit = document["paths"]["/v1/images/edits"]["post"]["requestBody"]["content"]
    assert set(edit) == {"multipart/form-data", "application/json"}
    assert document["security"] == [{"key": []}]


class Loaded(HTMLParser):
    """What a browser would load for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.addresses += [value or "" for name, value in attrs if name in {"src", "srcset"}]
        self.addresses += [value or "" for name, value in attrs if tag == "link" and name == "href"]


def test_the_page_for_people_loads_nothing(door: Door) -> None:
    answered = httpx.get(f"{door.root}/docs")
    loaded = Loaded()
    loaded.feed(answered.text)
    assert (loaded.addresses, loaded.scripts) == ([], 0)
    assert answered.headers["content-security-policy"].startswith("default-src 'none'")
    for path in ("/v1/images/generations", "/v1/easel/explain", "easel.max_cost_usd"):
        assert path in answered.text


def no_500(context: CheckContext, response: schemathesis.Response, case: Any) -> None:
    """502, 503 and 504 are documented answers: a vendor failed. 500 would be ours."""
    assert response.status_code != 500


CHECKS = [
    no_500,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


FEW = settings(
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_documented(door: Door, mode: GenerationMode) -> None:
    """Requests that fit the description, and requests that do not."""
    schema = schemathesis.openapi.from_url(f"{door.root}/openapi.json")
    tried: list[str] = []
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # pyright: ignore[reportAttributeAccessIssue] (an error has none, and fails here)
        strategy: SearchStrategy[Any] = operation.as_strategy(generation_mode=mode)
        tried.append(operation.label)

        @FEW
        @given(case=strategy)
        def holds(case: Any) -> None:
            case.call_and_validate(headers={"authorization": f"Bearer {door.key}"}, checks=CHECKS, timeout=30)

        try:
            holds()
        except Unsatisfiable:  # nothing that does not fit can be sent to an address without parameters
            assert mode is GenerationMode.NEGATIVE
    assert {"POST /v1/images/generations", "POST /v1/images/edits", "POST /v1/easel/explain"} <= set(tried)


# The admin routes


@dataclass(frozen=True)
class AdminDoor:
    root: str
    keys: Keys
    served: Served


@pytest.fixture(scope="module")
def admin(door: Door) -> Generator[AdminDoor]:
    with listening(control.admin(door.served.app, door.keys)) as port:
        yield AdminDoor(f"http://127.0.0.1:{port}", door.keys, door.served)


ADMIN_PATHS = ("/admin/version", "/admin/cooldowns", "/admin/keys")


def test_the_machine_itself_may_administer(admin: AdminDoor) -> None:
    for path in ADMIN_PATHS:
        assert httpx.get(admin.root + path).status_code == 200
    assert httpx.get(f"{admin.root}/admin/version").json()["rules_hash"] == admin.served.app.router.rules_hash


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"x-forwarded-for": "203.0.113.7"},
        {"forwarded": "for=203.0.113.7"},
    ],
)
def test_a_web_page_or_a_proxy_may_not(admin: AdminDoor, headers: dict[str, str]) -> None:
    for path in ADMIN_PATHS:
        assert httpx.get(admin.root + path, headers=headers).status_code == 401
    assert httpx.post(f"{admin.root}/admin/reload", headers=headers).status_code == 401


def test_a_callers_key_is_no_admins(admin: AdminDoor, door: Door) -> None:
    refused = httpx.get(f"{admin.root}/admin/version", headers={"authorization": f"Bearer {door.key}"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_an_admin")
    boss = admin.keys.create("boss", admin=True).secret
    from_afar = {"authorization": f"Bearer {boss}", "x-forwarded-for": "203.0.113.7"}
    assert httpx.get(f"{admin.root}/admin/version", headers=from_afar).status_code == 200


def test_keys_are_listed_without_what_could_be_used(admin: AdminDoor, door: Door) -> None:
    listed = httpx.get(f"{admin.root}/admin/keys")
    assert "shop" in {each["name"] for each in listed.json()["data"]}
    assert "hmac" not in listed.text
    assert door.key not in listed.text


def test_cooldowns_are_listed(tmp_path: Path) -> None:
    config = tmp_path / "easel.yaml"
    config.write_text(
        "version: 1\nroutes:\n  - {name: pair, prefer: [openai/gpt-image-2, google/gemini-nano-banana-2.1]}\n"
        "policy: {retries: {attempts: 1}, cooldown: {failures: 1, seconds: 300}}\n"
    )
    with (
        open_gateway(config=config, faults=["openai=down"]) as served,
        listening(control.admin(served.app, None)) as port,
    ):
        httpx.post(f"{served.base_url}/images/generations", json={"prompt": "a kite", "model": "pair"}, timeout=30)
        (found,) = httpx.get(f"http://127.0.0.1:{port}/admin/cooldowns").json()["data"]
    assert found["deployment"] == "openai/gpt-image-2"
    assert 200 < found["seconds"] <= 300


def test_the_admin_routes_are_not_on_the_callers_port(door: Door) -> None:
    for path in (*ADMIN_PATHS, "/admin/reload"):
        assert door.http.get(path).status_code == 404
