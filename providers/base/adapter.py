"""An adapter translates, it does not travel: a request into a `Call`, a `Reply` into `Done` or `Wait`.

Sending, polling, deadlines, cancelling, downloading and keys are `transport.py`'s. To add a vendor, write
`providers/<name>.py` with a subclass of `Adapter` and, last, `ADAPTER = TheClass`.
"""

from __future__ import annotations

import json as jsonlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, ClassVar, Literal

from .errors import BadReply, ConfigError, InvalidRequest, Problem, ProviderError, RateLimited, for_status
from .reply import Event, Node, Reply
from .request import ImageRequest, InputImage
from .response import Adaptation, PartialImage, Usage

if TYPE_CHECKING:
    from .capabilities import Model  # pydantic with it: a tenth of a second that only the router's own start pays

_JSON = jsonlib.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
Method = Literal["GET", "POST", "PUT"]


@dataclass(frozen=True, slots=True)
class File:
    """A file part of a form."""

    name: str
    file_name: str
    media_type: str
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, image: InputImage, index: int = 0) -> File:
        extension = image.media_type.removeprefix("image/")
        return cls(name, f"{name.strip('[]')}-{index + 1}.{extension}", image.media_type, image.data)


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to a vendor: a path below the deployment's base URL, or a whole URL from a reply."""

    method: Method
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = field(default=None, repr=False)
    stream: bool = False
    """The answer comes as server-sent events, for `Adapter.read_event`."""
    then: Callable[[Reply], Call] | None = field(default=None, repr=False)
    """For a call that only prepares and costs nothing, such as an upload: what its reply makes of the call after it."""
    usage: Usage = field(default_factory=Usage)
    """What is known before it is sent, such as a price the vendor has quoted; kept where the answer does not say."""

    @classmethod
    def get(cls, url: str) -> Call:
        return cls("GET", url)

    @classmethod
    def post(cls, url: str, *, json: Mapping[str, object], stream: bool = False) -> Call:
        """A JSON body; members that are None are left out."""
        body = {name: value for name, value in json.items() if value is not None}
        return cls("POST", url, {"content-type": "application/json"}, _JSON.encode(body).encode(), stream)

    @classmethod
    def form(
        cls,
        url: str,
        *,
        fields: Mapping[str, object],
        files: list[File],
        stream: bool = False,
        boundary: str | None = None,
    ) -> Call:
        """A multipart form: fields first, files last; fields that are None are left out."""
        boundary = boundary or f"easel-{secrets.token_hex(12)}"
        parts: list[bytes] = []
        for name, value in fields.items():
            if value is not None:
                head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
                parts += [head.encode(), _form_value(value).encode(), b"\r\n"]
        for file in files:
            head = (
                f'--{boundary}\r\nContent-Disposition: form-data; name="{file.name}"; filename="{file.file_name}"\r\n'
                f"Content-Type: {file.media_type}\r\n\r\n"
            )
            parts += [head.encode(), file.data, b"\r\n"]
        parts.append(f"--{boundary}--\r\n".encode())
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        return cls("POST", url, headers, b"".join(parts), stream)


def after(uploads: Sequence[Call | str], name: Callable[[Reply], str], then: Callable[[list[str]], Call]) -> Call:
    """The call that `then` makes of what `name` reads in each upload's reply. A text among them has its name already.

    They are sent one after the other, and cost nothing.
    """

    def following(names: list[str]) -> Call:
        if len(names) == len(uploads):
            return then(names)
        upload = uploads[len(names)]
        if isinstance(upload, str):
            return following([*names, upload])

        def named(reply: Reply) -> Call:
            return following([*names, name(reply)])

        return replace(upload, then=named)

    return following([])


def _form_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return jsonlib.dumps(value, ensure_ascii=False)
    return str(value)


# What a reply holds


@dataclass(frozen=True, slots=True)
class ImageBase64:
    text: str | bytes | memoryview = field(repr=False)
    """`Node.characters`, so that a large picture is not copied."""
    revised_prompt: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class ImageBytes:
    data: bytes = field(repr=False)
    revised_prompt: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """An address that transport fetches, without the key."""

    url: str = field(repr=False)
    revised_prompt: str | None = None
    seed: int | None = None
    keyed: bool = False
    """It is the vendor's own and wants the key. One that it leads on to gets none."""


Picture = ImageBase64 | ImageBytes | ImageUrl


@dataclass(frozen=True, slots=True)
class Done:
    """The vendor has finished."""

    images: list[Picture]
    usage: Usage = field(default_factory=Usage)
    model_snapshot: str | None = None
    moderation: str | None = None
    request_id: str | None = None
    """The vendor's, where it stands in the body; from a header it is taken without an adapter's help."""
    warnings: tuple[str, ...] = ()
    adaptations: tuple[Adaptation, ...] = ()
    """What the way to the vendor could not carry, where that is known only there."""

    def plus(self, other: Done) -> Done:
        """Two parts of one answer, as streams deliver them."""
        return replace(
            other,
            images=[*self.images, *other.images],
            usage=self.usage.plus(other.usage),
            model_snapshot=other.model_snapshot or self.model_snapshot,
            moderation=other.moderation or self.moderation,
            request_id=other.request_id or self.request_id,
            warnings=self.warnings + other.warnings,
            adaptations=tuple(dict.fromkeys(self.adaptations + other.adaptations)),
        )


