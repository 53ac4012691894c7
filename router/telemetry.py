"""Telemetry: what a Router does, told to whoever watches.

`Observer` is the seam. The pipeline tells it of every request and step, dispatch of every attempt; what is made of it
is the observer's business: `Facts` for a log line, `Metrics` for Prometheus, `Spans` for OpenTelemetry. Their libraries
are imported when one is made, never before. Nothing here is a prompt, a picture or a key: of a prompt there is its
length and the beginning of its hash, of an error its kind.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ..providers.base.errors import (
    AllAttemptsFailed,
    ConfigError,
    ModerationBlocked,
    Problem,
    RequestError,
)
from ..providers.base.request import ImageRequest
from ..providers.base.response import ImageResponse
from .ledger import DONE, AttemptRow

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer
    from prometheus_client import Counter, Histogram

HASH_DIGITS = 12
LONGEST_ID = 128
"""A request id may be the caller's own."""
NONE = "none"
"""The label of a request that got to no route, or to no deployment."""
OTHER = "other"
"""The label of what the configuration does not name: labels must not grow with what callers write."""
FIELDS = frozenset(each.name for each in fields(ImageRequest))


# The seam


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ended."""

    seconds: float
    request: ImageRequest | None
    """None: it was not understood."""
    rule: str | None
    """None: it got no plan."""
    response: ImageResponse | None = None
    error: BaseException | None = None

    @property
    def outcome(self) -> str:
        """done, or the kind of error."""
        return DONE if self.error is None else kind(self.error)

    @property
    def route(self) -> str | None:
        return self.response.route.rule if self.response is not None else self.rule

    @property
    def deployment(self) -> str | None:
        """The one that answered, or that was tried last."""
        if self.response is not None:
            return self.response.route.deployment
        if isinstance(self.error, AllAttemptsFailed | ModerationBlocked) and self.error.attempts:
            return self.error.attempts[-1].deployment
        return None

    @property
    def cost_usd(self) -> Decimal | None:
        """None when it is not known."""
        if self.response is not None:
            return self.response.cost.actual_usd
        return self.error.spent_usd if isinstance(self.error, AllAttemptsFailed) else None


class Trace(Protocol):
    """One request under way. The calls come in order, and none after `ended`."""

    def step(self, name: str) -> None:
        """A step begins; the one before it has ended."""
        ...

    def sent(self, row: AttemptRow) -> None:
        """An attempt is written down and about to be sent."""
        ...

    def returned(self, row: AttemptRow, *, cooling_seconds: float | None) -> None:
        """Its outcome is known. `cooling_seconds`: its deployment is set aside for that long; None: it is not."""
        ...

    def key_refused(self, owner: str, key: str) -> None:
        """A vendor did not take a key. Both are names: of the row of deployments, and of the key's place."""
        ...

    def ended(self, ending: Ending) -> None: ...


class Observer(Protocol):
    """Told of what a Router does. It must not raise: a request is worth more than what is said of it."""

    def request(self) -> Trace:
        """A request begins."""
        ...


class Unwatched:
    """Nobody looks."""

    def request(self) -> Trace:
        return self

    def step(self, name: str) -> None:
        pass

    def sent(self, row: AttemptRow) -> None:
        pass

    def returned(self, row: AttemptRow, *, cooling_seconds: float | None) -> None:
        pass

    def key_refused(self, owner: str, key: str) -> None:
        pass

    def ended(self, ending: Ending) -> None:
        pass


UNWATCHED = Unwatched()


