"""What a model can do and what it costs: the types that `config/models/*.yaml` is written in.

Every value is a `Fact`: it carries where it was read, when, and how sure it is. In YAML a fact is written in full,

    max_outputs_per_call: {value: 10, source: sdk, as_of: 2026-11-23, status: confirmed, note: "svg: 1"}

or as the bare value, which then takes the source and date of its model. These are pydantic types because YAML comes in
here; once loaded they are frozen and shared by all requests.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from .request import Background, Band, ImageRequest, Moderation, Need, Operation, OutputFormat, Size

Status = Literal["confirmed", "third_party", "unconfirmed"]
MaskPolarity = Literal["transparent", "white", "black"]
"""Which pixels of the vendor's mask are repainted."""
Strength = Literal["strong", "fair", "weak"]
Value = TypeVar("Value")


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)


class Fact(Frozen, Generic[Value]):
    """A value with its evidence."""

    value: Value
    source: str
    """Where it was read: an address, or a file of a public repository."""
    as_of: date
    status: Status = "confirmed"
    note: str | None = None


# Sizes


class FixedSizes(Frozen):
    """A short list of sizes, `WIDTHxHEIGHT`."""

    kind: Literal["fixed"]
    sizes: tuple[str, ...]
    auto: bool = True
    """The vendor chooses when none is sent."""


class FlexibleSizes(Frozen):
    """Any size within limits. Edges in pixels."""

    kind: Literal["flexible"]
    multiple_of: int = 1
    min_edge: int = 1
    max_edge: int | None = None
    max_aspect_ratio: float | None = None
    """Longer edge to shorter."""
    min_pixels: int = 1
    max_pixels: int | None = None
    auto: bool = True
    default: str | None = None
    """What the vendor paints when no size is sent; None when it follows the prompt or the input."""


class RatioTable(Frozen):
    """An aspect ratio and a tier; pixels follow from a table where the vendor publishes one."""

    kind: Literal["ratios"]
    ratios: dict[str, str | None]
    """Ratio -> size at the base tier; None when the vendor publishes no pixels."""
    tiers: dict[str, Decimal]
    """Tier -> factor on both edges of the base tier. Empty: no tier is sent."""
    tier_names: dict[str, str] = {}
    """Easel's tier -> the vendor's word, where they differ."""
    default_tier: str | None = None
    auto: bool = True


class RatioRange(Frozen):
    """Any aspect ratio between two; the vendor chooses the pixels."""

    kind: Literal["ratio_range"]
    widest: str
    tallest: str
    auto: bool = True


class FollowsInput(Frozen):
    """The answer is as large as the source image (plus margins, where a tool adds them), or enlarged from it."""

    kind: Literal["input"]
    scale: Decimal | None = Decimal(1)
    """On both edges. None: larger, by how much the vendor or one of its options decides."""
    auto: bool = True


class AnySize(Frozen):
    """A width and a height, and nothing more is known: self-hosted engines."""

    kind: Literal["any"]
    auto: bool = True


SizeRule = Annotated[
    FixedSizes | FlexibleSizes | RatioTable | RatioRange | FollowsInput | AnySize, Field(discriminator="kind")
]


class ListedDurations(Frozen):
    """How long a video can be: one of these, in seconds."""

    kind: Literal["listed"]
    seconds: tuple[int, ...]
    default: int | None = None
    """What is sent where nothing is asked for. None: the vendor chooses."""
    at_resolution: dict[str, tuple[int, ...]] = {}
    """Easel's tier -> those of them that it can be had in; a tier that is not named can be had in all."""


class DurationRange(Frozen):
    """How long a video can be: any whole number of seconds between two, which belong to it."""

    kind: Literal["range"]
    shortest: int
    longest: int
    default: int | None = None
    """As above."""


Durations = Annotated[ListedDurations | DurationRange, Field(discriminator="kind")]


class Qualities(Frozen):
    """The vendor's words, and which of them stands for each of Easel's bands."""

    words: tuple[str, ...]
    bands: dict[Band, str]
    default: str | None = None
    """What the vendor does when none is sent: one of its words, or None when it chooses by the prompt."""


class InputRule(Frozen):
    """Source and reference images taken together."""

    max_input_images: int
    max_source_images: int | None = None
    """Of them, pictures that are changed. None: any number."""
    max_references: int | None = None
    """Of them, pictures that only guide. None: any number."""
    max_bytes: int | None = None
    """Each."""
    media_types: tuple[str, ...] = ("image/png", "image/jpeg", "image/webp")
    min_edge: int | None = None
    max_pixels: int | None = None
    needs_mask: bool = False
    """Pictures are changed only where a mask marks them: none is taken without one."""


