"""The Images API: OpenAI's request fields become an Easel request, an Easel answer becomes OpenAI's.

Sources: openai/openai-python 3.54.0 (`types/image_generate_params.py`, `image_edit_params.py`, `images_response.py`) and
developers.openai.com/api/docs/guides/image-generation, read 2026-11-23. What Easel adds is under `easel`, in the body
or in `extra_body`: see `OWN`.

Plain ASGI: a frame of a web framework costs more here than everything else that happens to a small request.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, cast

from ...providers.base import clock
from ...providers.base import images as pictures
from ...providers.base.errors import PictureLost, RequestError
from ...providers.base.request import InputImage, Operation
from ...providers.base.response import Adaptation, ImageResponse, OutputImage, Usage
from ..document import did_you_mean
from ..steps.parse import new_request_id
from ..steps.validate import REQUEST_ID
from . import body as bodies
from . import events
from .body import FORM, JSON, Content, File, Left, Place, Receive, Scope, Send
from .errors import Failure, Headers, Refused, answer

if TYPE_CHECKING:
    from ..router import Router
    from .app import Gateway

ResponseFormat = Literal["b64_json", "url"]
Endpoint = Literal["generations", "edits", "variations"]
OPERATIONS: Mapping[Endpoint, Operation] = {"generations": "generate", "edits": "edit", "variations": "variation"}

ALIASES: Mapping[str, str] = {"dall-e-2": "auto", "dall-e-3": "auto", "gpt-image-1": "auto"}
"""Retired ids that clients still have written into them, and the model that is used in their place: by rule, not one
successor, because what suits a transparent badge does not suit a poster. A route of the same name takes precedence, and
so that is how an operator gives one of them a home. `openai/gpt-image-1` stays what it says: retired."""
ANSWER_BY_URL = frozenset({"dall-e-2", "dall-e-3"})
"""Their clients read `data[0].url`, which was the default then."""

QUALITIES = ("low", "medium", "high", "xhigh", "max")
"""What OpenAI's own answers say."""
PLAIN = ("model", "quality", "background", "output_format", "moderation", "size", "style")
WHOLE = ("n", "output_compression", "partial_images")
VENDORS = ("complexity", "frame_count", "frame_duration_ms", "svg", "input_fidelity")
"""Fields that only some models of OpenAI's have: they go along when the caller names such a model."""
COMMON = (*PLAIN, *WHOLE, *VENDORS, "prompt", "stream", "response_format", "safety_identifier", "user", "easel")
ALLOWED: Mapping[Endpoint, frozenset[str]] = {
    "generations": frozenset(COMMON),
    "edits": frozenset((*COMMON, "images", "mask", "markup")),
    "variations": frozenset(("model", "n", "size", "response_format", "user", "output_format", "easel")),
}
FILES = frozenset(("image", "mask", "markup", "reference", "references"))
OWN = frozenset(
    (
        *("text", "needs", "negative_prompt", "references", "seed", "aspect_ratio", "resolution", "max_cost_usd"),
        *("deadline_seconds", "region", "tags", "metadata", "policy", "provider_options", "operation", "request_id"),
        "include",
    )
)
"""The members of `easel`: fields of an Easel request that OpenAI's API does not have, named and read as there.
`references` are pictures, given as `images` are; `operation` is for edits: upscale, remove_background or vectorize;
`include: true` puts an `easel` object into the answer, with the route, the cost, the attempts and every change."""
EDITS = ("edit", "variation", "upscale", "remove_background", "vectorize")
MAX_TEXT_CHARACTERS = 4_000
"""Of any text but the prompt."""
MAX_PROMPT_CHARACTERS = 200_000
MAX_INTEGER = 2**53
PIXEL_CHECK_BYTES = 100_000
"""Pictures up to this, all together, are decoded on the event loop."""
MAX_ADDRESS_CHARACTERS = 70_000_000
"""Of a data URL: as long as a picture may be, a third longer in base64."""
MAX_DIGITS = 100
NUMBER = re.compile(r"[+-]?\d{1,18}")
AMOUNT = re.compile(r"\d{1,9}(\.\d{1,12})?(e-\d)?")
FLAGS = {"true": True, "1": True, "false": False, "0": False}
KINDS: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a decimal number"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
)
UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
VARIATION_PROMPT = "Paint a variation of this picture: the same subject and style, in another composition."
VERSION = (b"openai-version", b"2020-10-01")


