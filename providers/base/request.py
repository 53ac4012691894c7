"""One request, whatever the vendor.

The words are the field's: a *size* is width x height in pixels, an *aspect ratio* w:h, a *resolution* a named tier.
A *source image* is the picture changed, a *reference image* guides style or subject, a *mask* marks where to repaint.
What is said of pictures holds for a *video*, which is asked for in the same words; its reference is its first frame.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Literal, Self

Operation = Literal["generate", "edit", "variation", "upscale", "remove_background", "vectorize", "video"]
Background = Literal["auto", "opaque", "transparent"]
OutputFormat = Literal["png", "jpeg", "webp", "gif", "svg", "mp4"]
Moderation = Literal["auto", "low"]
Band = Literal["draft", "standard", "high", "max"]
Need = Literal["typography", "photorealism", "vector", "character_consistency", "search_grounding"]
Policy = Literal["strict", "warn", "adapt"]

POLICY_FIELDS = (
    "default",
    "size",
    "aspect_ratio",
    "resolution",
    "n",
    "quality",
    "output_format",
    "output_compression",
    "seed",
    "negative_prompt",
    "style",
    "moderation",
    "user",
    "stream",
    "partial_images",
    "provider_options",
    "seconds",
)
"""What a policy can be given for. All else is never given up, or never sent."""
NO_OPTIONS: Mapping[str, Mapping[str, object]] = MappingProxyType({})
NO_POLICY: Mapping[str, Policy] = MappingProxyType({})


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1024x1536`. Raises ValueError for anything else."""
        found = re.fullmatch(r"(\d{1,6})[xX*](\d{1,6})", text.strip())
        if not found:
            raise ValueError(f"{text!r} is not WIDTHxHEIGHT, such as 1024x1024")
        return cls(int(found[1]), int(found[2]))

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def ratio(self) -> float:
        return self.width / self.height

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class AspectRatio:
    """Width to height, in lowest terms: 16:9."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `16:9`. Raises ValueError for anything else."""
        found = re.fullmatch(r"(\d{1,5}):(\d{1,5})", text.strip())
        if not found or not int(found[1]) or not int(found[2]):
            raise ValueError(f"{text!r} is not WIDTH:HEIGHT, such as 16:9")
        return cls.of(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, width: int, height: int) -> Self:
        divisor = math.gcd(width, height)
        return cls(width // divisor, height // divisor)

    @property
    def ratio(self) -> float:
        return self.width / self.height

    def __str__(self) -> str:
        return f"{self.width}:{self.height}"


@dataclass(frozen=True, slots=True)
class InputImage:
    """A picture given by the caller: its bytes, with what its header says of it.

    Made by `images.input_image`, which checks it; adapters can trust every field.
    """

    data: bytes = field(repr=False)
    media_type: str
    """Read from the bytes, not from a file's name: image/png, image/jpeg, image/webp or image/gif."""
    size: Size
    has_alpha: bool
    name: str = "image"
    """For messages: where it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """What the caller wants. None, an empty tuple or "auto" leave the choice to the model."""

    prompt: str = ""
    operation: Operation = "generate"
    negative_prompt: str | None = None
    """What should not appear."""
    text: tuple[str, ...] = ()
    """The words the picture must spell, each a line or a label of its own."""
    needs: tuple[Need, ...] = ()
    """What the model must be good at."""
    images: tuple[InputImage, ...] = ()
    """Source images: the pictures changed. Several are composed, the first one leads."""
    references: tuple[InputImage, ...] = ()
    """Reference images: they guide style or subject and are not themselves changed. Of a video: its first frame."""
    mask: InputImage | None = None
    """As large as the first source image, with alpha: fully transparent pixels are repainted."""
    n: int = 1
    """How many pictures, 1 to 100."""
    size: Size | None = None
    aspect_ratio: AspectRatio | None = None
    resolution: str | None = None
    """A tier: 512, 1K, 2K or 4K; of a video 480p, 720p, 1080p or 4K. With an aspect ratio, never with a size."""
    seconds: float | None = None
    """How long a video is to be. None: as long as the model makes them when nothing is said."""
    quality: str | None = None
    """A band (draft, standard, high, max), a vendor's own word, or "auto"."""
    background: Background = "auto"
    output_format: OutputFormat | None = None
    output_compression: int | None = None
    """0 to 100, for jpeg and webp: 100 keeps most."""
    seed: int | None = None
    style: str | None = None
    moderation: Moderation | None = None
    """How strictly the vendor filters: auto, or low."""
    stream: bool = False
    partial_images: int | None = None
    """Previews while streaming, 0 to 3."""
    user: str | None = None
    """A stable, hashed id of the end user, handed to vendors that take one."""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    """Kept with the request in the ledger; never sent to a vendor."""
    max_cost_usd: Decimal | None = None
    """The price ceiling, in US dollars, for the request as a whole, its fallbacks included."""
    deadline_seconds: float | None = None
    """From the call to the answer, everything included. None: the policy's."""
    model: str = "auto"
    """auto, a route, a deployment (provider/model), or a vendor's model id."""
    region: str | None = None
    """Where the request may be processed: only deployments marked with it can serve."""
    provider_options: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: NO_OPTIONS)
    """Per provider, passed through as they are, and listed in the answer."""
    policy: Mapping[str, Policy] = field(default_factory=lambda: NO_POLICY)
    """Per field, or "default": strict (as asked or not at all), warn (may be left out), adapt (may be changed)."""
    caller: str | None = None
    """Who asks: a key's or an application's name. Rules can read it."""
    key_id: str | None = None
    """Of the gateway's key that it came with. With the next two, for the ledger."""
    team: str | None = None
    project: str | None = None
    tags: tuple[str, ...] = ()
    request_id: str | None = None
    """Names the request: the same id is never sent twice while its outcome is unknown. None: a new one."""

    def options(self, provider: str) -> dict[str, object]:
        """The caller's own fields for this provider."""
        return dict(self.provider_options.get(provider, {}))

    @property
    def length(self) -> int | float | None:
        """`seconds`, whole where it is: an API that takes 4 may refuse 4.0."""
        seconds = self.seconds
        return int(seconds) if seconds is not None and seconds == int(seconds) else seconds

    @property
    def input_images(self) -> tuple[InputImage, ...]:
        """Source images first, then references, in the order in which vendors get them."""
        return self.images + self.references
