"""The shapes of what goes in and out, for `/openapi.json`. Bodies are not read by them: see `body`, `order`, `turns`.

The Images API is OpenAI's (openai/openai-python 3.54.0, `types/image_generate_params.py`, `image_edit_params.py`,
`images_response.py`, read 2026-11-23); `easel`, within it, is ours.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...providers.base.request import Background, Moderation, Need, Operation, OutputFormat, Policy

Money = Annotated[str, Field(description="US dollars, to the digit.", examples=["0.042"])]
Prompt = Annotated[
    str, Field(min_length=1, max_length=200_000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")
]
Pixels = Annotated[str, Field(pattern=r"^(auto|[1-9]\d{1,3}x[1-9]\d{1,3})$", examples=["1024x1536", "auto"])]
Amount = Annotated[str, Field(pattern=r"^\d{1,6}(\.\d{1,6})?$", examples=["0.25"])]
Ratio = Annotated[str, Field(pattern=r"^[1-9]\d{0,2}:[1-9]\d{0,2}$", examples=["16:9"])]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Text = Annotated[str, Field(max_length=4000)]
Date = Annotated[str, Field(json_schema_extra={"format": "date"})]


class Shape(BaseModel):
    """What an answer holds; more members may come."""

    model_config = ConfigDict(extra="allow")


class Asked(BaseModel):
    """What a body may hold; an unknown member is an error."""

    model_config = ConfigDict(extra="forbid")


# Errors


class ErrorDetail(Shape):
    message: str
    type: str
    param: str | None
    """The field that is wrong."""
    code: str | None


class ErrorAnswer(Shape):
    error: ErrorDetail


# Pictures


class ImageReference(Asked):
    image_url: str | None = Field(None, description="A data URL, or an address that is fetched.")
    file_id: str | None = None


class EaselFields(Asked):
    """What an Easel request has beyond OpenAI's."""

    text: str | list[str] | None = Field(None, description="The words that the picture must spell.")
    needs: Need | list[Need] | None = Field(None, description="What the model must be good at.")
    negative_prompt: Text | None = None
    references: list[ImageReference | str] | None = Field(None, description="Pictures that guide subject or style.")
    seed: int | None = None
    aspect_ratio: Ratio | None = None
    resolution: Literal["512", "1K", "2K", "4K"] | None = None
    max_cost_usd: Amount | None = Field(None, description="The price ceiling, fallbacks included.")
    deadline_seconds: Seconds | None = None
    region: str | None = None
    tags: str | list[str] | None = None
    metadata: dict[str, str] | None = None
    policy: dict[str, Policy] | None = Field(None, description="Per field, or default: strict, warn or adapt.")
    provider_options: dict[str, dict[str, Any]] | None = None
    operation: Operation | None = Field(None, description="For edits: upscale, remove_background, vectorize.")
    request_id: str | None = None
    include: bool = Field(False, description="Put an `easel` object into the answer.")


class Common(Asked):
    model: str = Field("auto", description="auto, a route, a deployment, or any vendor's model id.")
    n: int | None = Field(None, ge=1, le=100)
    size: Pixels | None = None
    quality: str | None = Field(None, examples=["draft", "standard", "high", "max", "low", "medium", "auto"])
    background: Background | None = None
    output_format: OutputFormat | None = None
    output_compression: int | None = Field(None, ge=0, le=100)
    moderation: Moderation | None = None
    style: str | None = None
    stream: bool | None = Field(None, description="Answer with server-sent events.")
    partial_images: int | None = Field(None, ge=0, le=3)
    response_format: Literal["b64_json", "url"] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    easel: EaselFields | None = None
    complexity: Any = Field(None, description="For models that have it, as are the next four.")
    frame_count: Any = None
    frame_duration_ms: Any = None
    svg: Any = None
    input_fidelity: Any = None


class Generation(Common):
    prompt: Prompt


class Edit(Common):
    prompt: Prompt
    images: list[ImageReference] = Field(min_length=1)
    mask: ImageReference | None = Field(None, description="Its transparent pixels are repainted.")
    markup: ImageReference | None = None


File = Annotated[str, Field(json_schema_extra={"format": "binary"})]


class EditForm(Common):
    """As OpenAI's clients send it. Numbers and truth are text; members of `easel` are `easel[name]`."""

    prompt: Prompt
    image: File | list[File] = Field(description="The pictures to change: `image`, `image[]` or `image[0]`.")
    mask: File | None = None


class VariationForm(Asked):
    image: File
    model: str | None = None
    n: int | None = Field(None, ge=1, le=100)
    size: str | None = None
    response_format: Literal["b64_json", "url"] | None = None
    user: str | None = None


class FileForm(Asked):
    file: File
    purpose: Literal["vision", "user_data"]


class FilePage(Asked):
    after: str | None = Field(None, description="The id after which the page begins.")
    limit: int | None = Field(None, ge=1, le=10_000)
    order: Literal["asc", "desc"] | None = Field(None, description="By the time when they were sent.")
    purpose: Literal["vision", "user_data"] | None = None


class FileEntry(Shape):
    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: Literal["vision", "user_data"]
    status: Literal["processed"]


class FileList(Shape):
    object: Literal["list"]
    data: list[FileEntry]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(Shape):
    id: str
    object: Literal["file"]
    deleted: bool


class ImageTool(Shape):
    type: Literal["image_generation"]
    model: str | None = None


