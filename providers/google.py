"""Google's image models (Nano Banana), through generateContent of the Gemini API, and its videos (Veo), as operations.

Sources: the types of google-genai 3.4.0 and ai.google.dev/gemini-api/docs, read 2026-11-23. Of videos: the operations
that google-genai 3.4.0 reads (_operations_converters.py), and litellm 1.110.2 (llms/gemini/videos) for what is sent,
read 2026-11-25.

`provider_options: {google: …}` takes the API's own names, in camel case. `base/gemini.py` says where they go for a
picture; for a video they are members of `parameters` (`personGeneration`, `enhancePrompt`, …).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from .base import (
    Call,
    Done,
    ImageBase64,
    ImageRequest,
    ImageUrl,
    Model,
    Node,
    Reply,
    Standing,
    Usage,
    Wait,
    errors,
    images,
)
from .base.gemini import GenerateContent

POLL_SECONDS = 10.0
FILE = re.compile(r"files/[A-Za-z0-9_\-]+")
CODES: Mapping[int, type[errors.ProviderError]] = {
    3: errors.InvalidRequest,
    5: errors.ModelNotFound,
    7: errors.PermissionDenied,
    9: errors.PermissionDenied,
    16: errors.AuthenticationFailed,
}
"""google.rpc.Code of operations that failed; those that are not here, such as 8 and 13, may pass."""


class Google(GenerateContent):
    name = "google"
    default_base_url = "https://generativelanguage.googleapis.com/v1beta"
    wire: ClassVar[Mapping[str, str]] = {
        **GenerateContent.wire,
        "aspectRatio": "aspect_ratio",
        "durationSeconds": "seconds",
        "instances": "prompt",
        "negativePrompt": "negative_prompt",
        "numberOfVideos": "n",
        "resolution": "resolution",
        "sampleCount": "n",
    }

    def auth(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}

    def check(self, model: Model) -> Call:
        """Source: ai.google.dev/api/models, read 2026-11-23: up to 1,000 a page."""
        return Call.get("/models?pageSize=1000")

    def standing(self, reply: Reply) -> Standing:
        names = {each["name"].text.removeprefix("models/") for each in reply.json()["models"].items()}
        return Standing(frozenset(names), frozenset(name for name in names if "image" in name))

    def call(self, request: ImageRequest, model: Model) -> Call:
        return self._video_call(request, model) if request.operation == "video" else super().call(request, model)

    def read(self, reply: Reply, model: Model) -> Done | Wait:
        return _operation(reply.json()) if "video" in model.operations.value else super().read(reply, model)

    def _video_call(self, request: ImageRequest, model: Model) -> Call:
        """The reference image is the first frame, in base64."""
        first = request.references[0] if request.references else None
        instance: dict[str, object] = {"prompt": request.prompt}
        if first is not None:
            instance["image"] = {"bytesBase64Encoded": images.to_base64(first.data), "mimeType": first.media_type}
        said: dict[str, object] = {
            "aspectRatio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "resolution": request.resolution,
            "durationSeconds": request.length,
            "negativePrompt": request.negative_prompt,
            "seed": request.seed,
        }
        parameters = {name: value for name, value in said.items() if value is not None} | request.options(self.name)
        body = {"instances": [instance], "parameters": parameters or None}
        return Call.post(f"/models/{model.wire}:predictLongRunning", json=body)


def _operation(operation: Node) -> Done | Wait:
    """Only videos that came are charged. Each is at an address of Google's own, which wants the key."""
    done, failed = operation.get("done"), operation.get("error")
    if failed is not None:
        raise _failure(failed)
    if done is None or done.value is not True:
        return Wait(Call.get(f"/{operation['name'].text}"), POLL_SECONDS)
    answer = operation["response"]["generateVideoResponse"]
    samples = answer.get("generatedSamples")
    videos = [_video(each["video"]) for each in samples.items()] if samples else []
    if not videos:
        reasons = answer.get("raiMediaFilteredReasons")
        said = "; ".join(each.text for each in reasons.items()) if reasons else ""
        if not said and answer.get("raiMediaFilteredCount") is None:
            raise errors.BadReply("no video, and no reason given", path=f"{answer.path}.generatedSamples")
        raise errors.ModerationBlocked(f"Google made no video: {said or 'it was filtered'}", billed=False)
    return Done(images=list(videos), usage=Usage(images=len(videos)))


def _video(video: Node) -> ImageUrl | ImageBase64:
    """In the reply, or at an address, or under the name of a file."""
    encoded = video.get("encodedVideo")
    if encoded is not None:
        return ImageBase64(encoded.characters)
    uri = video["uri"].text
    return ImageUrl(f"/{uri}:download?alt=media" if FILE.fullmatch(uri) else uri, keyed=True)


def _failure(error: Node) -> errors.ProviderError:
    code = error["code"].integer
    kind = CODES.get(code, errors.ProviderUnavailable)
    return kind(f"the operation failed: {error.text_at('message') or 'no reason given'}", code=str(code))


ADAPTER = Google