@dataclass(frozen=True, slots=True)
class Token:
    """What a key was exchanged for."""

    value: str = field(repr=False)
    """`Adapter.auth` gets it in place of the key."""
    seconds: float
    """How long it is good for."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The vendor is still at it: ask again with `call` after `seconds`."""

    call: Call
    seconds: float
    usage: Usage = field(default_factory=Usage)
    """What the vendor counted so far; kept if `Done` does not say it again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a vendor says of a key and its account, for nothing."""

    models: frozenset[str] | None = None
    """The account's, by their names on the wire. None: it does not say."""
    painters: frozenset[str] = frozenset()
    """Those of them that paint, as far as the answer tells."""
    ends: Mapping[str, date] = field(default_factory=dict[str, "date"])
    """Models that the vendor will switch off, and when."""
    credit: str | None = None
    """What is left, in the vendor's own unit: 12.50 USD."""


class Adapter(ABC):
    """One vendor. Instances are made once per deployment and hold no state of a request."""

    name: ClassVar[str]
    """As in `provider_options` and in the catalogue."""
    default_base_url: ClassVar[str | None] = None
    """None: every deployment must give its own."""
    settings: ClassVar[frozenset[str]] = frozenset()
    """The names a deployment may set for this adapter, such as an API version."""
    wire: ClassVar[Mapping[str, str]] = {}
    """The vendor's names for what a request says by itself, each with the request's field.

    None of them is an option: what goes out under these names has been checked and priced.
    """
    key_hosts: ClassVar[tuple[str, ...]] = ()
    """Other hosts that may be sent the key: names, or suffixes (`.vendor.example`). The base URL's own always may."""
    request_id_headers: ClassVar[tuple[str, ...]] = ("x-request-id",)
    codes: ClassVar[Mapping[str, type[ProviderError]]] = {}
    """The vendor's error codes that say more than the status."""
    needs_key: ClassVar[bool] = True
    honours_idempotency_keys: ClassVar[bool] = False
    check_hint: ClassVar[str | None] = None
    """What a good answer to `check` does not prove, and where it is put right."""

    def __init__(self, *, base_url: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        base = base_url or self.default_base_url
        if not base:
            raise ConfigError([Problem(self.name, "a deployment of this provider needs a base_url")])
        self.base_url = base.rstrip("/")
        self.options = dict(settings or {})

    def chosen(self, setting: str, *words: str) -> str:
        """A setting that is one of a few words, the first where the deployment says none. Raises ConfigError."""
        word = self.options.get(setting, words[0])
        if word not in words:
            raise ConfigError([Problem(self.name, f"{setting} {word!r} is none of {', '.join(words)}")])
        return word

    @abstractmethod
    def auth(self, key: str) -> dict[str, str]:
        """The headers that carry the key."""

    def sign(self, call: Call, url: str, key: str, now: datetime) -> dict[str, str]:
        """The same for vendors whose headers depend on what is sent, where and when. `url` is the whole address."""
        return self.auth(key)

    def login(self, key: str, now: datetime) -> Call | None:
        """The call that exchanges the key for a token, which is then kept for as long as it is good.

        None: the key itself is sent. It costs nothing and carries no header of `auth`.
        """
        return None

    def token(self, reply: Reply, key: str) -> Token:
        """What `login` was answered with, for this key. Raises BadReply."""
        raise BadReply(f"{self.name} has no tokens ({reply.status})")

    @abstractmethod
    def call(self, request: ImageRequest, model: Model) -> Call:
        """The call that starts it. The request already fits the model; None means: leave it to the vendor."""

    @abstractmethod
    def read(self, reply: Reply, model: Model) -> Done | Wait:
        """What a reply below 400 says. Raises ModerationBlocked, ProviderUnavailable, BadReply."""

    def check(self, model: Model) -> Call | None:
        """A call that costs nothing and that only a good key is answered. One that models share is sent once.

        None: this vendor has no such call, or nobody says that it has.
        """
        return None

    def standing(self, reply: Reply) -> Standing:
        """What an answer below 300 to `check` says. Raises BadReply."""
        return Standing()

    def read_event(self, event: Event, model: Model) -> PartialImage | Done | None:
        """One event of a streamed reply; None for events that say nothing about pictures."""
        raise InvalidRequest(f"{self.name} does not stream ({event.name} for {model.id})")

    def error(self, reply: Reply) -> ProviderError:
        """What a reply over 399 means: the vendor's code where it is known, else the status; never its prose."""
        body = reply.error_json()
        code = self.error_code(body) if body else None
        kind = self.codes.get(code or "", for_status(reply.status))
        message = (self.error_message(body) if body else None) or f"HTTP {reply.status}"
        return kind(
            message,
            status=reply.status,
            code=code,
            retry_after_seconds=reply.retry_after_seconds() if kind is RateLimited or reply.status >= 500 else None,
        )

    def error_code(self, body: Node) -> str | None:
        """`error.code`, in the shape most vendors use."""
        return body.text_at("error", "code")

    def error_message(self, body: Node) -> str | None:
        """`error.message`, or what FastAPI servers say: `detail`, in words or as a list of what is wrong where."""
        said = body.text_at("error", "message") or body.text_at("detail") or body.text_at("error")
        return said or body.text_at("detail", 0, "msg")


class LocalAdapter(ABC):
    """A vendor behind a library of its own, which does its own sending. `perform` runs in a worker thread."""

    name: ClassVar[str]
    default_base_url: ClassVar[str | None] = None
    settings: ClassVar[frozenset[str]] = frozenset()
    wire: ClassVar[Mapping[str, str]] = {}
    """As an adapter's."""
    needs_key: ClassVar[bool] = False
    honours_idempotency_keys: ClassVar[bool] = False

    def __init__(self, *, base_url: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        self.base_url = base_url or self.default_base_url
        self.options = dict(settings or {})

    @abstractmethod
    def perform(self, request: ImageRequest, model: Model, *, key: str | None, timeout_seconds: float) -> Done:
        """Send and wait. Raises a ProviderError."""


AnyAdapter = Adapter | LocalAdapter
