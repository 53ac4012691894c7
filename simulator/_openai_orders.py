"""An order of pictures as OpenAI and Azure both take it: reading it, and refusing it in OpenAI's words.

Source of the refusals: third-party probes of the live API with gpt-image-2, 2026-08-29/30, in the order they were seen
(model, unknown keys, prompt, images, n, the rest). Those of pictures, masks, compression and transparency in JPEG are
quoted in public repositories. A comment says "unconfirmed" where no source was found.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from PIL import Image, ImageChops
from typing_extensions import override

from ._openai_forms import Part, read_form

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from . import drawing
    from ._openai_models import Model
    from .server import Request
    from .world import World

Operation = Literal["generation", "edit"]
Choose: TypeAlias = "Callable[[Mapping[str, object]], Model]"
"""Finds the model a body asks for; raises Refusal when there is none."""

MAX_PROMPT_CHARACTERS: Final = 32_000
MAX_IMAGES: Final = 16
MAX_IMAGE_BYTES: Final = 50_000_000
MAX_MASK_BYTES: Final = 4_000_000
MAX_URL_CHARACTERS: Final = 20_971_520
SIZE: Final = re.compile(r"([1-9][0-9]{0,8})x([1-9][0-9]{0,8})")

COMMON_KEYS: Final = frozenset(
    {
        "model",
        "prompt",
        "n",
        "size",
        "quality",
        "background",
        "output_format",
        "output_compression",
        "moderation",
        "stream",
        "partial_images",
        "complexity",
        "frame_count",
        "frame_duration_ms",
        "svg",
        "safety_identifier",
        "user",
    }
)
EDIT_KEYS: Final = COMMON_KEYS | {"mask", "markup", "input_fidelity"}
"""`moderation` in a form is unconfirmed; the client's types know it in JSON only."""

USER_ERROR: Final = "image_generation_user_error"
PICTURE_TYPES: Final = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
"""By Pillow's name. A phone's MPO is no JPEG here, as it is none for the API."""


class Refusal(Exception):
    """An answer in OpenAI's error envelope."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str | None = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def error(self) -> dict[str, object]:
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}


class Blocked(Refusal):
    """Refused by the safety system, before painting (input) or after (output)."""

    def __init__(self, stage: Literal["input", "output"], request_id: str, category: str = "violence") -> None:
        super().__init__(
            "Your request was rejected by the safety system. If you believe this is an error, contact us at "
            f"help.openai.com and include the request ID {request_id}. safety_violations=[{category}].",
            kind=USER_ERROR,
            code="moderation_blocked",
        )
        self.stage = stage
        self.category = category

    @override
    def error(self) -> dict[str, object]:
        details = {"moderation_stage": self.stage, "categories": [self.category]}
        return super().error() | {"moderation_details": details}


def missing(name: str) -> Refusal:
    return Refusal(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def unknown(name: str) -> Refusal:
    return Refusal(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def wrong_type(name: str, expected: str, value: object) -> Refusal:
    return Refusal(
        f"Invalid type for '{name}': expected {expected}, but got {kind_of(value)} instead.",
        param=name,
        code="invalid_type",
    )


def user_error(message: str, param: str | None, code: str = "invalid_value") -> Refusal:
    return Refusal(message, kind=USER_ERROR, param=param, code=code)


def too_long(name: str, count: int) -> Refusal:
    """unconfirmed: the text; that sixteen pictures are the limit is documented."""
    return Refusal(
        f"Invalid '{name}': array too long. Expected an array with maximum length {MAX_IMAGES}, but got an array with "
        f"length {count} instead.",
        param=name,
        code="array_above_max_length",
    )


def kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def listed(values: Sequence[str], joint: str) -> str:
    """'a'; 'a' and 'b'; 'a', 'b', and 'c'."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 3:
        return f" {joint} ".join(quoted)
    return f"{', '.join(quoted[:-1])}, {joint} {quoted[-1]}"


