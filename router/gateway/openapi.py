"""The description of the Images API, which FastAPI does not serve, within the control plane's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from . import shapes

Json = dict[str, Any]
TEMPLATE = "#/components/schemas/{model}"
MEANINGS: Mapping[int, str] = {
    400: "Something in the request is to be mended, or moderation refused it.",
    401: "No key, or not a good one.",
    403: "The key is not an admin's.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    409: "This request id was used before, and to send it again could pay twice.",
    413: "The body is too large.",
    415: "The body is of a type that is not taken here.",
    429: "Every vendor says that it is too many at once; `retry-after` says how long to wait.",
    500: "The gateway failed.",
    502: "Every vendor failed.",
    503: "As much is under way as can be, or every vendor is down; `retry-after` says how long to wait.",
    504: "It was sent, and no answer came: it may have been billed. With `deadline_exceeded` it was not sent.",
}
PAINTING = (400, 401, 408, 409, 413, 415, 429, 500, 502, 503, 504)
EVENTS: Json = {
    "schema": {
        "type": "object",
        "description": "Server-sent events, with OpenAI's names; `data` is JSON.",
        "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
        "required": ["event", "data"],
    }
}
OPEN: Json = {"type": "object", "additionalProperties": True}


def failures(*statuses: int) -> dict[int, Json]:
    """For FastAPI: what each of these statuses answers."""
    return {each: {"model": shapes.ErrorAnswer, "description": MEANINGS[each]} for each in statuses}


def describe(app: Any) -> None:
    """Has the application's description name the Images API, and the keys that all of it needs, as well."""
    usual = app.openapi

    def whole() -> Json:
        made = app.openapi_schema is not None
        document: Json = usual()
        if not made:
            schemas = document["components"]["schemas"]
            document["paths"] = {**_paths(schemas), **document["paths"]}
            bearer = {"type": "http", "scheme": "bearer", "description": "A key made by `easel keys create`."}
            document["components"]["securitySchemes"] = {"key": bearer}
            document["security"] = [{"key": []}]
        return document

    app.openapi = whole


def _paths(schemas: Json) -> Json:
    def reference(shape: type[BaseModel]) -> Json:
        found = shape.model_json_schema(ref_template=TEMPLATE)
        schemas.update(found.pop("$defs", {}))
        schemas[shape.__name__] = found
        return {"$ref": TEMPLATE.format(model=shape.__name__)}

    def operation(summary: str, bodies: Mapping[str, Json], found: Json, *, streams: bool = True) -> Json:
        content = {"application/json": {"schema": found}}
        if streams:
            content["text/event-stream"] = EVENTS
        failed = {"application/json": {"schema": reference(shapes.ErrorAnswer)}}
        responses: Json = {"200": {"description": "Painted.", "content": content}}
        responses |= {str(each): {"description": MEANINGS[each], "content": failed} for each in PAINTING}
        asked = {media_type: {"schema": schema} for media_type, schema in bodies.items()}
        body = {"required": True, "content": asked}
        return {"post": {"summary": summary, "requestBody": body, "responses": responses}}

    painted = reference(shapes.ImagesAnswer)
    edits = {"multipart/form-data": reference(shapes.EditForm), "application/json": reference(shapes.Edit)}
    variations = {"multipart/form-data": reference(shapes.VariationForm)}
    return {
        "/v1/images/generations": operation(
            "Paint a picture from words", {"application/json": reference(shapes.Generation)}, painted
        ),
        "/v1/images/edits": operation("Change a picture, the marked part of it, or compose several", edits, painted),
        "/v1/images/variations": operation("Paint a picture again, otherwise", variations, painted, streams=False),
        "/v1/responses": operation(
            "Paint by OpenAI's Responses API, with the tool `image_generation`",
            {"application/json": reference(shapes.Conversation)},
            OPEN,
        ),
        "/v1/moderations": operation(
            "OpenAI's Moderations API, handed on",
            {"application/json": reference(shapes.Moderated)},
            OPEN,
            streams=False,
        ),
    }