class Several:
    """Observers, as one."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def request(self) -> Trace:
        traces = tuple(each.request() for each in self._observers)
        return _Together(traces, tuple(each for each in traces if type(each).step is not Unwatched.step))


@dataclass(frozen=True, slots=True)
class _Together:
    traces: tuple[Trace, ...]
    stepping: tuple[Trace, ...]
    """Those that want to know of each step."""

    def step(self, name: str) -> None:
        for each in self.stepping:
            each.step(name)

    def sent(self, row: AttemptRow) -> None:
        for each in self.traces:
            each.sent(row)

    def returned(self, row: AttemptRow, *, cooling_seconds: float | None) -> None:
        for each in self.traces:
            each.returned(row, cooling_seconds=cooling_seconds)

    def key_refused(self, owner: str, key: str) -> None:
        for each in self.traces:
            each.key_refused(owner, key)

    def ended(self, ending: Ending) -> None:
        for each in self.traces:
            each.ended(ending)


def kind(error: BaseException) -> str:
    """The error's name, as JSON writes names: no_model_can."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()


# For a log: what is known of the request that a door has under way


@dataclass(slots=True)
class Facts:
    """What became of one request at a door: filled in on the way, read when it is over. Only what a log may hold."""

    request_id: str | None = None
    caller: str | None = None
    operation: str | None = None
    route: str | None = None
    deployment: str | None = None
    outcome: str | None = None
    field: str | None = None
    """The request's field that is wrong."""
    attempts: int | None = None
    images: int | None = None
    cost_usd: str | None = None
    prompt_characters: int | None = None
    prompt_sha256: str | None = None
    """Its first digits: enough to see that two prompts are the same."""

    def known(self) -> dict[str, object]:
        return {name: value for name in FACT_NAMES if (value := getattr(self, name)) is not None}


FACT_NAMES = tuple(Facts.__dataclass_fields__)
FACTS: ContextVar[Facts | None] = ContextVar("easel_facts", default=None)
"""Those of the request under way; None where no door asked for them."""


class FactsObserver(Unwatched):
    """Fills in the `FACTS` of the door that the request came through."""

    def ended(self, ending: Ending) -> None:
        facts = FACTS.get()
        if facts is None:
            return
        facts.outcome, facts.deployment = ending.outcome, ending.deployment
        facts.route = ending.route and ending.route[:LONGEST_ID]
        facts.cost_usd = None if ending.cost_usd is None else f"{ending.cost_usd:f}"
        if isinstance(ending.error, RequestError) and ending.error.field in FIELDS:
            facts.field = ending.error.field
        if isinstance(ending.error, AllAttemptsFailed | ModerationBlocked):
            facts.attempts = len(ending.error.attempts)
        if (response := ending.response) is not None:
            facts.attempts, facts.images = len(response.attempts), len(response.images)
        if (request := ending.request) is not None:
            facts.request_id = (request.request_id or "")[:LONGEST_ID]
            facts.operation = request.operation
            facts.prompt_characters = len(request.prompt)
            facts.prompt_sha256 = _sha256(request.prompt)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]


# Prometheus

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)


Child = TypeVar("Child", "Counter", "Histogram")


class _By(Generic[Child]):
    """The children of a metric by the values of their labels: to find one here costs a tenth of asking the metric."""

    def __init__(self, metric: Child) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Child] = {}

    def labels(self, *values: str) -> Child:
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._metric.labels(*values)
        return child