class Fields:
    """The scalars of a request, from JSON or from a form. A null counts as absent."""

    def __init__(self, values: Mapping[str, object], *, form: bool) -> None:
        self.values = values
        self.form = form

    def string(self, name: str) -> str | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise wrong_type(name, "a string", value)
        return value

    def integer(self, name: str, least: int, most: int) -> int | None:
        value = self.values.get(name)
        if value is None:
            return None
        if self.form and isinstance(value, str):
            if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
                raise Refusal(
                    f"Invalid type for '{name}': expected an integer, but got a string value that could not be "
                    "converted into an integer.",
                    param=name,
                    code="invalid_type",
                )
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(name, "an integer", value)
        if value < least:
            raise self._out_of_range(name, value, "below minimum", f">= {least}", "integer_below_min_value")
        if value > most:
            raise self._out_of_range(name, value, "above maximum", f"<= {most}", "integer_above_max_value")
        return value

    @staticmethod
    def _out_of_range(name: str, value: int, side: str, expected: str, code: str) -> Refusal:
        return Refusal(
            f"Invalid '{name}': integer {side} value. Expected a value {expected}, but got {value} instead.",
            param=name,
            code=code,
        )

    def boolean(self, name: str) -> bool:
        value = self.values.get(name)
        if self.form and isinstance(value, str) and value in {"true", "false"}:
            return value == "true"
        if value is not None and not isinstance(value, bool):
            raise wrong_type(name, "a boolean", value)  # unconfirmed in a form
        return bool(value)

    def word(self, name: str, allowed: Sequence[str]) -> str | None:
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            expected = listed(allowed, "or")
            raise wrong_type(name, f"one of {expected}" if len(allowed) > 1 else expected, value)
        if value not in allowed:
            raise Refusal(
                f"Invalid value: '{value}'. Supported values are: {listed(allowed, 'and')}.",
                param=name,
                code="invalid_value",
            )
        return value


@dataclass(frozen=True, slots=True)
class Given:
    """A picture of the request, not looked into yet, with the name errors call it by."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """A request's body: its scalars and its pictures."""

    fields: Fields
    files: Sequence[Part] = ()
    """Of a form."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What POST /v1/files took."""

    filename: str
    content: bytes
    purpose: str
    created: int


@dataclass(frozen=True, slots=True)
class Picture:
    content: bytes
    width: int
    height: int
    has_alpha: bool


@dataclass(frozen=True, slots=True)
class Order:
    """One request, read and found good."""

    operation: Operation
    model: Model
    prompt: str
    n: int
    width: int
    height: int
    quality: str
    transparent: bool
    output_format: drawing.Format
    compression: int | None
    stream: bool
    partial_images: int
    fidelity: str
    safety_identifier: str | None
    pictures: tuple[Picture, ...] = ()
    mask: bytes | None = None
    """Repainted where it is transparent."""


def read_body(request: Request, operation: Operation, *, json_edits: bool = True) -> Sent:
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if operation == "edit" and media_type == "multipart/form-data":
        return read_parts(content_type, request.body)
    if media_type != "application/json" or (operation == "edit" and not json_edits):
        accepted = "multipart/form-data" if operation == "edit" else "application/json"
        raise unsupported_content_type(media_type, content_type, accepted)
    return Sent(Fields(read_json(request.body), form=False))


def unsupported_content_type(media_type: str, content_type: str, accepted: str) -> Refusal:
    """As quoted for other endpoints of this API."""
    return Refusal(
        f"Unsupported content type: '{media_type}'. This API method only accepts '{accepted}' requests, but you "
        f"specified the header 'Content-Type: {content_type}'. Please try again with a supported content type.",
        code="unsupported_content_type",
    )


def read_json(body: bytes) -> dict[str, object]:
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise Refusal(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
            "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you "
            "have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)"
        )
    return cast("dict[str, object]", parsed)


def read_parts(content_type: str, body: bytes) -> Sent:
    try:
        parts = read_form(content_type, body)
    except ValueError as error:
        # unconfirmed: the text
        raise Refusal(f"Could not parse multipart form: {error}") from error
    texts = {part.name: part.content.decode(errors="replace") for part in parts if part.filename is None}
    return Sent(Fields(texts, form=True), [part for part in parts if part.filename is not None])


