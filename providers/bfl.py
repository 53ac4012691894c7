"""Black Forest Labs (FLUX): submit a job, poll it, download the picture.

Sources: docs.bfl.ai and github.com/black-forest-labs/skills, read 2026-11-23.

A model's wire name is its path below `/v1/`: flux-2-pro, flux-tools/erase-v1. `provider_options: {bfl: …}` are fields
of the body as they are (`safety_tolerance`, `prompt_upsampling`, `steps`, `guidance`, `raw`, `top`, `dilate_pixels`,
`grounding`, …); an option wins over what the request says. Left to itself the eraser takes 10 pixels more than are
marked: `dilate_pixels` is sent as 0 where the options say nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import ClassVar, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from .base import Adapter, Call, Done, ImageRequest, ImageUrl, Model, Node, Reply, Usage, Wait, errors, images

POLL_SECONDS = 0.5
USD_PER_CREDIT = Decimal("0.01")
RESULT_PATH = "/get_result"
WAITING = frozenset({"Pending", "Reasoning", "Generating"})
REFUSED = {"Request Moderated": "input", "Content Moderated": "output"}
FAILED = frozenset({"Error", "Failed"})
NOT_FOUND = "Task not found"

ONE_LIST = ("flux-3-",)
"""Models that take their pictures as a list, `images`."""
PROMPT_PICTURE = ("flux-pro-1.1", "flux-dev")
"""Models that only take a picture to be guided by, `image_prompt`."""
TOOLS = ("flux-pro-1.0-fill", "flux-pro-1.0-expand", "flux-tools/")
"""Models that work on one picture, `image`. All others take `input_image`, `input_image_2` and so on."""
ERASER = "flux-tools/erase-"
"""Takes a mask of black and white only, and grows it by 10 pixels where nothing is said."""
EXACT = 0


class BlackForestLabs(Adapter):
    name = "bfl"
    default_base_url = "https://api.bfl.ai"
    wire: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "aspect_ratio",
        "height": "size",
        "images": "images",
        "mask": "mask",
        "output_format": "output_format",
        "prompt": "prompt",
        "resolution": "resolution",
        "seed": "seed",
        "width": "size",
        **dict.fromkeys(("image", "input_image", *(f"input_image_{place}" for place in range(2, 9))), "images"),
    }
    key_hosts = (".bfl.ai",)  # jobs are polled at the region that took them: api.eu.bfl.ai, api.us.bfl.ai, …

    def auth(self, key: str) -> dict[str, str]:
        return {"x-key": key}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """Width and height in pixels; pictures as base64; in the mask, white is repainted (or erased)."""
        body: dict[str, object] = {
            "prompt": request.prompt or None,
            **_pictures(request, model),
            **_mask(request, model),
            "width": request.size.width if request.size else None,
            "height": request.size.height if request.size else None,
            "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "resolution": request.resolution,
            "seed": request.seed,
            "output_format": request.output_format,
        }
        return Call.post(f"/v1/{model.wire}", json=body | request.options(self.name))

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        job = reply.json()
        address = job.get("polling_url")
        if address:
            return Wait(Call.get(_with_id(address.text, job)), POLL_SECONDS, usage=_usage(job))
        status = job["status"].text
        if status in WAITING:
            return Wait(Call.get(reply.url), POLL_SECONDS)
        if status in REFUSED:
            raise errors.ModerationBlocked(
                f"Black Forest Labs: {status}", stage=REFUSED[status], categories=tuple(_reasons(job)), code=status
            )
        if status in FAILED:
            raise errors.ProviderUnavailable(f"the job ended in failure: {status}", code=status)
        if status == NOT_FOUND:
            raise _gone()
        if status != "Ready":
            raise errors.BadReply(f"unknown job status {status!r}", path="$.status")
        result = job["result"]
        prompt, seed = result.get("prompt"), result.get("seed")
        picture = ImageUrl(
            result["sample"].text,
            revised_prompt=prompt.text if prompt else None,
            seed=seed.integer if seed else None,
        )
        return Done(images=[picture], usage=Usage(images=1))

    def error(self, reply: Reply) -> errors.ProviderError:
        """403 is a bad key here, as 401 is; 404 is the job when it was the job that was asked for."""
        if reply.status == 404 and urlsplit(reply.url).path.endswith(RESULT_PATH):
            return _gone()
        error = super().error(reply)
        if reply.status == 403:
            return errors.AuthenticationFailed(str(error), status=403, code=error.code)
        return error

    def error_message(self, body: Node) -> str | None:
        """`detail` is text, or a list that names each field; the older shape is `{error, message}`."""
        members = cast("dict[str, object]", body.value)
        detail, message = members.get("detail"), members.get("message")
        if isinstance(detail, list):
            return "; ".join(_complaint(each) for each in cast("list[object]", detail))
        return message if isinstance(message, str) else super().error_message(body)


def _pictures(request: ImageRequest, model: Model) -> dict[str, object]:
    """Source images and references under the names that this model has for them."""
    encoded = [images.to_base64(each.data) for each in request.input_images]
    if not encoded:
        return {}
    if model.wire.startswith(ONE_LIST):
        return {"images": encoded}
    if model.wire.startswith(PROMPT_PICTURE):
        first = "image_prompt"
    else:
        first = "image" if model.wire.startswith(TOOLS) else "input_image"
    return {first if index == 1 else f"{first}_{index}": each for index, each in enumerate(encoded, 1)}


def _mask(request: ImageRequest, model: Model) -> dict[str, object]:
    if request.mask is None:
        return {}
    erases = model.wire.startswith(ERASER)
    mask = images.to_base64(images.masked(request.mask, repaint="white", binary=erases))
    return {"mask": mask, "dilate_pixels": EXACT if erases else None}


def _with_id(address: str, job: Node) -> str:
    """The address to poll; the job's id belongs to it, and is not always in it."""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise errors.BadReply(f"not an address: {error}", path="$.polling_url") from error
    if "id" in parse_qs(parts.query):
        return address
    identifier = urlencode({"id": job["id"].text})
    return parts._replace(query=f"{parts.query}&{identifier}" if parts.query else identifier).geturl()


def _usage(job: Node) -> Usage:
    """What the job costs, in credits, is said once: when it is taken."""
    cost, given, painted = job.get("cost"), job.get("input_mp"), job.get("output_mp")
    return Usage(
        input_megapixels=given.decimal if given else None,
        output_megapixels=painted.decimal if painted else None,
        cost_usd=cost.decimal * USD_PER_CREDIT if cost else None,
    )


def _gone() -> errors.ProviderError:
    return errors.job_ended("the job that was submitted is not known any more", code=NOT_FOUND)


def _reasons(job: Node) -> Iterator[str]:
    """`details: {"Moderation Reasons": [...]}`, where it is given. A refusal stays one whatever stands here."""
    details = cast("dict[str, object]", job.value).get("details")
    reasons = cast("dict[str, object]", details).get("Moderation Reasons") if isinstance(details, dict) else None
    for reason in cast("list[object]", reasons) if isinstance(reasons, list) else ():
        yield str(reason)


def _complaint(detail: object) -> str:
    """`{"loc": ["body", "width"], "msg": "…"}` as `width: …`."""
    if not isinstance(detail, dict):
        return str(detail)
    members = cast("Mapping[str, object]", detail)
    place = members.get("loc")
    names = [str(each) for each in cast("list[object]", place) if each != "body"] if isinstance(place, list) else []
    return f"{'.'.join(names)}: {members.get('msg', 'not accepted')}".removeprefix(": ")


ADAPTER = BlackForestLabs