class MaskRule(Frozen):
    polarity: MaskPolarity
    max_bytes: int | None = None


class OutputRule(Frozen):
    formats: tuple[OutputFormat, ...]
    """The first is what comes when none is asked for."""
    selectable: bool = True
    """Can be asked for; otherwise the vendor answers in one of them as it likes."""
    transparent: tuple[OutputFormat, ...] = ("png", "webp")
    """Those that can carry a transparent background."""
    compression: tuple[OutputFormat, ...] = ("jpeg", "webp")


class Streaming(Frozen):
    max_partial_images: int


# Life


class Lifecycle(Frozen):
    launched: Fact[date | None]
    deprecated: Fact[date | None]
    shutdown: Fact[date | None]
    """The first day on which the vendor no longer answers. None: none announced."""
    replacement: Fact[str | None]
    snapshots: Fact[tuple[str, ...]]
    """Dated versions; callers may name one of these instead of the model."""


# Prices


class TokenRates(Frozen):
    """US dollars per million tokens. None: not sold, or not published."""

    text_input: Decimal | None = None
    text_input_cached: Decimal | None = None
    image_input: Decimal | None = None
    image_input_cached: Decimal | None = None
    image_output: Decimal | None = None
    text_output: Decimal | None = None
    """Text and thinking."""


class GridTokens(Frozen):
    """Output tokens of GPT Image 2 and later: a grid of q x s cells, scaled by the pixels (facts: OpenAI's calculator).

    `q` is the quality's factor, `s = floor((2 q S + L) / (2 L))` with L and S the longer and shorter edge, and
    `tokens = ceil(q s (2,000,000 + w h) / 4,000,000)`, times `multiplier` where a model is known to use more.
    """

    kind: Literal["grid"]
    factors: dict[str, int]
    multiplier: dict[str, Decimal] = {}
    auto_as: str | None = None
    """The quality to expect where the vendor chooses. None: the one that stands for the standard band."""


class TableTokens(Frozen):
    """Output tokens by quality and size."""

    kind: Literal["table"]
    tokens: dict[str, dict[str, int]]


class TierTokens(Frozen):
    """Output tokens by resolution tier."""

    kind: Literal["tier"]
    tokens: dict[str, int]
    """Tier -> tokens; the key "default" where there are no tiers."""


class AreaTokens(Frozen):
    """Output tokens in proportion to the pixels."""

    kind: Literal["area"]
    pixels_per_token: int


OutputTokens = Annotated[GridTokens | TableTokens | TierTokens | AreaTokens, Field(discriminator="kind")]


class TileTokens(Frozen):
    """Input tokens of the GPT Image 1 family: fit within a square, short side down to 512, count tiles."""

    kind: Literal["tiles"]
    base: int = 65
    per_tile: int = 129
    high_fidelity_square: int = 4160
    high_fidelity_other: int = 6240


class PatchTokens(Frozen):
    """Input tokens of GPT Image 2 and later: 32-pixel patches, at most `budget` an image."""

    kind: Literal["patches"]
    budget: int = 1536


class FlatTokens(Frozen):
    """A fixed number of tokens for each input image."""

    kind: Literal["flat"]
    tokens: int


InputTokens = Annotated[TileTokens | PatchTokens | FlatTokens, Field(discriminator="kind")]


class TokenPrice(Frozen):
    """Billed by tokens: rates, and how many tokens a picture takes."""

    kind: Literal["tokens"]
    rates: TokenRates
    output_tokens: OutputTokens
    input_image_tokens: InputTokens | None = None
    text_overhead_tokens: int = 0
    """Added to the prompt's own."""
    partial_image_tokens: int = 0
    """Image output tokens for each preview."""
    extra_per_image_usd: Decimal = Decimal(0)
    """What the published price of a picture is above tokens x rate; in the worst case only."""
    worst_factor: Decimal = Decimal(1)
    """How far above the formula a bill may be, where the formula is not the vendor's own."""
    unpriced: tuple[str, ...] = ()
    unpriced_formats: tuple[OutputFormat, ...] = ()
    """Formats that cost more than the formula says, nobody has published how much."""


class ImagePriceRow(Frozen):
    """A price for a picture; every condition given must hold. Rows are read in order."""

    usd: Decimal
    quality: str | None = None
    size: str | None = None
    min_pixels: int | None = None
    """Of the picture, where the size is known."""
    max_pixels: int | None = None
    resolution: str | None = None
    operation: Operation | None = None