@dataclass(slots=True)
class Order:
    """One call of the Images API, understood."""

    endpoint: Endpoint
    fields: dict[str, object]
    """For `Router.run`."""
    response_format: ResponseFormat = "b64_json"
    stream: bool = False
    include: bool = False
    """An `easel` object in the answer."""
    form: bool = False
    """It came as a form, where the source images are called `image`."""
    adaptations: list[Adaptation] = field(default_factory=list[Adaptation])
    """What was changed here, before the router saw it."""

    def wire_name(self, name: str) -> str:
        """What the caller knows a request field by."""
        if name == "images":
            return "image" if self.form else name
        return f"easel.{name}" if name in OWN else name

    def text(self, name: str) -> str | None:
        found = self.fields.get(name)
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Served:
    """One call at its end, for logs and metrics. Never holds a prompt that is to be written down."""

    request_id: str
    endpoint: Endpoint
    caller: str | None
    status: int
    """0: the client left before there was an answer."""
    order: Order | None
    response: ImageResponse | None
    error: BaseException | None
    bytes_in: int
    bytes_out: int


@dataclass(slots=True)
class Visit:
    """One call on its way through the door."""

    gateway: Gateway
    endpoint: Endpoint
    headers: Mapping[bytes, bytes]
    receive: Receive
    send: Send
    request_id: str = field(default_factory=new_request_id)
    caller: str | None = None
    order: Order | None = None
    response: ImageResponse | None = None
    error: BaseException | None = None
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def started(self) -> bool:
        return self.status != 0

    async def head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, data: bytes, *, more: bool = False) -> None:
        self.bytes_out += len(data)
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        await self.head(
            status,
            [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", self.request_id.encode()),
                VERSION,
                *headers,
            ],
        )
        await self.body(body)


