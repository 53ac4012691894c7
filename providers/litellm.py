"""The long tail: any vendor that litellm knows, as `litellm/<litellm's model name>`, such as litellm/recraft/recraftv3.

Read in the source of litellm 1.110.2: `images/main.py`, `utils.py`, `exceptions.py`, and the vendors' image configs.

litellm drops in silence what a vendor's API has no field for. Here each field of the request is tried on litellm's own
mapping, which sends nothing: a field that it does not list, refuses, or maps to nothing is left out and is among the
adaptations of the answer. An input picture, a mask, a transparent background or a field that the request is strict
about is an error instead.

`provider_options: {litellm: …}` are handed on as they are, and win. Those that say where to send, with which
credentials, or how often, are the deployment's alone: a caller who could set them could send its key elsewhere.

What litellm calls `response_cost` is its own price list, not the vendor's figure, and is not passed on as one.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, cast

from .base import (
    Adaptation,
    Done,
    ImageBase64,
    ImageRequest,
    ImageUrl,
    InputImage,
    LocalAdapter,
    Model,
    Node,
    Reply,
    Usage,
    errors,
    images,
)

if TYPE_CHECKING:
    import httpx

PLAIN_FIELDS = frozenset({"n", "quality", "response_format", "size", "style", "user"})
"""What litellm passes on where it has no description of a vendor."""
DEPLOYMENTS_OWN = frozenset(
    {
        "base_url",
        "callbacks",
        "custom_llm_provider",
        "extra_headers",
        "extra_query",
        "image",
        "mask",
        "model",
        "organization",
        "prompt",
        "timeout",
    }
)
"""Beyond those that litellm itself names as its own."""
DEPLOYMENTS_OWN_PREFIXES = ("anthropic_", "aws_", "azure_", "litellm_", "vertex_")
WANTED = (
    *("n", "size", "aspect_ratio", "resolution", "quality", "style", "background", "output_format"),
    *("output_compression", "seed", "negative_prompt", "moderation", "user"),
)
"""The request's fields that litellm has by the same names; which of them it sends depends on the vendor."""
REFUSED = frozenset({"content_moderation", "content_policy_violation", "moderation_blocked"})
OUT_OF_CREDIT = frozenset({"billing_hard_limit_reached", "insufficient_quota"})
Mapped = Callable[[Mapping[str, object]], object]
"""litellm's reading of a set of fields, for one vendor and model. Raises for those it does not take."""


class LiteLLM(LocalAdapter):
    name = "litellm"
    wire: ClassVar[Mapping[str, str]] = {name: name for name in WANTED}
    settings: ClassVar[frozenset[str]] = frozenset(
        {"api_version", "aws_region_name", "organization", "vertex_location", "vertex_project"}
    )

    def perform(self, request: ImageRequest, model: Model, *, key: str | None, timeout_seconds: float) -> Done:
        """One call, never a second: litellm's retries are off. Source images, then references; the mask as a file."""
        library = _library()
        options = _allowed(request.options(self.name))
        edits = bool(request.input_images)
        if request.operation not in {"generate", "edit"} or (request.operation == "edit" and not edits):
            raise errors.InvalidRequest(f"litellm has no way to {request.operation.replace('_', ' ')} this")
        vendor = _vendor(library, model, edits=edits)
        kept, left_out = _sorted_out(_wanted(request, options), vendor)
        if request.background == "transparent" and "background" in left_out:
            raise errors.InvalidRequest(f"litellm does not ask {vendor.name} for a transparent background")
        default = request.policy.get("default")
        for name in left_out:
            if request.policy.get(name, default) == "strict":
                raise errors.InvalidRequest(f"litellm does not send {name} to {vendor.name}")
        arguments: dict[str, object] = {
            "model": model.wire,
            "prompt": request.prompt,
            "api_key": key,
            "api_base": self.base_url,
            "timeout": timeout_seconds,
            "max_retries": 0,
            "num_retries": 0,
            **self.options,
            **kept,
            **options,
        }
        if edits:
            arguments["image"] = [each.data for each in request.input_images]
            if request.mask is not None:
                arguments["mask"] = _mask(request.mask, model, vendor)
        send = library.image_edit if edits else library.image_generation
        try:
            answer = send(**{name: value for name, value in arguments.items() if value is not None})
        except Exception as error:
            raise _translated(error) from error
        done = _done(Node(answer.model_dump()))
        return replace(done, adaptations=tuple(_dropped(request, name, vendor) for name in left_out))


@dataclass(frozen=True, slots=True)
class Vendor:
    """What litellm knows of the vendor behind a model, for generating or for editing."""

    name: str
    fields: frozenset[str]
    mapped: Mapped