class Metrics(Unwatched):
    """Counts for Prometheus, by route and deployment. Needs the extra `gateway`.

    With PROMETHEUS_MULTIPROC_DIR set, as it is for several workers, a scrape of any of them sums up all.
    """

    def __init__(self, *, wall_seconds: Callable[[], float]) -> None:
        """`wall_seconds`: the time as seconds since 1970, for what Prometheus compares with its own `time()`."""
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
        from prometheus_client.process_collector import ProcessCollector

        disable_created_metrics()  # twice as many series, for nothing that a scrape does not know
        self._wall_seconds = wall_seconds
        self._several = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self._registry = registry = CollectorRegistry()
        self._routes: frozenset[str] = frozenset()
        self._deployments: frozenset[str] = frozenset()
        self._open_prefixes: frozenset[str] = frozenset()
        self._set_aside: set[str] = set()
        served = ("route", "deployment")
        self._requests = _By(
            Counter("easel_requests", "Requests that ended, by outcome.", (*served, "outcome"), registry=registry)
        )
        self._seconds = _By(
            Histogram(
                "easel_request_seconds",
                "From the caller's words to the answer.",
                served,
                buckets=SECONDS,
                registry=registry,
            )
        )
        self._cost = _By(Counter("easel_cost_usd", "What requests are known to have cost.", served, registry=registry))
        self._unknown_cost = _By(
            Counter("easel_unknown_costs", "Answers of which nobody knows what they cost.", served, registry=registry)
        )
        self._images = _By(Counter("easel_images", "Pictures that were delivered.", served, registry=registry))
        self._attempts = _By(
            Counter("easel_attempts", "Calls to vendors, by outcome.", ("deployment", "outcome"), registry=registry)
        )
        self._attempt_seconds = _By(
            Histogram(
                "easel_attempt_seconds", "Of one call to a vendor.", ("deployment",), buckets=SECONDS, registry=registry
            )
        )
        self._cooldowns = _By(
            Counter("easel_cooldowns", "Times that a deployment was set aside.", ("deployment",), registry=registry)
        )
        self._refused_keys = _By(
            Counter(
                "easel_key_refusals",
                "Times that a vendor did not take a key. The key is named by its place.",
                ("owner", "key"),
                registry=registry,
            )
        )
        self._cooling_until = Gauge(
            "easel_cooling_until_timestamp_seconds",
            "Until when a deployment is set aside; 0 when it is not.",
            ("deployment",),
            registry=registry,
            multiprocess_mode="max",
        )
        self._http = _By(
            Counter("easel_http_requests", "Answers at the door.", ("endpoint", "status"), registry=registry)
        )
        self._http_seconds = _By(
            Histogram(
                "easel_http_request_seconds",
                "From the headers to the last byte.",
                ("endpoint",),
                buckets=SECONDS,
                registry=registry,
            )
        )
        self._received = _By(
            Counter("easel_received_bytes", "Bodies of requests.", ("endpoint", *served), registry=registry)
        )
        self._sent = _By(Counter("easel_sent_bytes", "Bodies of answers.", ("endpoint", *served), registry=registry))
        self._under_way = Gauge("easel_http_requests_under_way", "Now.", registry=registry, multiprocess_mode="livesum")
        self._reloads = _By(Counter("easel_reloads", "Of the configuration.", ("outcome",), registry=registry))
        self._loaded_at = Gauge(
            "easel_configuration_timestamp_seconds",
            "When the configuration in use was loaded.",
            registry=registry,
            multiprocess_mode="max",
        )
        self._stale = Gauge(
            "easel_configuration_stale",
            "1 while the newest files cannot be used, and the last good ones are.",
            registry=registry,
            multiprocess_mode="max",
        )
        if not self._several:
            ProcessCollector(registry=registry)

    def know(self, *, routes: Iterable[str], deployments: Iterable[str], open_prefixes: Iterable[str]) -> None:
        """The names that labels may have. Called again for each configuration."""
        self._routes, self._deployments = frozenset(routes), frozenset(deployments)
        self._open_prefixes = frozenset(open_prefixes)

    def scrape(self) -> bytes:
        """In Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        if not self._several:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)

    def returned(self, row: AttemptRow, *, cooling_seconds: float | None) -> None:
        name = self._deployment(row.deployment)
        self._attempts.labels(name, row.outcome).inc()
        if row.latency_seconds is not None:
            self._attempt_seconds.labels(name).observe(row.latency_seconds)
        if cooling_seconds is not None:
            self._cooling_until.labels(name).set(self._wall_seconds() + cooling_seconds)
            if name not in self._set_aside:
                self._cooldowns.labels(name).inc()
                self._set_aside.add(name)
        elif name in self._set_aside:
            self._cooling_until.labels(name).set(0)
            self._set_aside.discard(name)

    def key_refused(self, owner: str, key: str) -> None:
        self._refused_keys.labels(owner, key).inc()

    def ended(self, ending: Ending) -> None:
        served = self._served(ending.route, ending.deployment)
        self._requests.labels(*served, ending.outcome).inc()
        self._seconds.labels(*served).observe(ending.seconds)
        if ending.cost_usd is not None:
            self._cost.labels(*served).inc(float(ending.cost_usd))
        elif ending.response is not None:
            self._unknown_cost.labels(*served).inc()
        if ending.response is not None:
            self._images.labels(*served).inc(len(ending.response.images))

    # At the door

    def came(self) -> None:
        self._under_way.inc()

    def went(
        self, endpoint: str, status: int, facts: Facts, *, seconds: float, received_bytes: int, sent_bytes: int
    ) -> None:
        """`endpoint` is one of a door's own names for its paths, never a path that somebody wrote."""
        self._under_way.dec()
        self._http.labels(endpoint, str(status)).inc()
        self._http_seconds.labels(endpoint).observe(seconds)
        served = self._served(facts.route, facts.deployment)
        self._received.labels(endpoint, *served).inc(received_bytes)
        self._sent.labels(endpoint, *served).inc(sent_bytes)

    def loaded(self) -> None:
        """A configuration is in use that was not before."""
        self._reloads.labels("done").inc()
        self._loaded_at.set(self._wall_seconds())
        self._stale.set(0)

    def not_loaded(self) -> None:
        """A new configuration cannot be used; the last good one goes on."""
        self._reloads.labels("failed").inc()
        self._stale.set(1)

    def _served(self, route: str | None, deployment: str | None) -> tuple[str, str]:
        """A route that is none is a model that the caller named."""
        label = NONE if route is None else route if route in self._routes else "named"
        return label, self._deployment(deployment)

    def _deployment(self, name: str | None) -> str:
        if name is None or name in self._deployments:
            return name or NONE
        prefix = name.partition("/")[0]
        return f"{prefix}/…" if prefix in self._open_prefixes else OTHER


