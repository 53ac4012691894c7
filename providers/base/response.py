"""One answer, whatever the vendor."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeVar

from .content import Content
from .errors import Dropped, Relaxation
from .request import Size

AdaptationKind = Literal["passed", "renamed", "clamped", "emulated", "dropped"]


@dataclass(frozen=True, slots=True)
class Adaptation:
    """One change on the way from the caller's request to the vendor's."""

    field: str
    kind: AdaptationKind
    asked: str
    sent: str | None
    """What the vendor got instead; None when nothing of it was sent."""
    reason: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What the vendor counted. None when it does not say; never zero for unknown."""

    input_tokens: int | None = None
    input_text_tokens: int | None = None
    input_image_tokens: int | None = None
    cached_input_tokens: int | None = None
    """Those of `input_tokens` that the vendor had from before."""
    output_tokens: int | None = None
    output_text_tokens: int | None = None
    """Text and thinking."""
    output_image_tokens: int | None = None
    images: int | None = None
    input_megapixels: Decimal | None = None
    output_megapixels: Decimal | None = None
    cost_usd: Decimal | None = None
    """What the vendor itself says it charged, in US dollars."""

    def plus(self, other: Usage) -> Usage:
        """Sum, field by field; unknown plus known is the known part."""
        return Usage(**{name: _sum(getattr(self, name), getattr(other, name)) for name in USAGE_FIELDS})


USAGE_FIELDS = tuple(Usage.__dataclass_fields__)


Number = TypeVar("Number", int, Decimal)


def _sum(a: Number | None, b: Number | None) -> Number | None:
    if a is None:
        return b
    return a if b is None else a + b


@dataclass(frozen=True, slots=True)
class Estimate:
    """Our guess before sending, in US dollars, for the whole request."""

    low: Decimal | None
    expected: Decimal | None
    worst: Decimal | None
    unpriced: tuple[str, ...] = ()
    """What has no known price and is not in the numbers."""

    def times(self, count: int) -> Estimate:
        def scale(amount: Decimal | None) -> Decimal | None:
            return None if amount is None else amount * count

        return Estimate(scale(self.low), scale(self.expected), scale(self.worst), self.unpriced)

    def plus(self, other: Estimate) -> Estimate:
        """Both together; an unknown part makes the whole unknown."""

        def add(a: Decimal | None, b: Decimal | None) -> Decimal | None:
            return None if a is None or b is None else a + b

        unpriced = tuple(dict.fromkeys(self.unpriced + other.unpriced))
        low, expected = add(self.low, other.low), add(self.expected, other.expected)
        return Estimate(low, expected, add(self.worst, other.worst), unpriced)


NO_ESTIMATE = Estimate(None, None, None, ("no price is known",))


@dataclass(frozen=True, slots=True)
class Cost:
    """What it cost. `actual_usd` is None when it cannot be known; never zero for unknown."""

    estimate: Estimate
    actual_usd: Decimal | None
    basis: Literal["vendor", "usage", "list_price", "unknown"]
    """vendor: its own figure. usage: its token counts at the catalogue's rates. list_price: so much a picture."""
    at_risk_usd: Decimal = Decimal(0)
    """On top: the most that attempts with an unknown outcome may have cost."""


@dataclass(frozen=True, slots=True)
class OutputImage:
    """A picture, or a video, as the vendor made it."""

    content: Content = field(repr=False)
    media_type: str
    size: Size
    has_alpha: bool
    """The format carries alpha. That pixels are really transparent is checked when transparency was asked for."""
    revised_prompt: str | None = None
    seed: int | None = None
    seconds: float | None = None
    """How long a video is, by its header. None: a picture, or nothing is said."""

    @property
    def data(self) -> bytes:
        """The file's bytes."""
        return self.content.data

    @property
    def sha256(self) -> str:
        """Of the file's bytes, hexadecimal."""
        return self.content.sha256

    @property
    def width(self) -> int:
        return self.size.width

    @property
    def height(self) -> int:
        return self.size.height


@dataclass(frozen=True, slots=True)
class PartialImage:
    """A preview while streaming; not a result."""

    content: Content = field(repr=False)
    index: int = 0
    media_type: str = "image/png"

    @property
    def data(self) -> bytes:
        """Raises NotAPicture when it came as base64 that is not valid."""
        return self.content.data


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one deployment."""

    deployment: str
    outcome: str
    """done, or the outcome word of the error it ended with; `unknown` when it was sent and no answer came."""
    latency_seconds: float
    billed: bool | None
    number: int = 1
    """Retries of the same deployment count up."""
    vendor_request_id: str | None = None
    error: str | None = None
    status: int | None = None
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deployment that can serve, in its place in the plan."""

    deployment: str
    model: str
    rule: str
    """The rule that names it."""
    why: str
    estimate: Estimate
    calls: int = 1
    """How many calls it takes to make n pictures."""
    adaptations: tuple[Adaptation, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What would be done with a request, and why.

    `explain` looks at every candidate. The decision that comes with an answer holds those that were looked at until it
    came: a candidate after the one that served is not worked out.
    """

    request_id: str
    rule: str
    plan: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...]
    relaxations: tuple[Relaxation, ...]
    rules_hash: str

    @property
    def estimate(self) -> Estimate:
        """The first candidate's."""
        return self.plan[0].estimate if self.plan else NO_ESTIMATE


@dataclass(frozen=True, slots=True)
class Route:
    """How the request went: which rule, to which deployment, under which set of rules."""

    rule: str
    deployment: str
    model: str
    model_snapshot: str | None
    """The dated version the vendor says it used."""
    rules_hash: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked of the pictures, and what was found."""

    checked: tuple[str, ...]
    """Of count, media_type, size, alpha."""
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageResponse:
    """The pictures, and everything that is known of how they came about.

    A video is one of `images`: media type video/mp4, its frames' size, its length in `seconds`.
    """

    request_id: str
    images: tuple[OutputImage, ...]
    usage: Usage
    cost: Cost
    route: Route
    decision: Decision
    attempts: tuple[Attempt, ...]
    adaptations: tuple[Adaptation, ...]
    warnings: tuple[str, ...]
    verification: Verification
    moderation: str | None = None
    """The vendor's word on it, when it gives one with a picture."""
    timings: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds per step."""
