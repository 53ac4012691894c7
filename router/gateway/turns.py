"""Conversations about pictures: what a body of `/v1/responses` asks to have painted, and what was painted before.

Source: openai/openai-python 3.57.0 (types/responses/response_create_params.py, response_input_item.py, tool.py),
developers.openai.com/api/docs/guides/tools-image-generation, read 2026-11-23.

There is no text model here. What one would decide is decided by rule:

- The prompt is the text of the last message of the user that has one, as it stands.
- The source images are the latest picture that was painted (in `input`, or by `previous_response_id`) and the pictures
  that the user gave after it. With `action: generate` nothing is changed: pictures just given are references.
- What could only steer a text model has no effect; what would have to be obeyed (instructions, other tools) is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from ...providers.base import images
from ...providers.base.clock import Clock
from ...providers.base.content import Content, NotAPicture
from .errors import Refused

HEAD_BYTES = 12_288
KEPT_SECONDS = 3600.0
MOST_KEPT = 1_000
MOST_KEPT_BYTES = 200_000_000
"""Of base64. The oldest go first."""

TOOL = "image_generation"
CALL = "image_generation_call"
OWN_OPTIONS = frozenset({"type", "action", "input_image_mask"})
IMAGE_OPTIONS = frozenset(
    {
        "background",
        "complexity",
        "frame_count",
        "frame_duration_ms",
        "input_fidelity",
        "model",
        "moderation",
        "output_compression",
        "output_format",
        "partial_images",
        "quality",
        "size",
        "svg",
    }
)
"""Options of the tool that are fields of the Images API as well."""
UNDERSTOOD = frozenset(
    {
        "easel",
        "input",
        "metadata",
        "model",
        "previous_response_id",
        "safety_identifier",
        "store",
        "stream",
        "tool_choice",
        "tools",
        "user",
    }
)
STEERS_TEXT = frozenset(
    {
        "include",
        "max_output_tokens",
        "max_tool_calls",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "service_tier",
        "stream_options",
        "temperature",
        "text",
        "top_logprobs",
        "top_p",
        "truncation",
    }
)
"""For a text model: taken, and without effect on a picture."""
NO_TEXT_MODEL = "there is no text model here, only the image model that the tool names"

Action = Literal["generate", "edit"]
Object = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is in the talk."""

    reference: Mapping[str, str] = field(repr=False)
    """As the Images API has it: `image_url`, an address or a data URL, or `file_id`."""
    where: str
    """What the caller knows it by: `input[0].content[1]`."""

    @classmethod
    def painted(cls, content: Content, where: str) -> Picture:
        kind = images.probe(content.head(HEAD_BYTES)).media_type
        return cls({"image_url": f"data:{kind};base64,{str(content.base64, 'ascii')}"}, where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One turn."""

    prompt: str
    action: Action
    sources: tuple[Picture, ...]
    references: tuple[Picture, ...]
    mask: Picture | None
    options: Object
    """Of the tool, by the names of the Images API."""
    tool: str
    """What the caller knows the tool by: `tools[0]`."""
    tool_action: str
    """As given to the tool: auto, generate or edit."""
    model: str
    """As given beside the tool, for a text model; empty when there is none."""
    stream: bool
    store: bool
    easel: Object
    """What Easel adds to an order."""
    body: Object
    """All of it, for what is told back."""

    def wire_name(self, name: str) -> str:
        """What the caller knows a field of the Images API by."""
        ending = ".file_id" if name.endswith(".file_id") else ""
        base, _, place = name.removesuffix(".image_url").removesuffix(".file_id").partition("[")
        index = place.rstrip("]")
        if base in {"images", "easel.references", "references"}:
            pictures = self.sources if base == "images" else self.references
            return pictures[int(index)].where + ending if index.isdigit() and int(index) < len(pictures) else "input"
        if base == "mask" and self.mask is not None:
            return self.mask.where + ending
        if base == "prompt":
            return "input"
        return f"{self.tool}.{name}" if base in IMAGE_OPTIONS else name


@dataclass(frozen=True, slots=True)
class _Kept:
    owner: str
    item_id: str
    picture: Content = field(repr=False)
    until: float

    @property
    def bytes(self) -> int:
        return self.picture.size * 4 // 3


class Turns:
    """The latest pictures, each known only to whom it was painted for. In memory: they end with the process."""

    def __init__(
        self,
        clock: Clock,
        *,
        seconds: float = KEPT_SECONDS,
        most: int = MOST_KEPT,
        most_bytes: int = MOST_KEPT_BYTES,
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._most_bytes = most_bytes
        self._kept: dict[str, _Kept] = {}
        """By response, the oldest first."""
        self._responses: dict[str, str] = {}
        """Item -> response."""
        self._bytes = 0

    def keep(self, owner: str, response_id: str, item_id: str, picture: Content) -> None:
        kept = _Kept(owner, item_id, picture, self._clock.monotonic() + self._seconds)
        self._kept[response_id] = kept
        self._responses[item_id] = response_id
        self._bytes += kept.bytes
        self._forget()

    def of_response(self, owner: str, response_id: str) -> Content | None:
        """None: unknown, forgotten, or somebody else's."""
        self._forget()
        kept = self._kept.get(response_id)
        return kept.picture if kept is not None and kept.owner == owner else None

    def of_item(self, owner: str, item_id: str) -> Content | None:
        """As `of_response`."""
        return self.of_response(owner, self._responses.get(item_id, ""))

    def _forget(self) -> None:
        now = self._clock.monotonic()
        while self._kept:
            response_id, oldest = next(iter(self._kept.items()))
            within = len(self._kept) <= self._most and self._bytes <= self._most_bytes
            if within and now < oldest.until:
                return
            del self._kept[response_id]
            del self._responses[oldest.item_id]
            self._bytes -= oldest.bytes


def read(body: Object, turns: Turns, owner: str) -> Asked:
    """Raises Refused, naming the member."""
    given = {name: value for name, value in body.items() if value is not None}
    _check_members(given)
    place, tool = _tool(given.get("tools"))
    _check_choice(given.get("tool_choice"))
    where = f"tools[{place}]"
    talk = _Talk(turns, owner)
    if (previous := given.get("previous_response_id")) is not None:
        talk.continue_from(_text(previous, "previous_response_id"))
    talk.hear(given.get("input"))
    if not talk.prompt:
        raise Refused("input has no text of the user, which is the prompt", field="input", code="invalid_prompt")
    action = _word(tool.get("action", "auto"), ("auto", "generate", "edit"), f"{where}.action")
    sources, references = talk.sources, ()
    if action == "generate":
        sources, references = (), tuple(talk.given)
    elif action == "edit" and not sources:
        raise Refused("action is edit, and there is no picture to edit", field=f"{where}.action")
    return Asked(
        prompt=talk.prompt,
        action="edit" if sources else "generate",
        sources=sources,
        references=references,
        mask=_mask(tool.get("input_image_mask"), f"{where}.input_image_mask"),
        options={name: value for name, value in tool.items() if name in IMAGE_OPTIONS},
        tool=where,
        tool_action=action,
        model=_text(given.get("model", ""), "model"),
        stream=_truth(given.get("stream", False), "stream"),
        store=_truth(given.get("store", True), "store"),
        easel=_object(given.get("easel", {}), "easel"),
        body=given,
    )


def _check_members(given: Object) -> None:
    for name, value in given.items():
        if name in UNDERSTOOD or name in STEERS_TEXT:
            continue
        if name in MUST_BE_OBEYED:
            if value in (False, "", [], {}):
                continue
            raise Refused(f"{name}: {NO_TEXT_MODEL}; {MUST_BE_OBEYED[name]}", field=name, code="unsupported_parameter")
        raise Refused(f"Unknown parameter: '{name[:60]}'.", field=name[:60], code="unknown_parameter")
    text = given.get("text")
    match text:
        case {"format": {"type": str(kind)}} if kind != "text":
            raise Refused(f"text.format: {NO_TEXT_MODEL}", field="text.format", code="unsupported_parameter")
        case _:
            return


MUST_BE_OBEYED = {
    "instructions": "write what matters for the picture into the prompt",
    "conversation": "go on from a picture with previous_response_id",
    "background": "use stream, or wait for the answer",
    "background_options": "use stream, or wait for the answer",
    "prompt": "write the prompt into input",
    "moderation": "ask POST /v1/moderations before",
    "context_management": "there is no context to manage",
    "access_programs": "they are for text models",
    "image": "they are for text models",
}
"""Member -> what to do instead."""


def _tool(tools: object) -> tuple[int, Object]:
    """The one tool, with its place."""
    found: tuple[int, Object] | None = None
    for place, tool in enumerate(_list(tools or [], "tools")):
        given = {name: value for name, value in _object(tool, f"tools[{place}]").items() if value is not None}
        kind = given.get("type")
        if kind != TOOL:
            raise Refused(
                f"tools[{place}].type is {_shown(kind)}; the only tool here is {TOOL!r}: {NO_TEXT_MODEL}",
                field=f"tools[{place}].type",
            )
        if found is not None:
            raise Refused(f"{TOOL} is given twice", field=f"tools[{place}]")
        for name in given:
            if name not in OWN_OPTIONS and name not in IMAGE_OPTIONS:
                field_name = f"tools[{place}].{name[:60]}"
                raise Refused(f"Unknown parameter: '{field_name}'.", field=field_name, code="unknown_parameter")
        found = place, given
    if found is None:
        message = f'add {{"type": "{TOOL}"}} to tools: {NO_TEXT_MODEL}'
        raise Refused(message, field="tools", code="missing_required_parameter")
    return found


def _check_choice(choice: object) -> None:
    if choice is None or choice in ("auto", "required"):
        return
    allowed = [choice]
    if isinstance(choice, dict) and cast("Object", choice).get("type") == "allowed_tools":
        allowed = _list(cast("Object", choice).get("tools"), "tool_choice.tools")
    if not any(isinstance(each, dict) and cast("Object", each).get("type") == TOOL for each in allowed):
        raise Refused(f"tool_choice must leave {TOOL} to be used: {NO_TEXT_MODEL}", field="tool_choice")


class _Talk:
    """Everything that was said, in order, and what follows from it for the next picture."""

    def __init__(self, turns: Turns, owner: str) -> None:
        self._turns = turns
        self._owner = owner
        self.prompt = ""
        self.given: list[Picture] = []
        """By the user, since the latest picture was painted."""
        self._painted: Picture | None = None

    @property
    def sources(self) -> tuple[Picture, ...]:
        return (*self.given,) if self._painted is None else (self._painted, *self.given)

    def continue_from(self, response_id: str) -> None:
        found = self._turns.of_response(self._owner, response_id)
        if found is None:
            raise Refused(
                f"Previous response with id '{response_id[:80]}' not found: pictures are kept for "
                f"{KEPT_SECONDS / 60:.0f} minutes. Send the picture itself as an input_image.",
                field="previous_response_id",
                code="previous_response_not_found",
            )
        self._painted = Picture.painted(found, "previous_response_id")

    def hear(self, said: object) -> None:
        if said is None:
            raise Refused("Missing required parameter: 'input'.", field="input", code="missing_required_parameter")
        if isinstance(said, str):
            self.prompt = said
            return
        for place, item in enumerate(_list(said, "input")):
            self._item(_object(item, f"input[{place}]"), f"input[{place}]")

    def _item(self, item: Object, where: str) -> None:
        match item.get("type", "message"):
            case "message":
                self._message(item, where)
            case "image_generation_call" | "item_reference":
                self._painted, self.given = self._picture(item, where), []
            case "reasoning":
                return
            case kind:
                raise Refused(f"{where}.type is {_shown(kind)}: {NO_TEXT_MODEL}", field=f"{where}.type")

    def _message(self, item: Object, where: str) -> None:
        role = _word(item.get("role"), ("user", "assistant", "system", "developer"), f"{where}.role")
        content = item.get("content")
        parts = [content] if isinstance(content, str) else _list(content, f"{where}.content")
        texts: list[str] = []
        for place, part in enumerate(parts):
            here = f"{where}.content[{place}]"
            match part:
                case str():
                    texts.append(part)
                case {"type": "input_text" | "output_text", "text": str(text)}:
                    texts.append(text)
                case {"type": "input_image"} if role == "user":
                    self.given.append(_picture(cast("Object", part), here))
                case {"type": "refusal"} if role == "assistant":
                    continue
                case _:
                    kind = _object(part, here).get("type")
                    raise Refused(f"{here}.type is {_shown(kind)}, which cannot be painted from", field=here)
        text = "\n".join(texts).strip()
        if role == "user":
            self.prompt = text or self.prompt
        elif role != "assistant" and text:
            raise Refused(
                f"{where} has the role {role}: {NO_TEXT_MODEL}; {MUST_BE_OBEYED['instructions']}",
                field=f"{where}.role",
                code="unsupported_parameter",
            )

    def _picture(self, item: Object, where: str) -> Picture:
        if isinstance(result := item.get("result"), str) and result:
            try:
                return Picture.painted(Content.encoded(result), where)
            except NotAPicture as error:
                raise Refused(f"{where}.result is {error}", field=f"{where}.result", code="invalid_image") from error
        item_id = _text(item.get("id"), f"{where}.id")
        found = self._turns.of_item(self._owner, item_id)
        if found is None:
            raise Refused(
                f"Item with id '{item_id[:80]}' not found: pictures are kept for {KEPT_SECONDS / 60:.0f} minutes. "
                "Send it with its result, or the picture itself as an input_image.",
                field=f"{where}.id",
            )
        return Picture.painted(found, where)


def _mask(given: object, where: str) -> Picture | None:
    return None if given is None else _picture(given, where)


def _picture(given: object, where: str) -> Picture:
    """A data URL or an address, or a file that the caller has sent here."""
    match given:
        case {"image_url": str(url)} if url:
            return Picture({"image_url": url}, where)
        case {"file_id": str(file_id)} if file_id:
            return Picture({"file_id": file_id}, where)
        case _:
            message = f"{where}.image_url must be text: an https address or a data URL; or give file_id"
            raise Refused(message, field=f"{where}.image_url", code="invalid_type")


def _object(value: object, where: str) -> Object:
    if isinstance(value, dict):
        return cast("Object", value)
    raise Refused(f"{where} must be an object", field=where, code="invalid_type")


def _list(value: object, where: str) -> Sequence[object]:
    if isinstance(value, list):
        return cast("list[object]", value)
    raise Refused(f"{where} must be a list", field=where, code="invalid_type")


def _text(value: object, where: str) -> str:
    if isinstance(value, str):
        return value
    raise Refused(f"{where} must be text", field=where, code="invalid_type")


def _truth(value: object, where: str) -> bool:
    if isinstance(value, bool):
        return value
    raise Refused(f"{where} must be true or false", field=where, code="invalid_type")


def _word(value: object, allowed: tuple[str, ...], where: str) -> str:
    if isinstance(value, str) and value in allowed:
        return value
    raise Refused(f"{where} is {_shown(value)}; it can be {', '.join(allowed)}", field=where)


def _shown(value: object) -> str:
    return repr(value)[:60]