class Conversation(Asked):
    """OpenAI's Responses API, as far as it paints."""

    input: Prompt | list[dict[str, Any]]
    tools: list[ImageTool] = Field(min_length=1, max_length=1)
    model: str | None = None
    previous_response_id: str | None = None
    stream: bool | None = None
    store: bool | None = None
    easel: EaselFields | None = None


class Moderated(Asked):
    input: Prompt | list[Prompt] | list[dict[str, Any]]
    model: str | None = None


class Picture(Shape):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class ImagesAnswer(Shape):
    created: int
    data: list[Picture]
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    usage: dict[str, Any] | None = None
    easel: dict[str, Any] | None = Field(None, description="When `easel.include` asked for it.")


# Models


class Price(Shape):
    square_usd: Money | None = Field(description="A 1024x1024 picture of standard quality; null: nobody knows.")
    billed_by: str
    status: Literal["confirmed", "third_party", "unconfirmed"]
    source: str
    as_of: Date


class ModelEntry(Shape):
    """A route, a deployment, a model or an alias: all of them are names for `model`."""

    id: str
    object: Literal["model"]
    created: int = Field(description="When the model was launched, in seconds since 1970; 0: not known, or no model.")
    owned_by: str
    kind: Literal["route", "deployment", "model", "alias"]
    deployments: list[str] = Field(description="What it can lead to; of a route that works it out, none is named.")
    ready: bool = Field(description="At least one of them has its key.")
    capabilities: dict[str, Any] | None = None
    price: Price | None = None
    launch_date: Date | None = None
    deprecation_date: Date | None = None
    shutdown_date: Date | None = Field(None, description="The first day on which the vendor no longer answers.")
    replacement: str | None = None


class ModelList(Shape):
    object: Literal["list"]
    data: list[ModelEntry]


# Explaining


class Request(Asked):
    """A request in Easel's own words, as `easel explain` takes them. Pictures are data URLs. Nothing is sent."""

    prompt: Prompt
    model: str = "auto"
    operation: Operation | None = None
    text: str | list[str] | None = None
    needs: Need | list[Need] | None = None
    negative_prompt: str | None = None
    images: str | list[str] | None = None
    references: str | list[str] | None = None
    mask: str | None = None
    n: int | None = Field(None, ge=1, le=100)
    size: Pixels | None = None
    aspect_ratio: Ratio | None = None
    resolution: str | None = None
    seconds: float | None = Field(None, gt=0, le=600, description="Of a video.")
    quality: str | None = None
    background: Background | None = None
    output_format: OutputFormat | None = None
    output_compression: int | None = Field(None, ge=0, le=100)
    seed: int | None = None
    style: str | None = None
    moderation: Moderation | None = None
    stream: bool | None = None
    partial_images: int | None = Field(None, ge=0, le=3)
    user: str | None = None
    metadata: dict[str, str] | None = None
    max_cost_usd: Amount | None = None
    deadline_seconds: Seconds | None = None
    region: str | None = None
    tags: str | list[str] | None = None
    policy: dict[str, Policy] | None = None
    provider_options: dict[str, dict[str, Any]] | None = None
    request_id: str | None = None


class Estimate(Shape):
    low: Money | None
    expected: Money | None
    worst: Money | None
    unpriced: list[str] = Field(description="What has no known price and is not in the numbers.")


class Candidate(Shape):
    deployment: str
    model: str
    rule: str
    why: str
    estimate: Estimate
    calls: int
    adaptations: list[dict[str, Any]]
    warnings: list[str]


class Dropped(Shape):
    deployment: str
    unmet: str
    requirement: str
    fact: str
    source: str
    as_of: str
    status: str


class Relaxation(Shape):
    change: str
    field: str
    deployments: list[str]


class Decision(Shape):
    """What would be done, and why. An empty plan: no model can, and `relaxations` says what would help."""

    request_id: str
    rule: str
    plan: list[Candidate]
    dropped: list[Dropped]
    relaxations: list[Relaxation]
    estimate: Estimate
    rules_hash: str


class PricedCandidate(Shape):
    deployment: str
    estimate: Estimate


class EstimateAnswer(Shape):
    """What it would cost. `deployment` null: no model can."""

    request_id: str
    rule: str
    deployment: str | None
    estimate: Estimate
    candidates: list[PricedCandidate]
    rules_hash: str


# Operation


class Health(Shape):
    status: Literal["ok"]


class Readiness(Shape):
    status: Literal["ready", "draining"]
    configuration: Literal["current", "stale"] | None = Field(
        None, description="stale: the newest files cannot be used, and the last good ones are."
    )
    problems: int | None = None


class ConfigurationProblem(Shape):
    file: str
    message: str
    line: int | None
    column: int | None


class Version(Shape):
    version: str
    rules_hash: str
    loaded_at: str | None
    draining: bool
    problems: list[ConfigurationProblem] = Field(description="Why the newest configuration is not in use.")


class Reloaded(Shape):
    reloaded: bool
    rules_hash: str
    problems: list[ConfigurationProblem]


class Cooldown(Shape):
    deployment: str
    seconds: float = Field(description="Until one request may try it again; 0: one may now.")


class Cooldowns(Shape):
    data: list[Cooldown]


class ListedKey(Shape):
    id: str
    name: str
    admin: bool
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class KeyList(Shape):
    data: list[ListedKey]
