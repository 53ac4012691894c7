"""What observers are told, and what becomes of it: a log's facts, Prometheus' counts, OpenTelemetry's spans."""

import asyncio
import base64
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from typing_extensions import override

from easel.providers.base.clock import DateClock
from easel.providers.base.errors import ConfigError
from easel.router import AllAttemptsFailed, EaselError, ModerationBlocked, RequestError, Router, telemetry
from easel.router.ledger import AttemptRow
from easel.router.telemetry import FACTS, Ending, Facts, FactsObserver, Metrics, Observer, Several, Spans, Trace
from easel.simulator.server import Simulator, running

TODAY = date(2026, 11, 23)
PROMPT = "a very secret lighthouse"
CONFIG = """
version: 1
routes:
  - name: pair
    prefer: [openai/gpt-image-2, google/gemini-nano-banana-2.1]
policy: {retries: {attempts: 1}, cooldown: {failures: 1, seconds: 30}}
"""


@dataclass
class Told:
    """An observer that keeps what it is told."""

    said: list[str] = field(default_factory=list[str])
    endings: list[Ending] = field(default_factory=list[Ending])
    sending: asyncio.Event = field(default_factory=asyncio.Event)

    def request(self) -> Trace:
        self.said.append("request")
        return self

    def step(self, name: str) -> None:
        self.said.append(name)

    def sent(self, row: AttemptRow) -> None:
        self.said.append(f"sent to {row.deployment}")
        self.sending.set()

    def returned(self, row: AttemptRow, *, cooling_seconds: float | None) -> None:
        cooling = "" if cooling_seconds is None else ", set aside"
        self.said.append(f"{row.outcome} from {row.deployment}{cooling}")

    def key_refused(self, owner: str, key: str) -> None:
        self.said.append(f"{owner} refused {key}")

    def ended(self, ending: Ending) -> None:
        self.said.append(ending.outcome)
        self.endings.append(ending)


Opening = Callable[..., Any]


@pytest.fixture
def opened(tmp_path: Path) -> Opening:
    @contextmanager
    def open_router(
        observer: Observer, *faults: str, latency_seconds: float = 0.0
    ) -> Generator[tuple[Router, Simulator]]:
        path = tmp_path / "easel.yaml"
        path.write_text(CONFIG)
        with running(today=TODAY, faults=faults, latency_seconds=latency_seconds) as simulator:
            yield (
                Router(
                    path,
                    simulator_url=simulator.base_url,
                    clock=DateClock(TODAY),
                    environment={},
                    observer=observer,
                ),
                simulator,
            )

    return open_router


# The seam


async def test_an_observer_is_told_of_every_step_and_attempt_in_order(opened: Opening) -> None:
    told = Told()
    with opened(told, "openai=down") as (router, _):
        async with router:
            await router.generate(PROMPT)
    assert told.said == [
        "request",
        "parse",
        "route",
        "record",
        "dispatch",
        "sent to openai/gpt-image-2",
        "unavailable from openai/gpt-image-2, set aside",
        "sent to google/gemini-nano-banana-2.1",
        "done from google/gemini-nano-banana-2.1",
        "respond",
        "record",
        "done",
    ]
    (ending,) = told.endings
    assert (ending.route, ending.deployment) == ("pair", "google/gemini-nano-banana-2.1")
    assert ending.seconds > 0


@pytest.mark.parametrize(
    ("fields", "faults", "outcome", "deployment"),
    [
        ({"size": "huge"}, (), "request_error", None),
        ({"needs": "vector"}, (), "no_model_can", None),
        ({"max_cost_usd": "0.000001"}, (), "over_budget", None),
        ({"prompt": "forbidden-prompt"}, (), "moderation_blocked", "openai/gpt-image-2"),
        ({}, ("openai=down", "google=down"), "all_attempts_failed", "google/gemini-nano-banana-2.1"),
    ],
)
async def test_every_way_to_end_is_told(
    opened: Opening, fields: Mapping[str, object], faults: tuple[str, ...], outcome: str, deployment: str | None
) -> None:
    told = Told()
    with opened(told, *faults) as (router, _):
        async with router:
            with pytest.raises(EaselError):
                await router.run({"prompt": PROMPT, **fields})
    (ending,) = told.endings
    assert (ending.outcome, ending.deployment) == (outcome, deployment)


async def test_a_caller_who_leaves_is_told(opened: Opening) -> None:
    told = Told()
    with opened(told, "openai=hang") as (router, _):
        async with router:
            task = asyncio.ensure_future(router.generate(PROMPT))
            await told.sending.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert told.said[-2:] == ["unknown from openai/gpt-image-2", "cancelled_error"]