def count_no_more(pid: int) -> None:
    """A process that counted together with others has ended: what it has at this moment is none."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid)  # pyright: ignore[reportUnknownMemberType] (it has no types)


# OpenTelemetry


class Spans:
    """A span for each request, with one for each of its steps in it, and in dispatch one for each attempt.

    Needs the extra `otel`. `tracer` None takes the application's own, from the global provider.
    """

    def __init__(self, tracer: Tracer | None = None) -> None:
        from opentelemetry import trace

        self._tracer = tracer or trace.get_tracer("easel")

    def request(self) -> Trace:
        return _SpanTrace(self._tracer)

    @contextmanager
    def continuing(self, headers: Iterable[tuple[bytes, bytes]]) -> Generator[None]:
        """Within the block, requests belong to the trace that a caller's `traceparent` names."""
        from opentelemetry import context, propagate

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name in PROPAGATED}
        token = context.attach(propagate.extract(carrier))
        try:
            yield
        finally:
            context.detach(token)


PROPAGATED = frozenset({b"traceparent", b"tracestate", b"baggage"})


@dataclass(slots=True)
class _SpanTrace:
    tracer: Tracer
    whole: Span = field(init=False)
    within: Context = field(init=False)
    current: Span | None = None
    attempts: dict[str, Span] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        from opentelemetry.trace import set_span_in_context

        self.whole = self.tracer.start_span("easel.request")
        self.within = set_span_in_context(self.whole)

    def step(self, name: str) -> None:
        if self.current is not None:
            self.current.end()
        self.current = self.tracer.start_span(f"easel.{name}", context=self.within)

    def sent(self, row: AttemptRow) -> None:
        from opentelemetry.trace import SpanKind, set_span_in_context

        around = set_span_in_context(self.current or self.whole)
        span = self.tracer.start_span("easel.attempt", context=around, kind=SpanKind.CLIENT)
        span.set_attributes({"easel.attempt_id": row.id, "easel.deployment": row.deployment, "easel.model": row.model})
        span.set_attributes({"easel.attempt_number": row.number, "easel.retry": row.retry})
        self.attempts[row.id] = span

    def returned(self, row: AttemptRow, *, cooling_seconds: float | None) -> None:
        span = self.attempts.pop(row.id, None)
        if span is None:
            return
        said = {
            "easel.outcome": row.outcome,
            "easel.images": row.images,
            "easel.cost_usd": None if row.cost_usd is None else float(row.cost_usd),
            "easel.vendor_request_id": row.vendor_request_id,
            "easel.cooling_seconds": cooling_seconds,
            "http.response.status_code": row.status,
        }
        _close(span, said, failed=None if row.outcome == DONE else row.outcome)

    def key_refused(self, owner: str, key: str) -> None:
        self.whole.add_event("easel.key_refused", {"easel.owner": owner, "easel.key": key})

    def ended(self, ending: Ending) -> None:
        failed = None if ending.error is None else ending.outcome
        for span in (*self.attempts.values(), *((self.current,) if self.current is not None else ())):
            _close(span, {}, failed=failed)
        request = ending.request
        said: Mapping[str, str | int | float | None] = {
            "easel.outcome": ending.outcome,
            "easel.route": ending.route,
            "easel.deployment": ending.deployment,
            "easel.cost_usd": None if ending.cost_usd is None else float(ending.cost_usd),
            "easel.request_id": (request.request_id or "")[:LONGEST_ID] if request is not None else None,
            "easel.operation": request.operation if request is not None else None,
            "easel.prompt_characters": len(request.prompt) if request is not None else None,
            "easel.images": len(ending.response.images) if ending.response is not None else None,
        }
        _close(self.whole, said, failed=failed)