@cache
def _library() -> Any:
    """litellm, imported now: it takes seconds. Offline, so that the import opens no connection."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_OFFLINE_MODE", "true")
    try:
        library: Any = importlib.import_module("litellm")
    except ModuleNotFoundError as error:
        raise errors.ProviderError("litellm is not installed: pip install 'easel-images[litellm]'") from error
    library.telemetry = False
    library.suppress_debug_info = True  # it prints to the terminal otherwise
    return library


def _vendor(library: Any, model: Model, *, edits: bool) -> Vendor:
    """Raises InvalidRequest when litellm does not know the vendor, or does not edit with it. Nothing is sent."""
    manager = library.utils.ProviderConfigManager
    find = manager.get_provider_image_edit_config if edits else manager.get_provider_image_generation_config
    try:
        model_id, name, _, _ = library.get_llm_provider(model=model.wire)
        config = find(model=model_id, provider=library.LlmProviders(name))
    except Exception as error:
        message = f"litellm knows no vendor of {model.wire!r}; its names start with the vendor's, such as openai/"
        raise errors.InvalidRequest(message) from error
    if edits and config is None:
        raise errors.InvalidRequest(f"litellm cannot edit pictures with {name}")
    utils = importlib.import_module("litellm.images.utils").ImageEditRequestUtils if edits else library.utils

    def mapped(given: Mapping[str, object]) -> object:
        if edits:
            return utils.get_optional_params_image_edit(
                model=model_id, image_edit_provider_config=config, image_edit_optional_params=given, drop_params=False
            )
        return utils.get_optional_params_image_gen(
            model=model_id, custom_llm_provider=name, provider_config=config, drop_params=False, **given
        )

    fields = frozenset(cast("list[str]", config.get_supported_openai_params(model_id))) if config else PLAIN_FIELDS
    return Vendor(name, fields, mapped)


# What is sent


def _allowed(options: Mapping[str, object]) -> dict[str, object]:
    """The caller's options. Raises InvalidRequest for those that are not a caller's to set."""
    is_litellms_own = importlib.import_module("litellm.types.utils").is_litellm_owned_kwarg
    for name in options:
        if name in DEPLOYMENTS_OWN or name.startswith(DEPLOYMENTS_OWN_PREFIXES) or is_litellms_own(name):
            raise errors.InvalidRequest(f"provider_options.litellm.{name} is for the deployment to set, not a caller")
    return dict(options)


def _wanted(request: ImageRequest, options: Mapping[str, object]) -> dict[str, object]:
    """The request's fields under litellm's names; those that an option gives are the option's."""
    wanted: dict[str, object] = {
        **{name: getattr(request, name) for name in WANTED},
        "n": request.n if request.n > 1 else None,
        "size": str(request.size) if request.size else None,
        "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
        "background": request.background if request.background != "auto" else None,
    }
    return {name: value for name, value in wanted.items() if value is not None and name not in options}


def _sorted_out(wanted: Mapping[str, object], vendor: Vendor) -> tuple[dict[str, object], list[str]]:
    """What litellm will send, and the names of what it would lose."""
    kept: dict[str, object] = {}
    left_out: list[str] = []
    without = vendor.mapped(kept)
    for name, value in wanted.items():
        try:
            with_it = vendor.mapped({**kept, name: value}) if name in vendor.fields else without
        except Exception:  # noqa: BLE001 (each vendor's mapping refuses a value in its own way)
            with_it = without
        if with_it == without:
            left_out.append(name)
        else:
            kept[name], without = value, with_it
    return kept, left_out


def _mask(mask: InputImage, model: Model, vendor: Vendor) -> bytes:
    """In the colours of the model's facts. Raises InvalidRequest when litellm would leave the mask out."""
    if "mask" not in vendor.fields:
        raise errors.InvalidRequest(f"litellm sends no mask to {vendor.name}")
    rule = model.mask.value
    if rule is None or rule.polarity == "transparent":
        return mask.data
    return images.masked(mask, repaint=rule.polarity)


# What came


def _dropped(request: ImageRequest, name: str, vendor: Vendor) -> Adaptation:
    return Adaptation(name, "dropped", str(getattr(request, name)), None, f"litellm does not send it to {vendor.name}")


def _done(answer: Node) -> Done:
    pictures = [_picture(each) for each in answer["data"].items()]
    if not pictures:
        # This is also how it hands on a prompt that Google has blocked: it does not say which of the two it is.
        raise errors.BadReply("no picture came, and litellm gives no reason", path="$.data")
    return Done(images=list(pictures), usage=_usage(answer.get("usage"), len(pictures)))