async def serve(gateway: Gateway, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
    """One call, from its head to the end of its answer."""
    visit = Visit(gateway, endpoint, dict(scope["headers"]), receive, send)
    place: Place | None = None
    try:
        visit.caller = gateway.caller(visit.headers.get(b"authorization"))
        place = gateway.load.admit()
        with gateway.using() as router:
            await _serve(visit, router, place)
    except Left:
        visit.error = Left()
    except Exception as error:  # noqa: BLE001 (whatever it is, the client gets an envelope, and what watches gets the error)
        visit.error = error
        await _fail(visit, error)
    finally:
        if place is not None:
            place.leave()
        gateway.note(
            Served(
                visit.request_id,
                endpoint,
                visit.caller,
                visit.status,
                visit.order,
                visit.response,
                visit.error,
                visit.bytes_in,
                visit.bytes_out,
            )
        )


async def _serve(visit: Visit, router: Router, place: Place) -> None:
    raw = await bodies.read(visit.receive, visit.headers.get(b"content-length"), place)
    visit.bytes_in = len(raw)
    content = _content(visit, raw)
    del raw  # the parts of a form are copies
    order = await understood(content, visit.endpoint, router, visit.gateway, place)
    del content
    visit.order = order
    fields = order.fields
    given = fields.setdefault("request_id", visit.headers.get(b"idempotency-key", b"").decode("latin-1") or None)
    if isinstance(given, str):
        if not REQUEST_ID.fullmatch(given):
            raise Refused("the request id must be 1 to 200 letters, digits, . - : or _", field="easel.request_id")
        visit.request_id = given
    fields["request_id"] = visit.request_id
    fields["caller"] = visit.caller
    async with WhileConnected(visit.receive):
        if order.stream:
            visit.response = await events.stream(visit, order, router, place)
        else:
            visit.response = response = await router.run(fields)
            data = write(order, response)
            place.hold(len(data))
            await visit.whole(200, easel_headers(order, response), data)


class WhileConnected:
    """Cancels what happens within when the client leaves, and then raises Left.

    Cancelling closes the connection to the vendor. Whether that stops the bill nobody knows: the ledger keeps the
    attempt as unknown, with the most that it may cost.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._watch = asyncio.ensure_future(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        self._task.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        self._watch.cancel()
        if self._left and isinstance(error, asyncio.CancelledError):
            self._task.uncancel()
            raise Left from None


async def _fail(visit: Visit, error: Exception) -> None:
    """The envelope, as an answer or, in a stream that has begun, as its last event."""
    failure = answer(error, wire_name=visit.order.wire_name if visit.order is not None else str)
    if not visit.started:
        visit.status = failure.status
        await refuse(visit.send, visit.receive, failure, visit.request_id)
    elif visit.order is not None and visit.order.stream:
        await visit.body(events.failed(failure))


async def refuse(send: Send, receive: Receive, failure: Failure, request_id: str) -> None:
    """Send an error. Where the body was not read to its end, what still comes of it is let pass."""
    closes = bodies.CLOSE[0] in failure.headers
    name = request_id.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(failure.body)),
        (b"x-request-id", name),
        (b"x-easel-request-id", name),
        VERSION,
        *failure.headers,
    ]
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": failure.body, "more_body": closes})
    if closes:
        await bodies.linger(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


# What was asked for


def _content(visit: Visit, raw: bytes) -> Content:
    kind, parameters = bodies.content_type(visit.headers.get(b"content-type"))
    if kind == FORM and visit.endpoint != "generations":
        return bodies.parse_form(raw, parameters, visit.gateway.limits, files=FILES)
    if kind == JSON or kind.endswith("+json"):
        return bodies.parse_json(raw)
    accepted = JSON if visit.endpoint == "generations" else f"{JSON} or {FORM}"
    raise Refused(
        f"Unsupported content type: {kind[:100]!r}. This endpoint takes {accepted}.",
        status=415,
        code="unsupported_content_type",
    )


async def understood(content: Content, endpoint: Endpoint, router: Router, gateway: Gateway, place: Place) -> Order:
    """The call, its pictures fetched and checked. Raises Refused, which names what is wrong as the caller wrote it."""
    given = {name: value for name, value in content.fields.items() if value is not None and value != ""}
    own = _own(given.pop("easel", None))
    _known(given, endpoint, content.form)
    order = Order(endpoint, {"operation": OPERATIONS[endpoint]}, form=content.form)
    asked = text(given, "model") or "auto"
    model = order.fields["model"] = _aliased(order, asked, router)
    order.fields["prompt"] = (
        text(given, "prompt", most=MAX_PROMPT_CHARACTERS, default=content.fields.get("prompt")) or ""
    )
    for name in PLAIN[1:]:
        order.fields[name] = text(given, name)
    for name in WHOLE:
        if (count := whole(given, name)) is not None:
            order.fields[name] = count
    order.fields["user"] = text(given, "safety_identifier") or text(given, "user")
    order.stream = flag(given, "stream")
    order.fields["stream"] = order.stream
    order.response_format = _response_format(given, asked, endpoint)
    order.include = flag(own, "include", within="easel.")
    order.fields |= {name: value for name, value in own.items() if name not in {"include", "references"}}
    if endpoint == "edits" and own.get("operation", "edit") not in EDITS:
        raise Refused(f"easel.operation must be one of {', '.join(EDITS)}", field="easel.operation")
    found = await Gathering(router, gateway, place).pictures(content, given, own)
    if endpoint != "generations" and not found.images:
        name = "image" if content.form else "images"
        raise Refused(f"Missing required parameter: '{name}'.", field=name, code="missing_required_parameter")
    order.fields |= {"images": found.images, "references": found.references, "mask": found.mask}
    _vendors_own(order, given, found.markup, model, router)
    if endpoint == "variations":
        await _as_edit(order, router)
    return order


def _known(given: Mapping[str, object], endpoint: Endpoint, form: bool) -> None:
    for name in given:
        if name in ALLOWED[endpoint] and not (name == "images" and form):
            continue
        hint = did_you_mean(name[:60], sorted(ALLOWED[endpoint]))
        if name in OWN:
            hint = "; it is one of Easel's own, which go under `easel`"
        elif name == "images" and form:
            hint = " For multipart/form-data use 'image' or 'image[]'."
        elif name in FILES and endpoint == "generations":
            hint = "; pictures go to /v1/images/edits, or under easel.references"
        elif name == "image":
            hint = " For application/json use 'images' (array)."
        raise Refused(f"Unknown parameter: '{name[:60]}'.{hint}", field=name[:60], code="unknown_parameter")


def _own(given: object) -> dict[str, object]:
    """The members of `easel`, as an object or, in a form, as its JSON."""
    if isinstance(given, str):
        given = dict(bodies.parse_json(given.encode()).fields)
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Refused('easel must be an object, such as {"text": ["OPEN LATE"]}', field="easel", code="invalid_type")
    own = cast("dict[str, object]", given)
    for name in own:
        if name not in OWN:
            hint = "; it goes beside `easel`, not into it" if name in COMMON else did_you_mean(name[:60], sorted(OWN))
            raise Refused(
                f"Unknown parameter: 'easel.{name[:60]}'{hint}", field=f"easel.{name[:60]}", code="unknown_parameter"
            )
    amount = own.get("max_cost_usd")
    if amount is not None and not (isinstance(amount, int | float | str) and AMOUNT.fullmatch(str(amount))):
        raise Refused("easel.max_cost_usd must be an amount in US dollars, such as 0.25", field="easel.max_cost_usd")
    return {name: value for name, value in own.items() if value is not None and value != ""}


def text(
    given: Mapping[str, object], name: str, *, most: int = MAX_TEXT_CHARACTERS, default: object = None
) -> str | None:
    value = given.get(name, default)
    if value is None:
        return None
    if name == "user" and isinstance(value, int):
        return str(value)[:MAX_DIGITS]
    if not isinstance(value, str):
        raise Refused(
            f"Invalid type for '{name}': expected a string, but got {_kind(value)} instead.",
            field=name,
            code="invalid_type",
        )
    if len(value) > most:
        raise Refused(
            f"Invalid '{name}': string too long, with {len(value):,} characters; at most {most:,} are taken.",
            field=name,
            code="string_above_max_length",
        )
    return value


def whole(given: Mapping[str, object], name: str) -> int | None:
    """A whole number, in a form or from a careless client as text. Its range is for the router to judge."""
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(
            f"Invalid type for '{name}': expected an integer, but got {_kind(value)} instead.",
            field=name,
            code="invalid_type",
        )
    if abs(value) > MAX_INTEGER:
        raise Refused(f"Invalid '{name}': far out of range.", field=name, code="integer_above_max_value")
    return value


def flag(given: Mapping[str, object], name: str, *, within: str = "") -> bool:
    value = given.get(name, False)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (found := FLAGS.get(value.strip().lower())) is not None:
        return found
    raise Refused(
        f"Invalid type for '{within}{name}': expected a boolean, but got {_kind(value)} instead.",
        field=f"{within}{name}",
        code="invalid_type",
    )


def _kind(value: object) -> str:
    for kind, name in KINDS:
        if isinstance(value, kind):
            return name
    return "null"


def _aliased(order: Order, asked: str, router: Router) -> str:
    """The model, or what stands in for one that is retired."""
    if asked not in ALIASES or any(route.name == asked for route in router.settings.routes):
        return asked
    model = ALIASES[asked]
    order.adaptations.append(Adaptation("model", "renamed", asked, model, f"{asked} is retired; the rules choose"))
    return model


def _response_format(given: Mapping[str, object], asked: str, endpoint: Endpoint) -> ResponseFormat:
    """As asked; else what a client of that model reads."""
    match text(given, "response_format"):
        case None:
            return "url" if asked in ANSWER_BY_URL or (endpoint == "variations" and asked == "auto") else "b64_json"
        case "url":
            return "url"
        case "b64_json":
            return "b64_json"
        case other:
            raise Refused(
                f"Invalid value: {other[:60]!r}. Supported values are: 'url' and 'b64_json'.", field="response_format"
            )


def _vendors_own(
    order: Order, given: Mapping[str, object], markup: InputImage | None, model: str, router: Router
) -> None:
    """Fields that only some models have go to those, and to no other: they would be refused there."""
    wanted: dict[str, object] = {name: given[name] for name in VENDORS if name in given}
    if markup is not None:
        wanted["markup"] = {"image_url": pictures.to_data_url(markup)}
    if not wanted:
        return
    options = _options(order.fields.get("provider_options"))
    strict = _is_strict(order.fields.get("policy"))
    named = [
        each
        for each in router.deployments
        if model in {each.name, each.model.id, each.model.key} or model in each.model.lifecycle.snapshots.value
    ]
    for name, value in wanted.items():
        holders = {each.provider for each in named if name in each.model.options.value}
        for provider in holders:
            options.setdefault(provider, {})[name] = _plain(value) if order.form else value
        if holders:
            continue
        reason = f"only some models take {name}; to use it, give one of them as `model`"
        if name == "markup" or strict:
            raise Refused(f"{name} cannot be honoured: {reason}", field=name)
        order.adaptations.append(Adaptation(name, "dropped", str(value)[:80], None, reason))
    if options:
        order.fields["provider_options"] = options


def _options(given: object) -> dict[str, dict[str, object]]:
    if not isinstance(given, dict):
        return {}
    members = cast("dict[str, object]", given)
    return {name: dict(cast("dict[str, object]", each)) for name, each in members.items() if isinstance(each, dict)}


def _plain(value: object) -> object:
    """A number that came as text in a form, as a number."""
    return int(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value


def _is_strict(policy: object) -> bool:
    if not isinstance(policy, dict):
        return False
    words = cast("dict[str, object]", policy)
    return words.get("provider_options", words.get("default")) == "strict"


async def _as_edit(order: Order, router: Router) -> None:
    """No model in service makes variations by itself; one that edits can be asked for it in words."""
    decision = await router.explain(order.fields, keys=True)
    if decision.plan:
        return
    reason = "no model here makes variations; one that edits pictures is asked for one"
    order.fields |= {"operation": "edit", "prompt": VARIATION_PROMPT}
    order.adaptations.append(Adaptation("operation", "emulated", "variation", "edit", reason))


# Pictures that come in


@dataclass(frozen=True, slots=True)
class Found:
    """The pictures of one call, checked."""

    images: tuple[InputImage, ...] = ()
    references: tuple[InputImage, ...] = ()
    mask: InputImage | None = None
    markup: InputImage | None = None


@dataclass(frozen=True, slots=True)
class Gathering:
    """Collects the pictures of one call, from wherever they are, within its limits."""

    router: Router
    gateway: Gateway
    place: Place

    async def pictures(self, content: Content, given: Mapping[str, object], own: Mapping[str, object]) -> Found:
        """Raises Refused."""
        wanted = [*_files(content.files)]
        if "images" in given:
            wanted += _references("images", "image", given["images"])
        for name in ("mask", "markup"):
            if name in given:
                wanted.append((name, name, _reference(name, given[name])))
        if "references" in own:
            wanted += _references("easel.references", "reference", own["references"])
        if not wanted:
            return Found()
        most = self.gateway.limits.pictures
        if len(wanted) > most:
            raise Refused(f"{len(wanted)} pictures are given; at most {most} are taken", field=wanted[-1][1])
        data = await asyncio.gather(*(self._data(wire, source) for _, wire, source in wanted))
        checked = await self.checked([(wire, each) for (_, wire, _), each in zip(wanted, data, strict=True)])
        roles: dict[str, list[InputImage]] = {}
        for (role, _, _), each in zip(wanted, checked, strict=True):
            roles.setdefault(role, []).append(each)
        return Found(
            tuple(roles.get("image", ())),
            tuple(roles.get("reference", ())),
            _only("mask", roles.get("mask")),
            _only("markup", roles.get("markup")),
        )

    async def _data(self, wire: str, source: bytes | str) -> bytes:
        if isinstance(source, bytes):
            return source
        try:
            if source.startswith(pictures.DATA_URL_PREFIX):
                return pictures.from_data_url(source)
            async with asyncio.timeout(self.gateway.limits.fetch_seconds):
                data = await self.router.fetch(source)
        except (pictures.NotAPicture, PictureLost) as error:
            raise Refused(f"{wire}: {error}", field=wire, code="invalid_image_url") from error
        except TimeoutError as error:
            raise Refused(f"{wire}: it did not arrive in time", field=wire, code="invalid_image_url") from error
        self.place.hold(len(data))
        return data

    async def checked(self, given: list[tuple[str, bytes]]) -> list[InputImage]:
        """Every picture, decoded once to see that it is whole; each with the name that the caller knows it by."""
        if sum(len(data) for _, data in given) <= PIXEL_CHECK_BYTES:
            return _checked(given, self.gateway.limits.pixels)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.gateway.pool, _checked, given, self.gateway.limits.pixels)


def _files(files: Iterable[File]) -> Iterable[tuple[str, str, bytes]]:
    """Role, name and bytes. `image`, `image[]` and `image[0]` are all source images, in the order in which they came."""
    count: dict[str, int] = {}
    for each in files:
        base = each.name.partition("[")[0]
        role = "reference" if base == "references" else base
        place = count[role] = count.get(role, -1) + 1
        yield role, f"{base}[{place}]" if role in {"image", "reference"} else base, each.data


def _references(name: str, role: str, given: object) -> list[tuple[str, str, bytes | str]]:
    if not isinstance(given, list):
        raise Refused(
            f"Invalid type for '{name}': expected an array of objects, but got {_kind(given)} instead.",
            field=name,
            code="invalid_type",
        )
    members = cast("list[object]", given)
    if not members and role == "image":
        raise Refused(f"Invalid '{name}': empty array. Give at least one picture.", field=name, code="empty_array")
    return [(role, f"{name}[{place}]", _reference(f"{name}[{place}]", each)) for place, each in enumerate(members)]


def _reference(name: str, given: object) -> str:
    """The address in `{"image_url": …}`: https or a data URL."""
    if not isinstance(given, dict):
        raise Refused(
            f"Invalid type for '{name}': expected an object with image_url, but got {_kind(given)} instead.",
            field=name,
            code="invalid_type",
        )
    members = cast("dict[str, object]", given)
    if members.get("file_id") is not None:
        raise Refused(
            f"{name}.file_id: files uploaded to a vendor cannot be read from here; give the picture as image_url, an "
            "https address or a data URL",
            field=f"{name}.file_id",
            code="unsupported_file_id",
        )
    for key in members:
        if key not in {"image_url", "file_id"}:
            raise Refused(f"Unknown parameter: '{name}.{key[:60]}'.", field=name, code="unknown_parameter")
    return text({"image_url": members.get("image_url") or ""}, "image_url", most=MAX_ADDRESS_CHARACTERS) or _no(name)


def _no(name: str) -> str:
    raise Refused(
        f"Missing required parameter: '{name}.image_url'.", field=f"{name}.image_url", code="missing_required_parameter"
    )


def _only(name: str, given: list[InputImage] | None) -> InputImage | None:
    """A part given twice by a careless client is one; two that differ are not for us to choose from."""
    if not given:
        return None
    if any(each.data != given[0].data for each in given[1:]):
        raise Refused(f"{name} is given {len(given)} times, with different pictures", field=name)
    return given[0]


def _checked(given: list[tuple[str, bytes]], most_pixels: int) -> list[InputImage]:
    """What each picture's head says comes first: nothing is decoded for a request that is too large as a whole."""
    pixels = 0
    for name, data in given:
        try:
            pixels += pictures.probe(data).size.pixels if data else 0
        except pictures.NotAPicture as error:
            raise Refused(f"{name} is {error}", field=name, code="invalid_image") from error
        if pixels > most_pixels:
            raise Refused(
                f"with {name} the pictures have {pixels:,} pixels together; at most {most_pixels:,} are taken",
                field=name,
                code="image_too_large",
            )
    try:
        return [pictures.input_image(data, field=name, name="it") for name, data in given]
    except RequestError as error:
        raise Refused(str(error), field=error.field, code="invalid_image") from error


# What is answered


def encoded(image: OutputImage) -> bytes:
    """The picture in base64."""
    return pictures.to_base64(image.data).encode("ascii")


def write(order: Order, response: ImageResponse) -> bytes:
    """OpenAI's `ImagesResponse`, and `easel` when it was asked for."""
    members: dict[str, object] = {"created": int(clock.now().timestamp()), **look(order, response)}
    if (counted := usage(response.usage)) is not None:
        members["usage"] = counted
    if (name := order.text("user")) is not None:
        members["safety_identifier"] = name
    if order.include:
        members["easel"] = easel(order, response)
    pieces = [json.dumps(members)[:-1].encode(), b', "data": [']
    for place, image in enumerate(response.images):
        pieces += [b", " if place else b"", b"{"]
        if image.revised_prompt is not None:
            pieces += [b'"revised_prompt": ', json.dumps(image.revised_prompt).encode(), b", "]
        if order.response_format == "url":
            pieces += [b'"url": "data:', image.media_type.encode(), b";base64,"]
        else:
            pieces.append(b'"b64_json": "')
        pieces += [encoded(image), b'"}']
    pieces.append(b"]}")
    return b"".join(pieces)


def look(order: Order, response: ImageResponse) -> dict[str, object]:
    """`size`, `output_format`, `background` and `quality` of what came, those that are known."""
    first = response.images[0]
    found: dict[str, object] = {"output_format": output_format(first)}
    if first.size.pixels:
        found["size"] = str(first.size)
    asked = order.text("background")
    if asked in {"opaque", "transparent"}:
        found["background"] = asked
    elif not first.has_alpha:
        found["background"] = "opaque"
    if (word := quality(order, response)) is not None:
        found["quality"] = word
    return found


def output_format(image: OutputImage) -> str:
    return image.media_type.removeprefix("image/").partition("+")[0]


def quality(order: Order, response: ImageResponse) -> str | None:
    """As it was sent, where that is one of OpenAI's words."""
    word = order.text("quality")
    for each in response.adaptations:
        if each.field == "quality":
            word = each.sent
    return word if word in QUALITIES else None


def usage(counted: Usage) -> dict[str, object] | None:
    """The tokens; None where the vendor counts none, or not enough of them to say it in OpenAI's words."""
    given, made = counted.input_tokens, counted.output_tokens
    words, seen = counted.input_text_tokens, counted.input_image_tokens
    if given is None or made is None:
        return None
    if words is None and seen is None:
        return None
    seen = max(0, given - (words or 0)) if seen is None else seen
    words = max(0, given - seen) if words is None else words
    found: dict[str, object] = {
        "input_tokens": given,
        "input_tokens_details": {"text_tokens": words, "image_tokens": seen},
        "output_tokens": made,
        "total_tokens": given + made,
    }
    painted, written = counted.output_image_tokens, counted.output_text_tokens
    if painted is not None:
        found["output_tokens_details"] = {"image_tokens": painted, "text_tokens": written or 0}
    return found


def changes(order: Order, response: ImageResponse) -> tuple[Adaptation, ...]:
    """Every change on the way, those made at the door first."""
    return (*order.adaptations, *response.adaptations)


def easel_headers(order: Order, response: ImageResponse) -> Headers:
    """What there is to say of an answer, one fact in each. An amount that is not known is left out."""
    route, cost = response.route, response.cost
    found = {
        "request-id": response.request_id,
        "route": route.rule,
        "deployment": route.deployment,
        "model": route.model_snapshot or route.model,
        "rules-hash": route.rules_hash,
        "estimate-usd": _amount(cost.estimate.expected),
        "cost-usd": _amount(cost.actual_usd),
        "cost-basis": cost.basis,
        "attempts": str(len(response.attempts)),
        "adaptations": str(len(order.adaptations) + len(response.adaptations)),
    }
    return tuple((f"x-easel-{name}".encode(), _header(value)) for name, value in found.items() if value is not None)


def _header(value: str) -> bytes:
    """Names come from configuration, and some from vendors: only what a header may hold goes into one."""
    return UNPRINTABLE.sub("?", value).encode("ascii", "replace")


def easel(order: Order, response: ImageResponse) -> dict[str, object]:
    """Everything that is known of how the pictures came about, without the pictures."""
    return {
        "request_id": response.request_id,
        "route": asdict(response.route),
        "cost": _json(asdict(response.cost)),
        "images": [
            {
                "media_type": each.media_type,
                "width": each.width,
                "height": each.height,
                "has_alpha": each.has_alpha,
                "sha256": each.sha256,
                "seed": each.seed,
            }
            for each in response.images
        ],
        "usage": _json({name: value for name, value in asdict(response.usage).items() if value is not None}),
        "attempts": _json([asdict(each) for each in response.attempts]),
        "adaptations": [asdict(each) for each in changes(order, response)],
        "warnings": list(response.warnings),
        "verification": asdict(response.verification),
        "moderation": response.moderation,
        "timings": response.timings,
    }


def _json(value: object) -> object:
    """Amounts as text, to the digit."""
    if isinstance(value, Decimal):
        return _amount(value)
    if isinstance(value, dict):
        return {name: _json(each) for name, each in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_json(each) for each in cast("list[object]", value)]
    return value


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
