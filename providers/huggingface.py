"""Hugging Face's Inference Providers: one key and one bill for several vendors, each in its own words.

Sources: huggingface_hub 2.4.0 (inference/_providers/*) and huggingface/hub-docs of 2026-08-22 (inference-providers),
read 2026-11-23.

The router hands a vendor's own wire through below `/{vendor}/`, so there is a dialect here for each. A model's wire
name is the vendor's slug and what that vendor calls the model, `together/black-forest-labs/FLUX.1-schnell`: see
`GET https://huggingface.co/api/models/{id}?expand[]=inferenceProviderMapping`. No answer says what it cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar
from urllib.parse import quote

from .base import (
    Adapter,
    Call,
    Done,
    ImageBytes,
    ImageRequest,
    ImageUrl,
    Model,
    Node,
    Reply,
    Usage,
    Wait,
    errors,
    images,
)
from .base.images_api import picture
from .base.refusal import if_refused, is_refusal

WAVESPEED_SECONDS = 0.5
ZAI_SECONDS = 5.0
ONE_PICTURE = "FLUX.1-kontext"
"""At Together: takes `image_url`, where all others take `reference_images`."""
Fields = dict[str, object]
Write = Callable[[ImageRequest, str], Call]
"""The call for a request and the vendor's own name of the model, without the caller's options."""
Read = Callable[[Node], "Done | Wait"]


class HuggingFace(Adapter):
    """`bill_to` names the organisation that pays."""

    name = "huggingface"
    default_base_url = "https://router.huggingface.co"
    settings = frozenset({"bill_to"})
    wire: ClassVar[Mapping[str, str]] = {
        "height": "size",
        "image_size": "size",
        "input": "prompt",
        "inputs": "prompt",
        "model": "model",
        "n": "n",
        "negative_prompt": "negative_prompt",
        "num_images": "n",
        "prompt": "prompt",
        "seed": "seed",
        "size": "size",
        "width": "size",
        **dict.fromkeys(
            ("image", "image_url", "image_urls", "images", "input_image", "input_images", "reference_images"), "images"
        ),
    }

    def auth(self, key: str) -> dict[str, str]:
        bill_to = self.options.get("bill_to")
        return {"authorization": f"Bearer {key}", **({"x-hf-bill-to": bill_to} if bill_to else {})}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Width and height in pixels; pictures as data URLs, at Hugging Face's own servers as base64."""
        vendor, name = _vendor(model)
        return DIALECTS[vendor].write(request, name)

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        """Hugging Face's own servers answer with the picture itself."""
        if reply.headers.get("content-type", "").startswith("image/"):
            return Done([ImageBytes(reply.body)], Usage(images=1))
        return DIALECTS[_vendor(model)[0]].read(reply.json())

    def error(self, reply: Reply) -> errors.ProviderError:
        """In the words of the vendor behind the router; a code for a refusal is none that they share."""
        return if_refused(super().error(reply))

    def error_message(self, body: Node) -> str | None:
        """WaveSpeed says `message`; all others what most vendors say."""
        return super().error_message(body) or body.text_at("message")


def _vendor(model: Model) -> tuple[str, str]:
    """The vendor's slug, and its own name of the model."""
    vendor, _, name = model.wire.partition("/")
    if vendor not in DIALECTS or not name:
        message = f"{model.wire!r} does not begin with one of {', '.join(DIALECTS)}; write it as VENDOR/MODEL"
        raise errors.ModelNotFound(message)
    return vendor, name


def _post(url: str, body: Mapping[str, object], request: ImageRequest) -> Call:
    return Call.post(url, json={**body, **request.options(HuggingFace.name)})


def _edges(request: ImageRequest) -> Fields:
    size = request.size
    return {"width": size.width, "height": size.height} if size else {}


