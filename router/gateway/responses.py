"""POST /v1/responses with the tool `image_generation`, in direct mode: the image model is asked, and no text model.

What is painted is decided by rule, see `turns`. The answer is a Response with one `image_generation_call`; the tokens
of the picture are in `tool_usage.image_gen`, and `usage`, which is the text model's, counts none. A failure is an
ordinary error; within a stream that has begun it is `response.failed`.

Sources: openai/openai-python 3.57.0 (types/responses/response.py, response_output_item.py, response_*_event.py),
developers.openai.com/api/docs/guides/tools-image-generation, read 2026-11-23.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...providers.base import clock
from ...providers.base.errors import (
    AllAttemptsFailed,
    EaselError,
    ModerationBlocked,
    NoModelCan,
    RateLimited,
    RequestError,
)
from ...providers.base.response import ImageResponse, PartialImage
from . import body as bodies
from . import order as orders
from . import turns
from .answer import QUALITIES, easel, easel_headers, encoded, look, usage
from .body import JSON, Content, Place
from .errors import USER_ERROR, Refused, answer
from .events import begin, painting
from .images import Visit, WhileConnected, called
from .turns import Asked

if TYPE_CHECKING:
    from ..router import Router
    from .order import Order

PLACE = f"easel-{secrets.token_hex(12)}"
"""Stands for the picture while the rest of an answer is written as JSON; no caller can know it."""
NO_WORDS = {
    "input_tokens": 0,
    "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}
"""What the text model used, which was not asked."""
TOLD_BACK = (
    *("max_output_tokens", "max_tool_calls", "metadata", "previous_response_id", "prompt_cache_key", "reasoning"),
    *("safety_identifier", "service_tier", "temperature", "text", "top_logprobs", "top_p", "truncation", "user"),
)


async def respond(visit: Visit, router: Router, place: Place) -> None:
    """One call, from its body to the end of its answer. Raises as `Router.run` does, and Refused."""
    raw = await bodies.read(visit.receive, visit.headers.get(b"content-length"), place)
    visit.bytes_in = len(raw)
    kind, _ = bodies.content_type(visit.headers.get(b"content-type"))
    if kind != JSON:
        message = f"Unsupported content type: {kind[:100]!r}. This endpoint takes {JSON}."
        raise Refused(message, status=415, code="unsupported_content_type")
    gateway = visit.gateway
    asked = turns.read(bodies.parse_json(raw).fields, gateway.turns, visit.owner)
    del raw
    try:
        endpoint = "edits" if asked.action == "edit" else "generations"
        content = Content(_fields(asked, router))
        order = await orders.understood(content, endpoint, router, gateway, place, owner=visit.owner)
        visit.order = order
        called(visit, order)
        turn = Turn(asked, order)
        async with WhileConnected(visit.receive):
            if not asked.stream:
                visit.response = response = await router.run(order.fields)
                _keep(visit, turn, response)
                whole = _joined(turn.done(response), response)
                place.hold(len(whole))  # a copy
                await visit.whole(200, easel_headers(order, response), [whole])
            elif not (await router.explain(order.fields, keys=True)).plan:
                await router.run(order.fields)  # which says why
            else:
                visit.response = await _stream(visit, turn, router, place)
    except NoModelCan:
        raise
    except RequestError as error:
        raise _in_callers_words(error, asked) from error


def _keep(visit: Visit, turn: Turn, response: ImageResponse) -> None:
    """For the next turn, which may come as soon as this one is sent."""
    if turn.asked.store:
        visit.gateway.turns.keep(visit.owner, turn.id, turn.item_id, response.images[0].content)


def _fields(asked: Asked, router: Router) -> dict[str, object]:
    """The turn as a body of the Images API."""
    fields: dict[str, object] = {
        **asked.options,
        "prompt": asked.prompt,
        "stream": asked.stream,
        "model": asked.options.get("model") or (asked.model if _paints(asked.model, router) else "auto"),
        "safety_identifier": asked.body.get("safety_identifier") or asked.body.get("user"),
        "easel": {
            **({"metadata": asked.body["metadata"]} if "metadata" in asked.body else {}),
            **asked.easel,
            **({"references": [each.reference for each in asked.references]} if asked.references else {}),
        },
        "images": [each.reference for each in asked.sources] or None,
        "mask": None if asked.mask is None else asked.mask.reference,
    }
    if not asked.stream:
        fields.pop("partial_images", None)
    return fields


def _paints(model: str, router: Router) -> bool:
    """Is it one of Easel's own names? Any other is a text model's, which is not asked."""
    return model in orders.ALIASES or router.knows(model)


def _in_callers_words(error: RequestError, asked: Asked) -> Refused:
    """What is wrong, under the name that it has in the body of a turn."""
    name = error.field
    where = None if name is None else asked.wire_name(name)
    message = str(error) if name is None or where is None else str(error).replace(name, where, 1)
    code = error.code if isinstance(error, Refused) else "invalid_value"
    return Refused(message, field=where, code=code, status=error.status if isinstance(error, Refused) else 400)


# What is answered


@dataclass(slots=True)
class Turn:
    """One answer as it grows."""

    asked: Asked
    order: Order
    id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(24)}")
    item_id: str = field(default_factory=lambda: f"ig_{secrets.token_hex(24)}")
    created_at: int = field(default_factory=lambda: int(clock.now().timestamp()))
    _sent: int = 0

    def response(self, status: str, output: list[dict[str, object]], **more: object) -> dict[str, object]:
        body = self.asked.body
        told = {name: body.get(name) for name in TOLD_BACK}
        defaults: dict[str, object] = {
            "metadata": {},
            "reasoning": {"effort": None, "summary": None},
            "text": {"format": {"type": "text"}},
            "truncation": "disabled",
        }
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "model": self.asked.model or self.asked.options.get("model") or "auto",
            "output": output,
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": [_without_mask(self.asked)],
            "usage": None,
            **told,
            **{name: value for name, value in defaults.items() if told[name] is None},
            **more,
        }

    def item(self, status: str, **more: object) -> dict[str, object]:
        return {"id": self.item_id, "type": turns.CALL, "status": status, "result": None, **more}

    def painted(self, response: ImageResponse) -> dict[str, object]:
        """The item with PLACE for its picture."""
        return self.item(
            "completed",
            action=self.asked.action,
            revised_prompt=response.images[0].revised_prompt,
            **look(self.order, response),
            result=PLACE,
        )

    def done(self, response: ImageResponse) -> dict[str, object]:
        """The whole, with PLACE for the picture."""
        more: dict[str, object] = {"usage": NO_WORDS, "completed_at": int(clock.now().timestamp())}
        if (counted := usage(response.usage)) is not None:
            more["tool_usage"] = {"image_gen": counted, "web_search": {"num_requests": 0}}
        if self.order.include:
            more["easel"] = easel(self.order, response)
        return self.response("completed", [self.painted(response)], **more)

    def event(self, name: str, **members: object) -> dict[str, object]:
        event = {"type": name, "sequence_number": self._sent, **members}
        self._sent += 1
        return event


def _without_mask(asked: Asked) -> dict[str, object]:
    """The tool as it was given, but for a picture that may be megabytes."""
    return {"type": turns.TOOL, "action": asked.tool_action, **asked.options}


def _joined(value: Mapping[str, object], response: ImageResponse) -> bytes:
    """JSON with the picture in its place: what is megabytes goes through no encoder."""
    head, *rest = json.dumps(value).encode().split(PLACE.encode())
    picture = encoded(response.images[0])
    return b"".join([head, *(piece for tail in rest for piece in (picture, tail))])


# As a stream


async def _stream(visit: Visit, turn: Turn, router: Router, place: Place) -> ImageResponse | None:
    """All events, in OpenAI's order. None when it failed, which the last of them says."""
    await begin(visit, ())
    in_progress = turn.response("in_progress", [])
    await _send(visit, turn.event("response.created", response=in_progress))
    await _send(visit, turn.event("response.in_progress", response=in_progress))
    await _send(visit, turn.event("response.output_item.added", output_index=0, item=turn.item("in_progress")))
    await _send(visit, _called(turn, "in_progress"))
    await _send(visit, _called(turn, "generating"))
    try:
        response = await painting(visit, turn.order, router, lambda partial: [_written(_preview(turn, partial))])
    except EaselError as error:
        visit.error = error
        item, response_error = _failed(error)
        failed = turn.item("failed", action=turn.asked.action, error=item)
        await _send(visit, turn.event("response.output_item.done", output_index=0, item=failed))
        whole = turn.response("failed", [failed], error=response_error, usage=NO_WORDS)
        await _send(visit, turn.event("response.failed", response=whole))
        await visit.body(b"")
        return None
    _keep(visit, turn, response)
    await _send(visit, _called(turn, "completed"))
    item = turn.event("response.output_item.done", output_index=0, item=turn.painted(response))
    for event in (item, turn.event("response.completed", response=turn.done(response))):
        frame = _frame(event, _joined(event, response))
        place.hold(len(frame))
        await visit.body(frame, more=True)
    await visit.body(b"")
    return response


