"""What was asked for: OpenAI's request fields become the fields of an Easel request.

Sources: openai/openai-python 3.54.0 (`types/image_generate_params.py`, `image_edit_params.py`) and
developers.openai.com/api/docs/guides/image-generation, read 2026-11-23. What Easel adds is under `easel`, in the body
or in `extra_body`: see `OWN`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from ...providers.base import images
from ...providers.base.request import InputImage, Operation
from ...providers.base.response import Adaptation
from ..document import did_you_mean
from . import body as bodies
from .body import Content, Place
from .errors import Refused
from .fields import NUMBER, flag, text, whole
from .pictures import FILES, Gathering

if TYPE_CHECKING:
    from ..router import Router
    from .app import Gateway

ResponseFormat = Literal["b64_json", "url"]
Endpoint = Literal["generations", "edits", "variations", "responses", "moderations"]
OPERATIONS: Mapping[Endpoint, Operation] = {"generations": "generate", "edits": "edit", "variations": "variation"}

ALIASES: Mapping[str, str] = {"dall-e-2": "auto", "dall-e-3": "auto", "gpt-image-1": "auto"}
"""Retired ids that clients still have written into them, and the model that is used in their place: by rule, not one
successor, because what suits a transparent badge does not suit a poster. A route of the same name takes precedence, and
so that is how an operator gives one of them a home. `openai/gpt-image-1` stays what it says: retired."""
ANSWER_BY_URL = frozenset({"dall-e-2", "dall-e-3"})
"""Their clients read `data[0].url`, which was the default then."""

PLAIN = ("model", "quality", "background", "output_format", "moderation", "size", "style")
WHOLE = ("n", "output_compression", "partial_images")
VENDORS = ("complexity", "frame_count", "frame_duration_ms", "svg", "input_fidelity")
"""Fields that only some models of OpenAI's have: they go along when the caller names such a model."""
COMMON = (*PLAIN, *WHOLE, *VENDORS, "prompt", "stream", "response_format", "safety_identifier", "user", "easel")
ALLOWED: Mapping[Endpoint, frozenset[str]] = {
    "generations": frozenset(COMMON),
    "edits": frozenset((*COMMON, "images", "mask", "markup")),
    "variations": frozenset(("model", "n", "size", "response_format", "user", "images", "output_format", "easel")),
}
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
PAINTED = ("edit", "variation")
"""Operations whose answer is in the format asked for; that of the others follows from what they do."""
DEFAULT_FORMAT = "png"
"""OpenAI's: what its clients write into a file of that name. Other vendors have other defaults."""
MAX_PROMPT_CHARACTERS = 200_000
AMOUNT = re.compile(r"\d{1,9}(\.\d{1,12})?(e-\d)?")
NO_VIDEOS = (
    "easel.operation is video, and the Images API answers with pictures only; ask Easel itself for videos: "
    'Router.run({"operation": "video", …}), or easel generate --operation video'
)
VARIATION_PROMPT = "Paint a variation of this picture: the same subject and style, in another composition."


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


async def understood(
    content: Content, endpoint: Endpoint, router: Router, gateway: Gateway, place: Place, *, owner: str
) -> Order:
    """The call, its pictures fetched and checked. `owner`: whose files may be named in it.

    Raises Refused, which names what is wrong as the caller wrote it.
    """
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
    if order.fields["output_format"] is None and own.get("operation", "edit") in PAINTED:
        order.fields["output_format"] = DEFAULT_FORMAT
    order.stream = flag(given, "stream")
    order.fields["stream"] = order.stream
    order.response_format = _response_format(given, asked, endpoint)
    order.include = flag(own, "include", within="easel.")
    order.fields |= {name: value for name, value in own.items() if name not in {"include", "references"}}
    if own.get("operation") == "video":
        raise Refused(NO_VIDEOS, field="easel.operation")
    if "operation" in own and (endpoint != "edits" or own["operation"] not in EDITS):
        raise Refused(f"easel.operation is for edits, and one of {', '.join(EDITS)}", field="easel.operation")
    found = await Gathering(router, gateway, place, owner).pictures(content, given, own)
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
        wanted["markup"] = {"image_url": images.to_data_url(markup)}
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