def _given(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def _said(request: ImageRequest) -> Fields:
    return _given({"negative_prompt": request.negative_prompt, "seed": request.seed})


def _addresses(request: ImageRequest) -> list[str]:
    return [images.to_data_url(each) for each in request.input_images]


# Hugging Face's own servers


def _write_own(request: ImageRequest, name: str) -> Call:
    """Words are the input, or the first picture is and the words are a parameter; the options are parameters too."""
    parameters = {**_edges(request), **_said(request), **request.options(HuggingFace.name)}
    url = f"/hf-inference/models/{name}"
    if not request.input_images:
        return Call.post(url, json={"inputs": request.prompt, "parameters": parameters or None})
    source = images.to_base64(request.input_images[0].data)
    return Call.post(url, json={"inputs": source, "parameters": {"prompt": request.prompt, **parameters}})


def _read_own(body: Node) -> Done:
    raise errors.BadReply("expected a picture, got JSON", path=body.path)


# fal


def _write_fal(request: ImageRequest, name: str) -> Call:
    """Without its queue: the call stays open until the picture is there. unconfirmed for edits, which clients queue."""
    given = _addresses(request)
    body: Fields = {
        "prompt": request.prompt,
        "image_size": _edges(request) or None,
        "num_images": request.n if request.n > 1 else None,
        **_said(request),
        **({"image_url": given[0], "image_urls": given} if given else {}),
    }
    return _post(f"/fal-ai/{name}", body, request)


def _read_fal(body: Node) -> Done:
    """Pictures found unfit come as black ones, with a flag for each."""
    found, flags, seed = list(body["images"].items()), body.at("has_nsfw_concepts"), body.at("seed")
    flagged = [_is_true(flags.at(place)) if flags else False for place in range(len(found))]
    if found and all(flagged):
        raise errors.ModerationBlocked("fal painted it black: has_nsfw_concepts", stage="output")
    number = seed.value if seed is not None and type(seed.value) is int else None
    return _done(
        [replace(each, seed=number) for each in (ImageUrl(item["url"].text) for item in found)],
        path="$.images",
        moderation="has_nsfw_concepts" if any(flagged) else None,
    )


def _is_true(node: Node | None) -> bool:
    return node is not None and node.value is True


# Replicate


def _write_replicate(request: ImageRequest, name: str) -> Call:
    """The call waits for up to a minute. Models have four names for a picture; its own client too sends all of them."""
    given = _addresses(request)
    pictures: Fields = {}
    if given:
        pictures = {"image": given[0], "images": given, "input_image": given[0], "input_images": given}
    inputs = {
        "prompt": request.prompt,
        **_edges(request),
        **_said(request),
        **pictures,
        **request.options(HuggingFace.name),
    }
    model, _, version = name.partition(":")
    url = "/replicate/v1/predictions" if version else f"/replicate/v1/models/{model}/predictions"
    call = Call.post(url, json={"input": inputs, "version": version or None})
    return replace(call, headers={**call.headers, "prefer": "wait"})


def _read_replicate(body: Node) -> Done:
    status = body["status"].text
    if status in {"starting", "processing"}:
        raise errors.OutcomeUnknown("Replicate was still at it after a minute, and the router cannot be asked again")
    if status in {"failed", "canceled", "aborted"}:
        raise _failure("Replicate", body.text_at("error") or status)
    if status != "succeeded":
        raise errors.BadReply(f"unknown status {status!r}", path="$.status")
    output = body["output"]
    addresses = [output] if isinstance(output.value, str) else list(output.items())
    return _done([ImageUrl(each.text) for each in addresses], path="$.output")


# Together and Nscale: the Images API's answers


def _write_together(request: ImageRequest, name: str) -> Call:
    given = _addresses(request)
    pictures: Fields = {}
    if given:
        pictures = {"image_url": given[0]} if ONE_PICTURE in name else {"reference_images": given}
    number = request.n if request.n > 1 else None
    body = {"model": name, "prompt": request.prompt, "n": number, **_edges(request), **_said(request), **pictures}
    return _post("/together/v1/images/generations", {**body, "response_format": "base64"}, request)


def _write_nscale(request: ImageRequest, name: str) -> Call:
    body = {
        "model": name,
        "prompt": request.prompt,
        "n": request.n if request.n > 1 else None,
        "size": str(request.size) if request.size else None,
        **_said(request),
        "response_format": "b64_json",
    }
    return _post("/nscale/v1/images/generations", body, request)


def _read_images_api(body: Node) -> Done:
    found = [picture(item) for item in body["data"].items()]
    if not found:
        raise errors.BadReply("no picture", path="$.data")
    return Done(found, Usage(images=len(found)))


# WaveSpeed


def _write_wavespeed(request: ImageRequest, name: str) -> Call:
    given = _addresses(request)
    body = {
        "prompt": request.prompt or None,
        "size": f"{request.size.width}*{request.size.height}" if request.size else None,
        **_said(request),
        **({"image": given[0]} if len(given) == 1 else {"images": given} if given else {}),
    }
    return _post(f"/wavespeed/api/v3/{name}", body, request)


def _read_wavespeed(body: Node) -> Done | Wait:
    """The address to ask that it gives is WaveSpeed's own; the router has the same path."""
    task = body["data"]
    status = task["status"].text
    if status in {"created", "processing"}:
        name = quote(task["id"].text, safe="")
        return Wait(Call.get(f"/wavespeed/api/v3/predictions/{name}/result"), WAVESPEED_SECONDS)
    if status in {"failed", "cancelled", "timeout", "deleted"}:
        raise _failure("WaveSpeed", task.text_at("error") or status)
    if status != "completed":
        raise errors.BadReply(f"unknown task status {status!r}", path="$.data.status")
    return _done([ImageUrl(each.text) for each in task["outputs"].items()], path="$.data.outputs")


# Z.ai


def _write_zai(request: ImageRequest, name: str) -> Call:
    body = {"model": name, "prompt": request.prompt, "size": str(request.size) if request.size else None}
    return _post("/zai-org/api/paas/v4/async/images/generations", body, request)


def _read_zai(body: Node) -> Done | Wait:
    status = body["task_status"].text
    if status == "PROCESSING":
        return Wait(Call.get(f"/zai-org/api/paas/v4/async-result/{quote(body['id'].text, safe='')}"), ZAI_SECONDS)
    if status == "FAIL":
        raise _failure("Z.ai", "the task failed")
    if status != "SUCCESS":
        raise errors.BadReply(f"unknown task status {status!r}", path="$.task_status")
    return _done([ImageUrl(each["url"].text) for each in body["image_result"].items()], path="$.image_result")


# What is common to them


def _done(found: list[ImageUrl], *, path: str, moderation: str | None = None) -> Done:
    if not found:
        raise errors.BadReply("no picture", path=path)
    return Done(list(found), Usage(images=len(found)), moderation=moderation)


def _failure(vendor: str, said: str) -> errors.ProviderError:
    """A job that failed says of what in words only."""
    if is_refusal(said):
        return errors.ModerationBlocked(f"{vendor}: {said}")
    return errors.job_ended(f"{vendor}: {said}")


@dataclass(frozen=True, slots=True)
class Dialect:
    write: Write
    read: Read


DIALECTS: Mapping[str, Dialect] = {
    "hf-inference": Dialect(_write_own, _read_own),
    "fal-ai": Dialect(_write_fal, _read_fal),
    "replicate": Dialect(_write_replicate, _read_replicate),
    "together": Dialect(_write_together, _read_images_api),
    "nscale": Dialect(_write_nscale, _read_images_api),
    "wavespeed": Dialect(_write_wavespeed, _read_wavespeed),
    "zai-org": Dialect(_write_zai, _read_zai),
}
"""By the vendor's slug."""

ADAPTER = HuggingFace