def read_order(sent: Sent, operation: Operation, choose: Choose, world: World) -> Order:
    """Raises Refusal for everything the API would refuse before it paints."""
    fields = sent.fields
    model = choose(fields.values)
    check_keys(sent, operation)
    prompt = read_prompt(fields)
    given = read_pictures(sent, model, world) if operation == "edit" else []
    n = fields.integer("n", 1, 10) or 1
    quality = fields.word("quality", (*model.qualities, "auto"))
    output_format = fields.word("output_format", (*model.formats, *model.preview_formats)) or model.formats[0]
    compression = fields.integer("output_compression", 0, 100)
    background = fields.word("background", ("transparent", "opaque", "auto"))
    fields.word("moderation", ("auto", "low"))
    partial_images = fields.integer("partial_images", 0, 3) or 0
    stream = fields.boolean("stream")
    fields.word("complexity", ("low", "medium", "high"))  # unconfirmed before 2.6: taken by every model here
    check_moving(fields, model, output_format)
    fidelity = read_fidelity(fields, model) if operation == "edit" else "low"
    mask, markup = (read_overlay(sent, name, world) for name in ("mask", "markup")) if given else (None, None)
    size = read_size(fields.string("size"), model)
    transparent = background == "transparent"
    if transparent:
        check_transparency(model, output_format, world)
    if output_format == "png" and compression is not None and compression < 100:
        raise user_error(
            "Compression less than 100 is not supported for PNG output format", None, "invalid_png_output_compression"
        )
    pictures = tuple(open_picture(picture.content, index) for index, picture in enumerate(given))
    width, height = size or natural_size(model, pictures)
    return Order(
        operation=operation,
        model=model,
        prompt=prompt,
        n=n,
        width=width,
        height=height,
        quality=model.auto_quality if quality is None or quality == "auto" else quality,
        transparent=transparent or (background != "opaque" and keeps_alpha(pictures, model, output_format, world)),
        output_format=cast("drawing.Format", output_format),
        compression=compression,
        stream=stream,
        partial_images=partial_images if stream else 0,
        fidelity=fidelity,
        safety_identifier=read_identifier(fields),
        pictures=pictures,
        mask=check_overlays(pictures, mask, markup, model),
    )


def check_keys(sent: Sent, operation: Operation) -> None:
    """Nulls count here: an unknown key is refused whatever it holds."""
    keys = [*sent.fields.values, *(part.name for part in sent.files)]
    if operation == "generation":
        known = COMMON_KEYS
    elif sent.fields.form:
        known = EDIT_KEYS | {"image", "image[]"}
    else:
        known = EDIT_KEYS | {"images"}
    for key in keys:
        if operation == "edit" and sent.fields.form and key in {"images", "images[]"}:
            raise Refusal(
                "Unknown parameter: 'images'. For multipart/form-data use 'image' or 'image[]'.",
                param="images",
                code="invalid_value",
            )
        if operation == "edit" and not sent.fields.form and key in {"image", "image[]"}:
            raise Refusal(
                "Unknown parameter: 'image'. For application/json on /v1/images/edits, use 'images' (array).",
                param="image",
                code="invalid_value",
            )
        if key not in known and not (sent.fields.form and key.startswith("svg[")):
            raise unknown(key)


def read_prompt(fields: Fields) -> str:
    """Blanks alone are a prompt. A lone surrogate is painted as a question mark."""
    if "prompt" not in fields.values:
        raise missing("prompt")
    prompt = fields.values["prompt"]
    if not isinstance(prompt, str):
        raise wrong_type("prompt", "a string", prompt)
    if not prompt:
        raise Refusal(
            "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty string instead.",
            param="prompt",
            code="empty_string",
        )
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        # unconfirmed here: the text is the one other endpoints give
        raise Refusal(
            f"Invalid 'prompt': string too long. Expected a string with maximum length {MAX_PROMPT_CHARACTERS}, but "
            f"got a string with length {len(prompt)} instead.",
            param="prompt",
            code="string_above_max_length",
        )
    return prompt.encode(errors="replace").decode()


def read_pictures(sent: Sent, model: Model, world: World) -> list[Given]:
    return form_pictures(sent, model) if sent.fields.form else json_pictures(sent.fields, world)


def form_pictures(sent: Sent, model: Model) -> list[Given]:
    for name in ("image", "image[]"):
        if name in sent.fields.values:
            raise wrong_type("image", "one of an array of files or file", sent.fields.values[name])
    parts = [part for part in sent.files if part.name in {"image", "image[]"}]
    if not parts:
        raise missing("image")
    if len(parts) > MAX_IMAGES:
        raise too_long("image", len(parts))
    given: list[Given] = []
    for index, part in enumerate(parts):
        name = "image" if len(parts) == 1 else f"image[{index}]"
        check_media_type(name, part.media_type, model.input_types)
        check_bytes(name, part.content, MAX_IMAGE_BYTES)
        given.append(Given(name, part.content))
    return given


def json_pictures(fields: Fields, world: World) -> list[Given]:
    if "images" not in fields.values:
        raise missing("images")
    images = fields.values["images"]
    if not isinstance(images, list):
        raise wrong_type("images", "an array of objects", images)
    references = cast("list[object]", images)
    if not references:
        raise Refusal(
            "Invalid 'images': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="images",
            code="empty_array",
        )
    if len(references) > MAX_IMAGES:
        raise too_long("images", len(references))
    return [
        Given(f"images[{index}]", follow(reference, f"images[{index}]", world))
        for index, reference in enumerate(references)
    ]