def _picture(item: Node) -> ImageBase64 | ImageUrl:
    data, address, revised = item.get("b64_json"), item.get("url"), item.get("revised_prompt")
    prompt = revised.text if revised else None
    if data:
        return ImageBase64(data.text, prompt)
    if address is None:
        raise errors.BadReply("neither b64_json nor url", path=item.path)
    if address.text.startswith(images.DATA_URL_PREFIX):
        return ImageBase64(address.text.partition(",")[2], prompt)
    return ImageUrl(address.text, prompt)


def _usage(counts: Node | None, pictures: int) -> Usage:
    """litellm writes zeros where the vendor counts nothing; an answer without a token is such a one."""
    total = counts.get("total_tokens") if counts else None
    if counts is None or total is None or not total.integer:
        return Usage(images=pictures)

    def count(*path: str) -> int | None:
        found = counts.find(*path)
        return found.integer if found else None

    return Usage(
        input_tokens=count("input_tokens"),
        input_text_tokens=count("input_tokens_details", "text_tokens"),
        input_image_tokens=count("input_tokens_details", "image_tokens"),
        output_tokens=count("output_tokens"),
        output_text_tokens=count("output_tokens_details", "text_tokens"),
        output_image_tokens=count("output_tokens_details", "image_tokens"),
        images=pictures,
    )


# What went wrong


def _translated(error: Exception) -> errors.ProviderError:
    """By what lies beneath: litellm calls a cut connection, a refused one and its own bugs an InternalServerError."""
    message = str(error)
    exceptions = _library().exceptions
    import httpx  # litellm sends with it, and raises its errors

    beneath = list(_chain(error))
    answered = next((each.response for each in reversed(beneath) if isinstance(each, httpx.HTTPStatusError)), None)
    if answered is not None:
        return _from_answer(answered, refused=isinstance(error, exceptions.ContentPolicyViolationError))
    if isinstance(error, exceptions.ContentPolicyViolationError):
        return errors.ModerationBlocked(message)
    if any(isinstance(each, httpx.ConnectError | httpx.ConnectTimeout) for each in beneath):
        return errors.ConnectFailed(message)
    if any(isinstance(each, httpx.TransportError) for each in beneath):
        return errors.OutcomeUnknown(message)
    if isinstance(error, exceptions.AuthenticationError):  # no key was found: nothing was sent
        return errors.AuthenticationFailed(message)
    if isinstance(error, exceptions.BadRequestError):
        return errors.InvalidRequest(message)
    return errors.OutcomeUnknown(message)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _from_answer(answered: httpx.Response, *, refused: bool) -> errors.ProviderError:
    """The vendor's own answer: its code where it says more than the status."""
    reply = Reply(
        answered.status_code, {name.lower(): value for name, value in answered.headers.items()}, _body(answered)
    )
    body = reply.error_json()
    codes = list(_codes(body)) if body else []
    telling = [each for each in codes if each in REFUSED | OUT_OF_CREDIT]
    code = next(iter(telling or codes), None)
    request_id = reply.headers.get("x-request-id")
    message = (_message(body) if body else None) or f"HTTP {reply.status}"
    if refused or code in REFUSED:
        return errors.ModerationBlocked(message, status=reply.status, code=code, request_id=request_id)
    kind = errors.QuotaExhausted if code in OUT_OF_CREDIT else errors.for_status(reply.status)
    return kind(
        message,
        status=reply.status,
        code=code,
        request_id=request_id,
        retry_after_seconds=reply.retry_after_seconds() if kind is errors.RateLimited or reply.status >= 500 else None,
    )


def _body(answered: httpx.Response) -> bytes:
    import httpx

    try:
        return answered.content
    except httpx.ResponseNotRead:
        return b""


def _codes(body: Node) -> Iterator[str]:
    """Where vendors put their codes: `error.code`, `error.type`, or `name` and `code` beside it."""
    members = cast("dict[str, object]", body.value)
    inner = members.get("error")
    for where, names in ((inner, ("code", "type", "status")), (members, ("code", "name"))):
        for name in names if isinstance(where, dict) else ():
            value = cast("dict[str, object]", where).get(name)
            if isinstance(value, str):
                yield value


def _message(body: Node) -> str | None:
    members = cast("dict[str, object]", body.value)
    inner = members.get("error")
    found = cast("dict[str, object]", inner).get("message") if isinstance(inner, dict) else inner
    found = found or members.get("message") or members.get("detail")
    return found if isinstance(found, str) else None


ADAPTER = LiteLLM