def _close(span: Span, said: Mapping[str, str | int | float | None], *, failed: str | None) -> None:
    """`failed`: the kind of failure. Its message stays out: it may quote the request."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attributes({name: value for name, value in said.items() if value is not None})
    if failed is not None:
        span.set_status(Status(StatusCode.ERROR, failed))
    span.end()


EXPORTERS = "opentelemetry_traces_exporter"
"""The group of entry points under which exporters are installed."""
OTLP: Mapping[str, str] = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
"""Protocol -> entry point; the first comes with the extra `otel`."""


def spans_asked_for(environment: Mapping[str, str]) -> bool:
    """Does the environment say, in OpenTelemetry's own words, that traces are to be exported?"""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").strip() == "none":
        return False
    asked = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(environment.get(name, "").strip() for name in asked)


def _exporter(environment: Mapping[str, str]) -> str:
    """The entry point that the environment asks for. Raises ConfigError."""
    name = environment.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if name != "otlp":
        return name
    protocol = "http/protobuf"
    for variable in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"):
        protocol = environment.get(variable, "").strip() or protocol
    if protocol not in OTLP:
        message = f"is {protocol!r}; it can be {' or '.join(OTLP)}"
        raise ConfigError([Problem("OTEL_EXPORTER_OTLP_PROTOCOL", message)])
    return OTLP[protocol]


def exported_spans(environment: Mapping[str, str]) -> tuple[Spans, Callable[[], None]]:
    """Spans that go where OTEL_TRACES_EXPORTER says (`otlp` when it does not), and what to call at the end.

    Where a collector is, and what it wants to be told, the exporter reads from OpenTelemetry's own variables.
    Raises ConfigError when the extra `otel` or the exporter's own package is not installed.
    """
    from importlib.metadata import entry_points

    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        message = f"traces need the extra `otel`: pip install 'easel-images[otel]' ({error.name} is missing)"
        raise ConfigError([Problem("OTEL_TRACES_EXPORTER", message)]) from error
    name = _exporter(environment)
    found = next(iter(entry_points(group=EXPORTERS, name=name)), None)
    if found is None:
        package = f"opentelemetry-exporter-{name.replace('_', '-')}"
        message = f"there is no exporter {name!r}; its package may be called {package}"
        raise ConfigError([Problem("OTEL_TRACES_EXPORTER", message)])
    service = environment.get("OTEL_SERVICE_NAME", "").strip() or "easel"
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(found.load()()))
    return Spans(provider.get_tracer("easel")), provider.shutdown