def follow(reference: object, name: str, world: World) -> bytes:
    """The bytes a JSON edit points at. The codes are those of the Responses API, the texts are unconfirmed."""
    if not isinstance(reference, dict):
        raise wrong_type(name, "an object", reference)
    keys = cast("dict[str, object]", reference)
    for key in keys:
        if key not in {"image_url", "file_id"}:
            raise unknown(f"{name}.{key}")
    if len(keys) != 1:
        raise Refusal(
            f"Invalid '{name}': exactly one of 'image_url' and 'file_id' must be given.",
            param=name,
            code="invalid_value",
        )
    key, value = next(iter(keys.items()))
    name = f"{name}.{key}"
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    if key == "file_id":
        stored = world.jobs.get(value)
        if not isinstance(stored, StoredFile):
            raise Refusal(f"File '{value}' was not found.", param=name, code="image_file_not_found")
        return stored.content
    return read_url(value, name)


def read_url(url: str, name: str) -> bytes:
    """A data URL. Nothing is fetched: every other address is one this twin cannot download."""
    if len(url) > MAX_URL_CHARACTERS:
        raise Refusal(
            f"Invalid '{name}': string too long. Expected a string with maximum length {MAX_URL_CHARACTERS}, but got a "
            f"string with length {len(url)} instead.",
            param=name,
            code="string_above_max_length",
        )
    if url.startswith(("https://", "http://")):
        raise Refusal(f"Error while downloading {url}.", param=name, code="failed_to_download_image")
    head, comma, data = url.partition(",")
    if not comma or not re.fullmatch(r"data:image/[a-z+.-]+;base64", head):
        raise Refusal(f"Invalid '{name}': expected a URL or a base64 data URL.", param=name, code="invalid_image_url")
    check_media_type(name, head[len("data:") : -len(";base64")], tuple(PICTURE_TYPES.values()))
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:  # binascii.Error, or letters beyond ASCII
        raise Refusal(f"Invalid '{name}': not base64.", param=name, code="invalid_base64_image") from error


def check_media_type(name: str, media_type: str, accepted: Sequence[str]) -> None:
    """By what the sender declares, as the API does: a client that sends no type is refused."""
    if media_type not in accepted:
        raise Refusal(
            f"Invalid file '{name}': unsupported mimetype ('{media_type or 'application/octet-stream'}'). Supported "
            f"file formats are {listed(accepted, 'and')}.",
            param=name.partition("[")[0],
            code="unsupported_file_mimetype",
        )


def check_bytes(name: str, content: bytes, most: int) -> None:
    if len(content) >= most:
        # unconfirmed: the text; the limits are documented
        raise Refusal(
            f"Invalid file '{name}': the file must be smaller than {most // 1_000_000} MB.",
            param=name.partition("[")[0],
            code="image_file_too_large",
        )


def check_moving(fields: Fields, model: Model, output_format: str) -> None:
    """unconfirmed: the texts. No project of this twin is in the previews, so gif and svg never come to be painted."""
    fields.integer("frame_count", 2, 16)
    fields.integer("frame_duration_ms", 1, 2**31)
    if output_format in model.preview_formats:
        raise user_error(
            f"The output format '{output_format}' is in preview and not enabled for this project.", "output_format"
        )
    for name, wanted in (("frame_count", "gif"), ("frame_duration_ms", "gif"), ("svg", "svg")):
        if fields.values.get(name) is not None:
            raise user_error(f"'{name}' is only supported with output_format='{wanted}'.", name)


def read_fidelity(fields: Fields, model: Model) -> str:
    if fields.values.get("input_fidelity") is None:
        return "low"
    if not model.fidelities:
        raise user_error(
            f"The model '{model.id}' does not support the 'input_fidelity' parameter.",
            "input_fidelity",
            "invalid_input_fidelity_model",
        )
    return fields.word("input_fidelity", model.fidelities) or "low"


def read_overlay(sent: Sent, name: Literal["mask", "markup"], world: World) -> Given | None:
    """`markup` in JSON is unconfirmed."""
    if not sent.fields.form:
        reference = sent.fields.values.get(name)
        content = None if reference is None else follow(reference, name, world)
    else:
        if name in sent.fields.values:
            raise wrong_type(name, "a file", sent.fields.values[name])
        part = next((part for part in sent.files if part.name == name), None)
        content = None if part is None else part.content
        if part is not None:
            check_media_type(name, part.media_type, ("image/png",))
    if content is None:
        return None
    check_bytes(name, content, MAX_MASK_BYTES if name == "mask" else MAX_IMAGE_BYTES)
    return Given(name, content)


