"""Runway: submit a task, poll it, download the video. Its own models, and those of others under its name.

Sources: runwayml 5.24.0 (types/text_to_video_create_params.py, image_to_video_create_params.py,
task_retrieve_response.py) and docs.dev.runwayml.com (errors, task failures, moderation, pricing), read 2026-11-25.

Whole pixels go out as `ratio`, 1280:720, and so does an aspect ratio for models that take one. A task that moderation
ended costs as much as one that was painted; what a task cost stands in it, in credits of a cent.
`provider_options: {runway: …}` are fields of the body as they are (`audio`, `contentModeration`, `cfgScale`, …).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar
from urllib.parse import quote

from .base import Adapter, Call, Done, ImageRequest, ImageUrl, Model, Node, Reply, Usage, Wait, errors, images

VERSION = "2024-11-06"
POLL_SECONDS = 5.0
USD_PER_CREDIT = Decimal("0.01")
TASKS = "/v1/tasks/"
WAITING = frozenset({"PENDING", "THROTTLED", "RUNNING"})
SAFETY = "SAFETY"
"""A part of every code of a task that moderation ended: SAFETY.INPUT.TEXT, INPUT_PREPROCESSING.SAFETY.TEXT."""
NO_USE = ("INTERNAL.BAD_OUTPUT",)
"""A task that ended so may be tried again, but is not likely to succeed."""


class Runway(Adapter):
    name = "runway"
    default_base_url = "https://api.dev.runwayml.com"
    wire: ClassVar[Mapping[str, str]] = {
        "duration": "seconds",
        "model": "model",
        "negativePrompt": "negative_prompt",
        "outputFormat": "output_format",
        "promptImage": "references",
        "promptText": "prompt",
        "ratio": "size",
        "resolution": "resolution",
        "seed": "seed",
    }

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}", "x-runway-version": VERSION}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """The reference image is the first frame, as a data URL: with one it is another endpoint."""
        size = request.size
        ratio = f"{size.width}:{size.height}" if size else request.aspect_ratio
        frames = [{"uri": images.to_data_url(each), "position": "first"} for each in request.references]
        body: dict[str, object] = {
            "model": model.wire,
            "promptText": request.prompt,
            "promptImage": frames or None,
            "ratio": str(ratio) if ratio else None,
            "resolution": request.resolution,
            "duration": request.length,
            "negativePrompt": request.negative_prompt,
            "seed": request.seed,
        }
        endpoint = "image_to_video" if frames else "text_to_video"
        return Call.post(f"/v1/{endpoint}", json=body | request.options(self.name))

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        task = reply.json()
        status = task.get("status")
        if status is None or status.text in WAITING:
            return Wait(Call.get(f"{TASKS}{quote(task['id'].text, safe='')}"), POLL_SECONDS)
        cost = _cost(task)
        if status.text == "FAILED":
            raise _failure(task.text_at("failureCode") or "", cost)
        if status.text == "CANCELLED":
            raise errors.job_ended(
                "the task was cancelled", code=status.text, billed=None if cost is None else cost > 0
            )
        if status.text != "SUCCEEDED":
            raise errors.BadReply(f"unknown task status {status.text!r}", path="$.status")
        outputs = [ImageUrl(each.text) for each in task["output"].items()]
        if not outputs:
            raise errors.BadReply("no video", path="$.output")
        return Done(images=list(outputs), usage=Usage(images=len(outputs), cost_usd=cost))


def _cost(task: Node) -> Decimal | None:
    """What is charged in the end, refunds taken off; while a task runs there is an estimate only."""
    charged = task.find("cost", "credits")
    return charged.decimal * USD_PER_CREDIT if charged else None


def _failure(code: str, cost: Decimal | None) -> errors.ProviderError:
    billed = None if cost is None else cost > 0
    parts = code.split(".")
    if SAFETY in parts:
        where = parts[parts.index(SAFETY) + 1 :]
        stage = "output" if "OUTPUT" in where else "input"
        categories = tuple(part for part in where if part not in {"INPUT", "OUTPUT"})
        return errors.ModerationBlocked(
            f"Runway: {code}", stage=stage, categories=categories, code=code, billed=True if billed is None else billed
        )
    if parts[0] == "ASSET":
        refused = errors.InvalidRequest(f"the task failed: {code}", code=code)
        refused.billed = billed
        return refused
    failed = errors.ProviderUnavailable(f"the task failed: {code or 'no code given'}", code=code or None)
    failed.billed = billed
    failed.retry = billed is False and not code.startswith(NO_USE)
    return failed


ADAPTER = Runway