class ImagePrice(Frozen):
    """Billed by the picture."""

    kind: Literal["image"]
    rows: tuple[ImagePriceRow, ...]
    input_usd: Decimal = Decimal(0)
    """Each input image of each call."""
    inputs_free: int = 0
    """How many of a call's input images cost nothing."""
    unpriced: tuple[str, ...] = ()


class SecondPriceRow(Frozen):
    """A price for a second of video; every condition given must hold."""

    usd: Decimal
    resolution: str | None = None
    """The tier, in the vendor's word."""
    min_pixels: int | None = None
    """Of a frame, where the size is known."""
    max_pixels: int | None = None
    audio: bool | None = None
    """With sound, or without."""


class SecondPrice(Frozen):
    """Billed by the second of video."""

    kind: Literal["second"]
    rows: tuple[SecondPriceRow, ...]
    audio_option: str | None = None
    """The vendor's option that turns sound off and on; where it is not given, there is sound."""
    least_usd: Decimal = Decimal(0)
    """What the shortest video costs at least."""
    unpriced: tuple[str, ...] = ()


class MegapixelPrice(Frozen):
    """Billed by megapixels, each picture's rounded up."""

    kind: Literal["megapixel"]
    first_usd: Decimal
    """The first megapixel of each picture painted."""
    further_usd: Decimal
    """Each further one of it."""
    input_usd: Decimal = Decimal(0)
    """Each megapixel of each input image."""
    unpriced: tuple[str, ...] = ()


class NoPrice(Frozen):
    """The vendor publishes none."""

    kind: Literal["unknown"]


class FreePrice(Frozen):
    """No vendor bills: your own machine."""

    kind: Literal["free"]


Price = Annotated[
    TokenPrice | ImagePrice | MegapixelPrice | SecondPrice | NoPrice | FreePrice, Field(discriminator="kind")
]


# The model

Hint = Literal[
    "negative_prompt", "seed", "style", "moderation", "user", "output_compression", "system_prompt", "input_fidelity"
]


class Model(Frozen):
    """One model of one provider: everything the router may rely on, and the evidence for each piece."""

    provider: str
    id: str
    name: str
    wire_id: str | None = None
    """What the vendor calls it on the wire where that is not `id`: a path, or an Azure deployment's name."""
    wire_names: dict[str, str] = {}
    """The request's fields -> what this model calls them, for vendors whose models do not agree; `name[]` is a list."""
    source: str
    """Where the facts that name no source of their own were read."""
    as_of: date
    lifecycle: Lifecycle
    operations: Fact[tuple[Operation, ...]]
    backgrounds: Fact[tuple[Background, ...]]
    sizes: Fact[SizeRule]
    edit_sizes: Fact[SizeRule] | None = None
    """Of requests with source images, and of videos with a first frame, where they differ."""
    durations: Fact[Durations] | None = None
    """Of videos. None: it makes none."""
    qualities: Fact[Qualities | None]
    """None: the model has no quality setting."""
    output: Fact[OutputRule]
    max_outputs_per_call: Fact[int]
    max_prompt_characters: Fact[int | None]
    """None: none is published."""
    input_images: Fact[InputRule | None]
    mask: Fact[MaskRule | None]
    requires: Fact[tuple[str, ...]] | None = None
    """What a tool for one job cannot do without: fields of the request (images, mask) or options of the vendor.

    A request that lacks one is not for this model. `model`: nothing in a request tells that it is for this tool, so it
    is for callers who name it. None: a prompt is enough.
    """
    hints: Fact[tuple[Hint, ...]]
    """The request's fields that the vendor takes as they are."""
    moderation_levels: Fact[tuple[Moderation, ...]] | None = None
    streaming: Fact[Streaming | None]
    strengths: Fact[dict[Need, Strength]]
    """What the model is known to be good or bad at. A need that is not listed is unknown."""
    options: Fact[tuple[str, ...]]
    """The vendor's own fields that may be given in `provider_options`."""
    price: Fact[Price]
    batch_multiplier: Fact[Decimal | None]
    """A batch's price as a share of this one. None: not offered."""
    typical_seconds: Fact[float | None]
    """How long a 1024x1024 picture takes. None: nobody has published it."""

    @property
    def key(self) -> str:
        return f"{self.provider}/{self.id}"

    @property
    def wire(self) -> str:
        return self.wire_id or self.id

    def sizes_of(self, request: ImageRequest) -> Fact[SizeRule]:
        given = request.images or (request.operation == "video" and request.references)
        return self.edit_sizes if self.edit_sizes is not None and given else self.sizes


def listed_sizes(rule: FixedSizes) -> tuple[Size, ...]:
    return tuple(Size.parse(each) for each in rule.sizes)