def read_size(size: str | None, model: Model) -> tuple[int, int] | None:
    """None for `auto`."""
    if size is None or size == "auto":
        return None
    if model.sizes and size not in model.sizes:
        raise Refusal(
            f"Invalid value: '{size}'. Supported values are: {listed((*model.sizes, 'auto'), 'and')}.",
            param="size",
            code="invalid_value",
        )
    found = SIZE.fullmatch(size)
    if found is None:
        raise user_error(f"Invalid size '{size}'. Expected WIDTHxHEIGHT, for example '1824x1024'.", "size")
    width, height = int(found[1]), int(found[2])
    if reason := flaw(width, height):
        raise user_error(f"Invalid size '{size}'. {reason}", "size")
    return width, height


def flaw(width: int, height: int) -> str | None:
    """What the flexible rule has against this size, in the order the checks were seen to come."""
    if width % 16 or height % 16:
        return "Width and height must both be divisible by 16."
    if max(width, height) > 3840:
        return "The longest edge must be less than or equal to 3840."
    if width * height < 655_360:
        return "Requested resolution is below the current minimum pixel budget."
    if width * height > 8_294_400:
        return "Requested resolution exceeds the current pixel budget."
    if max(width, height) > 3 * min(width, height):
        return "The aspect ratio must be between 1:3 and 3:1."  # unconfirmed: the text, and that it comes last
    return None


def natural_size(model: Model, pictures: Sequence[Picture]) -> tuple[int, int]:
    """What `auto` becomes: an edit keeps the size of its first picture, or the nearest shape. unconfirmed."""
    if not pictures:
        return 1024, 1024
    width, height = pictures[0].width, pictures[0].height
    kept = f"{width}x{height}" in model.sizes if model.sizes else flaw(width, height) is None
    if kept:
        return width, height
    if width == height:
        return 1024, 1024
    return (1536, 1024) if width > height else (1024, 1536)


def check_transparency(model: Model, output_format: str, world: World) -> None:
    if world.today < model.transparent_since:
        raise user_error("Transparent background is not supported for this model.", "background")
    if output_format == "jpeg":
        raise user_error("Transparent background is not supported for JPEG output format", "background")


def keeps_alpha(pictures: Sequence[Picture], model: Model, output_format: str, world: World) -> bool:
    """Left to the model, an edit of a picture with alpha has alpha where it can. unconfirmed."""
    can = output_format != "jpeg" and world.today >= model.transparent_since
    return can and bool(pictures) and pictures[0].has_alpha


def read_identifier(fields: Fields) -> str | None:
    """`user` of any type passes; safety_identifier goes before it."""
    user = fields.values.get("user")
    return fields.string("safety_identifier") or (user if isinstance(user, str) else None) or None


def open_picture(content: bytes, index: int) -> Picture:
    try:
        with Image.open(BytesIO(content)) as image:
            if image.format not in PICTURE_TYPES:
                raise ValueError(f"a picture in {image.format}")
            image.load()
            return Picture(content, image.width, image.height, image.has_transparency_data)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise user_error(
            f"Invalid image file or mode for image {index}, please check your image file.",
            "image",
            "invalid_image_file",
        ) from error


def check_overlays(pictures: Sequence[Picture], mask: Given | None, markup: Given | None, model: Model) -> bytes | None:
    """The mask to paint by. A markup's drawn parts are what its mask would leave transparent."""
    if mask is not None and markup is not None:
        raise user_error("'mask' and 'markup' cannot be combined.", "markup")  # unconfirmed: the text
    if markup is not None and not model.markup:
        raise user_error(f"The model '{model.id}' does not support the 'markup' parameter.", "markup")  # unconfirmed
    overlay = mask or markup
    if overlay is None:
        return None
    what = f"Invalid {overlay.name} image format - {overlay.name}"
    code = f"invalid_{overlay.name}_image_format"
    try:
        with Image.open(BytesIO(overlay.content), formats=["PNG"]) as image:
            if image.size != (pictures[0].width, pictures[0].height):
                raise user_error(f"{what} size does not match image size", overlay.name, code)
            if not image.has_transparency_data:
                raise user_error(f"{what} image missing alpha channel", overlay.name, code)
            alpha = image.convert("RGBA").getchannel("A")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise user_error(f"{what} image is not a valid PNG", overlay.name, code) from error  # unconfirmed: the text
    if markup is None:
        return overlay.content
    if alpha.getextrema() == (255, 255):
        raise user_error(f"{what} image has no transparent pixels", "markup", code)  # unconfirmed: the text
    kept = Image.new("RGBA", alpha.size, "black")
    kept.putalpha(ImageChops.invert(alpha))
    buffer = BytesIO()
    kept.save(buffer, "PNG")
    return buffer.getvalue()