def _called(turn: Turn, state: str) -> dict[str, object]:
    return turn.event(f"response.{turns.CALL}.{state}", output_index=0, item_id=turn.item_id)


def _preview(turn: Turn, partial: PartialImage) -> dict[str, object]:
    order = turn.order
    word = order.text("quality")
    return {
        **_called(turn, "partial_image"),
        "partial_image_index": partial.index,
        "partial_image_b64": str(partial.content.base64, "ascii", "replace"),
        "size": order.text("size") or "auto",
        "quality": word if word in QUALITIES else "auto",
        "background": order.text("background") or "auto",
        "output_format": partial.media_type.removeprefix("image/"),
    }


def _failed(error: EaselError) -> tuple[dict[str, object], dict[str, object]]:
    """The error of the item, as the envelope has it; and of the response, whose codes are OpenAI's few."""
    said: dict[str, object] = json.loads(answer(error).body)["error"]
    cause = error.__cause__ if isinstance(error, AllAttemptsFailed) else error
    match cause:
        case ModerationBlocked():
            code = "image_content_policy_violation"
        case RateLimited():
            code = "rate_limit_exceeded"
        case RequestError():
            code = "invalid_prompt"
        case _:
            code = "server_error"
    said["type"] = said.get("type") or USER_ERROR
    return said, {"code": code, "message": said["message"]}


async def _send(visit: Visit, event: Mapping[str, object]) -> None:
    await visit.body(_written(event), more=True)


def _written(event: Mapping[str, object]) -> bytes:
    return _frame(event, json.dumps(event).encode())


def _frame(event: Mapping[str, object], data: bytes) -> bytes:
    return b"".join((f"event: {event['type']}\ndata: ".encode(), data, b"\n\n"))