def test_a_router_that_nobody_watches_loads_no_library_for_it() -> None:
    program = """
import asyncio, sys
from easel.router import Router
from easel.simulator.server import running
async def main(url):
    async with Router(simulator_url=url, environment={}) as router:
        await router.generate("a kite", model="openai/gpt-image-2")
with running() as simulator:
    asyncio.run(main(simulator.base_url))
print(sorted({name.split(".")[0] for name in sys.modules} & {"opentelemetry", "prometheus_client", "structlog"}))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


# Facts


async def test_the_facts_of_a_request_hold_no_prompt(opened: Opening) -> None:
    with opened(FactsObserver()) as (router, _):
        async with router:
            facts = Facts()
            FACTS.set(facts)
            await router.generate(PROMPT, request_id="r-1")
    said = facts.known()
    assert PROMPT not in json.dumps(said)
    assert said["prompt_characters"] == len(PROMPT)
    assert len(str(said["prompt_sha256"])) == telemetry.HASH_DIGITS
    assert {name: said[name] for name in ("request_id", "route", "deployment", "outcome", "images", "attempts")} == {
        "request_id": "r-1",
        "route": "pair",
        "deployment": "openai/gpt-image-2",
        "outcome": "done",
        "images": 1,
        "attempts": 1,
    }
    assert float(str(said["cost_usd"])) > 0


async def test_a_wrong_field_is_named_and_its_value_is_not(opened: Opening) -> None:
    with opened(FactsObserver()) as (router, _):
        async with router:
            for given, named in (({"size": "not-a-size"}, "size"), ({PROMPT: 1}, None)):
                facts = Facts()
                FACTS.set(facts)
                with pytest.raises(RequestError):
                    await router.run({"prompt": "x", **given})
                assert facts.field == named
                assert "not-a-size" not in str(facts.known())
                assert PROMPT not in str(facts.known())


# Prometheus


def counts(metrics: Metrics) -> dict[str, float]:
    lines = (line for line in metrics.scrape().decode().splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def counting() -> Metrics:
    metrics = Metrics(wall_seconds=lambda: 1000.0)
    metrics.know(
        routes=["pair"],
        deployments=["openai/gpt-image-2", "google/gemini-nano-banana-2.1"],
        open_prefixes=["litellm"],
    )
    return metrics


async def test_counts_are_by_route_and_deployment(opened: Opening) -> None:
    metrics = counting()
    with opened(metrics, "openai=down") as (router, _):
        async with router:
            first = await router.generate(PROMPT)
            await router.generate(PROMPT)
            with pytest.raises(ModerationBlocked):
                await router.generate("forbidden-prompt", model="google/gemini-nano-banana-2.1")
    found = counts(metrics)
    served = 'deployment="google/gemini-nano-banana-2.1"'
    assert found[f'easel_requests_total{{{served},outcome="done",route="pair"}}'] == 2
    assert found[f'easel_requests_total{{{served},outcome="moderation_blocked",route="named"}}'] == 1
    assert found[f'easel_request_seconds_count{{{served},route="pair"}}'] == 2
    assert found[f'easel_images_total{{{served},route="pair"}}'] == 2
    cost = found[f'easel_cost_usd_total{{{served},route="pair"}}']
    assert cost == pytest.approx(float(first.cost.actual_usd) * 2)
    assert found['easel_attempts_total{deployment="openai/gpt-image-2",outcome="unavailable"}'] == 1
    assert found[f'easel_attempts_total{{{served},outcome="done"}}'] == 2
    assert found['easel_cooldowns_total{deployment="openai/gpt-image-2"}'] == 1
    assert 1000 < found['easel_cooling_until_timestamp_seconds{deployment="openai/gpt-image-2"}'] <= 1030


def test_labels_do_not_grow_with_what_callers_write() -> None:
    metrics = counting()
    before = len(counts(metrics))
    for number in range(200):
        name = f"somebody/{number}"
        metrics.went("other", 404, Facts(route=name, deployment=name), seconds=0, received_bytes=1, sent_bytes=1)
        metrics.ended(Ending(0.1, None, name, error=AllAttemptsFailed(())))
        metrics.went(
            "other", 404, Facts(route=f"litellm/{number}", deployment=f"litellm/{number}"), seconds=0,
            received_bytes=1, sent_bytes=1,
        )  # fmt: skip
    assert len(counts(metrics)) - before < 80
    assert PROMPT not in metrics.scrape().decode()


def test_an_old_configuration_shows_in_the_counts() -> None:
    metrics = counting()
    metrics.loaded()
    metrics.not_loaded()
    found = counts(metrics)
    assert found["easel_configuration_stale"] == 1
    assert found['easel_reloads_total{outcome="failed"}'] == 1
    metrics.loaded()
    assert counts(metrics)["easel_configuration_stale"] == 0


# OpenTelemetry


@dataclass(frozen=True)
class Traced:
    spans: Spans
    exporter: InMemorySpanExporter

    def finished(self) -> dict[str, list[ReadableSpan]]:
        found: dict[str, list[ReadableSpan]] = {}
        for each in self.exporter.get_finished_spans():
            found.setdefault(each.name, []).append(each)
        return found


@pytest.fixture
def traced() -> Traced:
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Traced(Spans(provider.get_tracer("easel")), exporter)


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


async def test_there_is_a_span_for_each_step_and_each_attempt_in_dispatch(opened: Opening, traced: Traced) -> None:
    with opened(Several((traced.spans, FactsObserver())), "openai=down") as (router, _):
        async with router:
            await router.generate(PROMPT, request_id="r-1")
    found = traced.finished()
    (whole,), (dispatch,) = found["easel.request"], found["easel.dispatch"]
    for name in ("parse", "route", "record", "dispatch", "respond"):
        for step in found[f"easel.{name}"]:
            assert step.parent is not None
            assert step.parent.span_id == span_id(whole)
    failed, served = found["easel.attempt"]
    assert failed.parent is not None
    assert failed.parent.span_id == span_id(dispatch)
    assert failed.status.status_code is StatusCode.ERROR
    assert served.attributes is not None
    assert served.attributes["easel.deployment"] == "google/gemini-nano-banana-2.1"
    assert served.attributes["easel.outcome"] == "done"
    assert whole.attributes is not None
    assert whole.attributes["easel.request_id"] == "r-1"
    assert whole.attributes["easel.route"] == "pair"
    assert not any(PROMPT in each.to_json() for each in traced.exporter.get_finished_spans())


async def test_a_failure_ends_every_span_and_quotes_nothing(opened: Opening, traced: Traced) -> None:
    with opened(traced.spans) as (router, _):
        async with router:
            with pytest.raises(RequestError):
                await router.run({"prompt": PROMPT, "size": PROMPT})
    found = traced.finished()
    assert set(found) == {"easel.request", "easel.parse"}
    assert all(each.status.description == "request_error" for spans in found.values() for each in spans)
    assert not any(PROMPT in each.to_json() for each in traced.exporter.get_finished_spans())


async def test_a_request_belongs_to_its_callers_trace(opened: Opening, traced: Traced) -> None:
    trace_id, parent_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = [(b"traceparent", f"00-{trace_id}-{parent_id}-01".encode()), (b"cookie", b"secret=1")]
    with opened(traced.spans) as (router, _):
        async with router:
            with traced.spans.continuing(headers):
                await router.generate(PROMPT)
    (whole,) = traced.finished()["easel.request"]
    assert whole.parent is not None
    assert (f"{whole.parent.trace_id:032x}", f"{whole.parent.span_id:016x}") == (trace_id, parent_id)


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_environment_asks_for_traces_in_opentelemetrys_words(environment: Mapping[str, str], asked: bool) -> None:
    assert telemetry.spans_asked_for(environment) is asked


def test_an_exporter_that_is_not_installed_is_named() -> None:
    with pytest.raises(ConfigError, match="there is no exporter 'nowhere'"):
        telemetry.exported_spans({"OTEL_TRACES_EXPORTER": "nowhere"})


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "opentelemetry-exporter-otlp-proto-grpc"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "it can be http/protobuf or grpc"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "carrier pigeon"}, "carrier pigeon"),
    ],
)
def test_a_protocol_that_is_not_there_is_named(environment: Mapping[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        telemetry.exported_spans(environment)


async def test_spans_reach_a_collector_with_what_the_extra_brings(
    opened: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever).start()
        variable, address = "OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}"
        monkeypatch.setenv(variable, address)  # the exporter looks there by itself
        spans, flush = telemetry.exported_spans({variable: address})
        with opened(spans) as (router, _):
            async with router:
                await router.generate(PROMPT)
        await asyncio.to_thread(flush)
        collector.shutdown()
    assert {path for path, _ in got} == {"/v1/traces"}
    whole = b"".join(body for _, body in got)
    assert b"easel.request" in whole
    assert b"easel.attempt" in whole
    assert PROMPT.encode() not in whole


# Pictures


async def test_no_picture_gets_into_facts_or_counts(opened: Opening) -> None:
    metrics = counting()
    with opened(Several((FactsObserver(), metrics))) as (router, _):
        async with router:
            facts = Facts()
            FACTS.set(facts)
            response = await router.generate(PROMPT)
    picture = base64.b64encode(response.images[0].data).decode()[:60]
    assert picture not in json.dumps(facts.known())
    assert picture not in metrics.scrape().decode()
