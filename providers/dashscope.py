"""Alibaba Model Studio (DashScope): Qwen-Image, answered at once, and Wan, as tasks.

Sources: alibabacloud.com/help/en/model-studio/qwen-image-generation-and-editing-api-reference, …/error-code,
its guide to text-to-image as copied in github.com/jedzqer/astrbot_plugin_aliyun_aiimg, dashscope 2.0.2, BerriAI/litellm
1.109.1 llms/dashscope, read 2026-11-23.

Three shapes: a conversation that is answered at once, the same as a task, and older Wan's task with a plain prompt. Key
and host are of one region: `base_url: https://dashscope.aliyuncs.com` is Beijing's. `provider_options: {dashscope: …}`
are members of `parameters` (`prompt_extend`, `watermark`, …). There is a fourth shape, the Images API's, for which a
deployment of `openai_compatible` will do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import quote

from .base import Adapter, Call, Done, ImageRequest, ImageUrl, Model, Node, Reply, Usage, Wait, errors, images

SERVICES = "/api/v1/services/aigc"
AT_ONCE = f"{SERVICES}/multimodal-generation/generation"
AS_TASK = f"{SERVICES}/image-generation/generation"
PLAIN_TASK = f"{SERVICES}/text2image/image-synthesis"
TASKS = "/api/v1/tasks/"
TASK_MODELS = ("wan2.6-", "wan2.7-")
PLAIN_MODELS = ("wan2.2-", "wan2.5-")
POLL_SECONDS = 3.0
"""As the vendor advises for the first half a minute."""

WAITING = frozenset({"PENDING", "RUNNING", "SUSPENDED"})
STOPPED = frozenset({"CANCELED", "UNKNOWN"})
"""UNKNOWN is a task that is not known, or not any more."""
REFUSED = "DataInspectionFailed"


class DashScope(Adapter):
    name = "dashscope"
    default_base_url = "https://dashscope-intl.aliyuncs.com"
    wire: ClassVar[Mapping[str, str]] = {
        "n": "n",
        "negative_prompt": "negative_prompt",
        "seed": "seed",
        "size": "size",
    }
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "AccessDenied": errors.PermissionDenied,
        "Arrearage": errors.QuotaExhausted,
        "InternalError": errors.ProviderUnavailable,
        "InvalidApiKey": errors.AuthenticationFailed,
        "InvalidParameter": errors.InvalidRequest,
        "Model.AccessDenied": errors.PermissionDenied,
        "ModelNotFound": errors.ModelNotFound,
        "Throttling": errors.RateLimited,
    }
    """By the code, or by what stands before its dot: Throttling.RateQuota. unconfirmed: the statuses they come with."""

    def auth(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    def call(self, request: ImageRequest, model: Model) -> Call:
        """A size as width*height; pictures as data URLs, sources first. How many is always said: each one is billed."""
        parameters: dict[str, object] = {
            "size": f"{request.size.width}*{request.size.height}" if request.size else None,
            "n": request.n,
            "seed": request.seed,
        }
        if model.wire.startswith(PLAIN_MODELS):
            asked = _present({"prompt": request.prompt, "negative_prompt": request.negative_prompt})
            path = PLAIN_TASK
        else:
            content = [
                *({"image": images.to_data_url(each)} for each in request.input_images),
                {"text": request.prompt},
            ]
            asked = {"messages": [{"role": "user", "content": content}]}
            parameters["negative_prompt"] = request.negative_prompt
            path = AS_TASK if model.wire.startswith(TASK_MODELS) else AT_ONCE
        said = _present(parameters) | request.options(self.name)
        call = Call.post(path, json={"model": model.wire, "input": asked, "parameters": said})
        return call if path == AT_ONCE else replace(call, headers={**call.headers, "x-dashscope-async": "enable"})

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        """A failure may come as HTTP 200, with a code where the output should be."""
        answer = reply.json()
        if answer.get("output") is None and answer.text_at("code"):
            raise self._failure(answer, status=reply.status)
        output = answer["output"]
        task = output.get("task_id")
        if task is None:
            return self._done(answer, model)
        status = output["task_status"].text
        if status in WAITING:
            return Wait(Call.get(f"{TASKS}{quote(task.text, safe='')}"), POLL_SECONDS)
        if status == "FAILED":
            raise self._failed(output, model)
        if status in STOPPED:
            raise errors.job_ended(f"the task ended without a picture: {status}", code=status)
        if status != "SUCCEEDED":
            raise errors.BadReply(f"unknown task status {status!r}", path="$.output.task_status")
        return self._done(answer, model)

    def _done(self, answer: Node, model: Model) -> Done:
        """Some pictures of a task may have failed where others came."""
        output = answer["output"]
        results = output.get("results")
        slots = list(results.items()) if results is not None else []
        failed = [each for each in slots if each.text_at("code")]
        painted = (
            [_result(each) for each in slots if not each.text_at("code")]
            if results is not None
            else list(_said(output))
        )
        if not painted and failed:
            raise self._failed(failed[0], model)
        if not painted:
            raise errors.BadReply("no picture", path="$.output")
        counted = answer.find("usage", "output_image_count") or answer.find("usage", "image_count")
        return Done(
            images=list(painted),
            usage=Usage(images=counted.integer if counted else len(painted)),
            request_id=answer.text_at("request_id"),
            warnings=tuple(f"a picture did not come: {each.text_at('code')}" for each in failed),
        )

    def error(self, reply: Reply) -> errors.ProviderError:
        failure = self._failure(reply.error_json() or Node({}), status=reply.status)
        if isinstance(failure, errors.RateLimited) or reply.status >= 500:
            failure.retry_after_seconds = reply.retry_after_seconds()
        return failure

    def _failure(self, body: Node, *, status: int) -> errors.ProviderError:
        """What `{code, message, request_id}` means; below 400 it came in place of an output."""
        code, request_id = body.text_at("code"), body.text_at("request_id")
        message = body.text_at("message") or f"HTTP {status}"
        if code == REFUSED:
            return errors.ModerationBlocked(message, status=status, code=code, request_id=request_id)
        kind = self._kind(code)
        if kind is None and status < 400:
            return errors.BadReply(f"an unknown code {code!r}: {message}", path="$.code", request_id=request_id)
        return (kind or errors.for_status(status))(message, status=status, code=code, request_id=request_id)

    def _failed(self, said: Node, model: Model) -> errors.ProviderError:
        """Why a task, or one picture of it, failed. Wan does not bill those; of Qwen-Image it is not said."""
        code = said.text_at("code")
        message = said.text_at("message") or "the task failed"
        if code == REFUSED:
            billed = False if model.wire.startswith("wan") else None
            return errors.ModerationBlocked(message, code=code, billed=billed)
        kind = self._kind(code)
        # A task that was throttled has ended: its failure must not read as if it could be asked for again.
        return (kind if kind and kind is not errors.RateLimited else errors.ProviderUnavailable)(message, code=code)

    def _kind(self, code: str | None) -> type[errors.ProviderError] | None:
        code = code or ""
        return self.codes.get(code) or self.codes.get(code.partition(".")[0])


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _said(output: Node) -> Iterator[ImageUrl]:
    """Every picture of every choice; between them may be words."""
    for choice in output["choices"].items():
        for part in choice["message"]["content"].items():
            if (address := part.get("image")) is not None:
                yield ImageUrl(address.text)


def _result(slot: Node) -> ImageUrl:
    return ImageUrl(slot["url"].text, revised_prompt=slot.text_at("actual_prompt"))


ADAPTER = DashScope
