"""generateContent: the wire of Google's image models (Nano Banana), on the Gemini API and on Vertex AI.

Source: the types of google-genai 3.4.0 and ai.google.dev/gemini-api/docs, read 2026-11-23.

An adapter's options are the API's own names, in camel case. Names that belong to the request itself (`safetySettings`,
`tools`, `systemInstruction`, …, see `REQUEST_FIELDS`) go there; every other name is a field of `generationConfig`
(`temperature`, `thinkingConfig`, `responseModalities`, …), or of its `imageConfig` where the adapter says so. Objects
are merged with what the request says; the option wins where both speak.

A refusal is an HTTP 200 here: a blocked prompt has no candidates, a blocked picture has a finish reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar, cast

from . import errors, images
from .adapter import Adapter, Call, Done, ImageBase64, Wait
from .capabilities import Model
from .reply import Node, Reply
from .request import ImageRequest, InputImage
from .response import Usage

REQUEST_FIELDS = frozenset(
    {
        "cachedContent",
        "contents",
        "continuationToken",
        "generationConfig",
        "labels",
        "safetySettings",
        "serviceTier",
        "store",
        "systemInstruction",
        "toolConfig",
        "tools",
    }
)
FINISHED = frozenset({"STOP", "FINISH_REASON_UNSPECIFIED"})
REFUSED = frozenset(
    {
        "BLOCKLIST",
        "ESCALATION",
        "IMAGE_OTHER",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "MODEL_ARMOR",
        "NO_IMAGE",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
"""Output blocks. IMAGE_OTHER and NO_IMAGE give no cause, but come where the others come: whether to try elsewhere is
for a rule to say."""
FAILED = frozenset(
    {
        "CONTINUATION",
        "LANGUAGE",
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MAX_TOKENS",
        "MISSING_THOUGHT_SIGNATURE",
        "OTHER",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)
ACCOUNT_LIMITED = "PUP_LIMITED_DISABLED"
"""The account itself was limited for breaking the terms of use."""
ERROR_INFO = "google.rpc.ErrorInfo"
QUOTA_FAILURE = "google.rpc.QuotaFailure"
RETRY_INFO = "google.rpc.RetryInfo"


class GenerateContent(Adapter):
    wire: ClassVar[Mapping[str, str]] = {
        "candidateCount": "n",
        "contents": "prompt",
        "generationConfig": "aspect_ratio",
        "imageConfig": "aspect_ratio",
        "seed": "seed",
    }
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        "API_KEY_INVALID": errors.AuthenticationFailed,  # with status 400
        "BILLING_DISABLED": errors.QuotaExhausted,
        "CANCELLED": errors.OutcomeUnknown,
        "FAILED_PRECONDITION": errors.PermissionDenied,  # no billing, or a country that is not served
        "QUOTA_EXHAUSTED": errors.QuotaExhausted,
    }
    image_fields: ClassVar[frozenset[str]] = frozenset()
    """Options that are members of `imageConfig`."""

    def call(self, request: ImageRequest, model: Model) -> Call:
        """The prompt, then source images and references as inline bytes. There is no mask and no n: one picture."""
        given = {name: value for name, value in self.image_config(request).items() if value is not None}
        generation: dict[str, object] = {"responseModalities": ["IMAGE"]}
        if given:
            generation["imageConfig"] = given
        if request.seed is not None:
            generation["seed"] = request.seed
        parts = [{"text": request.prompt}, *(_inline(each) for each in request.input_images)]
        body: dict[str, object] = {"contents": [{"role": "user", "parts": parts}], "generationConfig": generation}
        for name, value in request.options(self.name).items():
            body = _merged(body, self._placed(name, value))
        return Call.post(f"/models/{model.wire}:generateContent", json=body)

    def image_config(self, request: ImageRequest) -> dict[str, object]:
        """The members of `imageConfig`; None leaves one out."""
        return {
            "aspectRatio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "imageSize": request.resolution,
        }

    def _placed(self, name: str, value: object) -> dict[str, object]:
        """An option where it belongs."""
        if name in REQUEST_FIELDS:
            return {name: value}
        return {"generationConfig": {"imageConfig": {name: value}} if name in self.image_fields else {name: value}}

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        answer = reply.json()
        feedback = answer.get("promptFeedback")
        blocked = feedback.get("blockReason") if feedback else None
        if feedback and blocked:
            raise errors.ModerationBlocked(
                f"Google blocked the prompt: {blocked.text}",
                stage="input",
                categories=_categories(feedback),
                code=blocked.text,
            )
        candidates = list(answer["candidates"].items())
        reasons = [_finish_reason(each) for each in candidates]
        pictures = [ImageBase64(data.characters) for each in candidates for data in _pictures(each)]
        if not pictures:
            raise _without_picture(reasons)
        snapshot, identifier = answer.get("modelVersion"), answer.get("responseId")
        return Done(
            images=list(pictures),
            usage=_usage(answer.get("usageMetadata"), len(pictures)),
            model_snapshot=snapshot.text if snapshot else None,
            request_id=identifier.text if identifier else None,
            warnings=tuple(f"Google stopped early: {reason}" for reason in reasons if reason not in FINISHED),
        )

    def error(self, reply: Reply) -> errors.ProviderError:
        """The reason in `error.details` says more than the status; the delay stands there too, not in a header."""
        error = super().error(reply)
        body = reply.error_json()
        if body is None or not isinstance(error, errors.RateLimited):
            return error
        if any("PerDay" in quota for quota in _quotas(body)):
            return errors.QuotaExhausted(str(error), status=error.status, code=error.code)
        error.retry_after_seconds = _retry_delay(body) or error.retry_after_seconds
        return error

    def error_code(self, body: Node) -> str | None:
        """The ErrorInfo's reason where it is one we know, else the status's name."""
        for detail in _details(body, ERROR_INFO):
            reason = detail.get("reason")
            if isinstance(reason, str) and reason in self.codes:
                return reason
        status = _error(body).get("status")
        return status if isinstance(status, str) else None


def _inline(image: InputImage) -> dict[str, object]:
    return {"inlineData": {"mimeType": image.media_type, "data": images.to_base64(image.data)}}


def _merged(ours: Mapping[str, object], theirs: Mapping[str, object]) -> dict[str, object]:
    """Objects are merged, member by member; for all else `theirs` wins."""
    merged = dict(ours)
    for name, value in theirs.items():
        current = merged.get(name)
        if isinstance(current, dict) and isinstance(value, dict):
            value = _merged(cast("dict[str, object]", current), cast("dict[str, object]", value))
        merged[name] = value
    return merged


# What came


def _finish_reason(candidate: Node) -> str:
    """Raises what the reason means, unless it can go together with a picture."""
    node = candidate.get("finishReason")
    reason = node.text if node else "FINISH_REASON_UNSPECIFIED"
    if reason in REFUSED:
        raise errors.ModerationBlocked(
            f"Google gave no picture: {reason}", stage="output", categories=_categories(candidate), code=reason
        )
    if reason == ACCOUNT_LIMITED:
        raise errors.PermissionDenied("Google has limited the account", code=reason)
    if reason not in FINISHED | FAILED:
        raise errors.BadReply(f"unknown finish reason {reason!r}", path=f"{candidate.path}.finishReason")
    return reason


def _pictures(candidate: Node) -> Iterator[Node]:
    """The data of every picture that is a result. Thoughts may hold pictures too: sketches, not results."""
    parts = candidate.find("content", "parts")
    for part in parts.items() if parts else ():
        thought = part.get("thought")
        inline = part.get("inlineData")
        if inline and not (thought and thought.value is True):
            yield inline["data"]


def _without_picture(reasons: list[str]) -> errors.ProviderError:
    """The answer ended without a picture and without a refusal. Its tokens may be on the bill."""
    failed = next((reason for reason in reasons if reason in FAILED), None)
    if failed is None:
        return errors.BadReply("no picture, and no reason given: the model answered in words", path="$.candidates")
    return errors.job_ended(f"Google gave no picture: {failed}", code=failed)


def _categories(where: Node) -> tuple[str, ...]:
    """The harm categories that were the cause, where Google names them. A refusal stays one whatever stands here."""
    ratings = cast("dict[str, object]", where.value).get("safetyRatings")
    found = (cast("dict[str, object]", each) for each in _list(ratings) if isinstance(each, dict))
    return tuple(str(each["category"]) for each in found if each.get("blocked") is True and "category" in each)


def _usage(counts: Node | None, pictures: int) -> Usage:
    """Tokens by modality. Thoughts are counted apart from the candidates, and billed as text."""
    if counts is None:
        return Usage(images=pictures)
    candidates, thoughts = _count(counts, "candidatesTokenCount"), _count(counts, "thoughtsTokenCount")
    painted = _of_modality(counts.get("candidatesTokensDetails"), "IMAGE")
    words = candidates - painted if candidates is not None and painted is not None else None
    return Usage(
        input_tokens=_sum(_count(counts, "promptTokenCount"), _count(counts, "toolUsePromptTokenCount")),
        input_text_tokens=_of_modality(counts.get("promptTokensDetails"), "TEXT"),
        input_image_tokens=_of_modality(counts.get("promptTokensDetails"), "IMAGE"),
        cached_input_tokens=_count(counts, "cachedContentTokenCount"),
        output_tokens=_sum(candidates, thoughts),
        output_text_tokens=_sum(words, thoughts),
        output_image_tokens=painted,
        images=pictures,
    )


def _count(counts: Node, name: str) -> int | None:
    found = counts.get(name)
    return found.integer if found else None


def _of_modality(details: Node | None, modality: str) -> int | None:
    """The tokens of one modality: zero when the list names others only, None when there is no list."""
    if details is None:
        return None
    return sum(each["tokenCount"].integer for each in details.items() if each["modality"].text == modality)


def _sum(a: int | None, b: int | None) -> int | None:
    return b if a is None else a + (b or 0)


# What went wrong


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _error(body: Node) -> dict[str, object]:
    error = cast("dict[str, object]", body.value).get("error")
    return cast("dict[str, object]", error) if isinstance(error, dict) else {}


def _details(body: Node, kind: str) -> Iterator[dict[str, object]]:
    """The members of `error.details` of one type. An error's shape is not relied on: what is odd is passed over."""
    for detail in _list(_error(body).get("details")):
        if isinstance(detail, dict):
            members = cast("dict[str, object]", detail)
            if str(members.get("@type", "")).endswith(kind):
                yield members


def _quotas(body: Node) -> Iterator[str]:
    """The names of the quotas that were exceeded, such as GenerateRequestsPerDayPerProjectPerModel-FreeTier."""
    for detail in _details(body, QUOTA_FAILURE):
        for violation in _list(detail.get("violations")):
            if isinstance(violation, dict):
                yield str(cast("dict[str, object]", violation).get("quotaId", ""))


def _retry_delay(body: Node) -> float | None:
    """RetryInfo's delay, written as a protobuf duration: "34s", "1.5s"."""
    for detail in _details(body, RETRY_INFO):
        found = re.fullmatch(r"(\d{1,5}(?:\.\d+)?)s", str(detail.get("retryDelay")))
        if found:
            return float(found[1])
    return None
