"""Servers that speak the Images API: one's own (vLLM-Omni, SGLang, LocalAI, stable-diffusion.cpp) or anybody's.

Sources: vllm-omni 0.30.0 entrypoints/openai/protocol/images.py, sglang 0.5.23
multimodal_gen/runtime/entrypoints/openai, mudler/LocalAI of 2026-08-22 core/http/endpoints/openai/image.go, xinference
4.1.0 api/restful_api.py, leejet/stable-diffusion.cpp of 2026-08-19 examples/server/api.md, read 2026-11-23.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from .base import Call, ImageRequest, Model, Node, Reply, Standing, Usage, images
from .base.errors import ConfigError, Problem
from .base.images_api import EDITS, GENERATIONS, ImagesApi, mask, pictures
from .base.listing import openai_list

INPAINTING = "/images/inpainting"


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where a server departs from the others."""

    mask_field: str = "mask"
    masked_edits: str = EDITS
    edits_in_json: bool = False
    """Without a mask, pictures go to generations as base64: `files` are changed, `ref_images` guide.

    unconfirmed: which of the two does which.
    """
    negative_after_bar: bool = False
    """The negative prompt follows the prompt after a `|`."""
    extras: Literal["fields", "kwargs", "prompt"] = "fields"
    """Where the seed and the negative prompt go: fields of their own, one field with JSON, or JSON within the prompt.

    A form has a field for the negative prompt in any case but the last.
    """


ENGINES: Mapping[str, Dialect] = {
    "vllm_omni": Dialect(mask_field="mask_image"),
    "sglang": Dialect(),
    "localai": Dialect(masked_edits=INPAINTING, edits_in_json=True, negative_after_bar=True),
    "xinference": Dialect(mask_field="mask_image", masked_edits=INPAINTING, extras="kwargs"),
    "stable_diffusion_cpp": Dialect(extras="prompt"),
}
RESPONSE_FORMATS = ("b64_json", "url", "none")


class OpenAICompatible(ImagesApi):
    """A `base_url`, such as http://gpu-1:8000/v1, and two settings for what differs.

    `engine`: vllm_omni, sglang, localai, xinference or stable_diffusion_cpp; none: as OpenAI's own. `response_format`:
    b64_json (which some answer only when asked: SGLang fails without, LocalAI and Xinference write a file and give its
    address), url, or none to leave it out.
    """

    name = "openai_compatible"
    settings = frozenset({"engine", "response_format"})
    wire: ClassVar[Mapping[str, str]] = {
        **ImagesApi.wire,
        "files": "images",
        "kwargs": "seed",
        "mask_image": "mask",
        "negative_prompt": "negative_prompt",
        "ref_images": "references",
        "seed": "seed",
        "style": "style",
    }
    needs_key = False

    def __init__(self, *, base_url: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(base_url=base_url, settings=settings)
        engine, response_format = self.options.get("engine"), self.options.get("response_format", "b64_json")
        wrong = [
            f"{name} {value!r} is none of {', '.join(known)}"
            for name, value, known in (
                ("engine", engine, ENGINES),
                ("response_format", response_format, RESPONSE_FORMATS),
            )
            if value is not None and value not in known
        ]
        if wrong:
            raise ConfigError([Problem(self.name, each) for each in wrong])
        self._dialect = ENGINES[engine] if engine else Dialect()
        self._response_format = None if response_format == "none" else response_format

    def check(self, model: Model) -> Call:
        return Call.get("/models")

    def standing(self, reply: Reply) -> Standing:
        return openai_list(reply)

    def fields(self, request: ImageRequest, model: Model) -> dict[str, object]:
        """Beyond OpenAI's own: seed, negative prompt and style, for models whose facts say that they are taken."""
        whole = {
            **super().fields(request, model),
            "response_format": self._response_format,
            "seed": request.seed,
            "style": request.style,
        }
        if self._dialect.negative_after_bar:
            negative = f"|{request.negative_prompt}" if request.negative_prompt else ""
            return {**whole, "prompt": request.prompt + negative}
        extras: dict[str, object] = {"seed": request.seed, "negative_prompt": request.negative_prompt}
        if self._dialect.extras == "fields":
            return {**whole, **extras}
        if self._dialect.extras == "kwargs" and request.input_images:
            whole["negative_prompt"] = extras.pop("negative_prompt")
        said = {name: value for name, value in extras.items() if value is not None}
        text = json.dumps(said, ensure_ascii=False) if said else None
        if self._dialect.extras == "kwargs":
            return {**whole, "seed": None, "kwargs": text}
        tag = f"<sd_cpp_extra_args>{text}</sd_cpp_extra_args>" if text else ""
        return {**whole, "seed": None, "prompt": request.prompt + tag}

    def edit(self, request: ImageRequest, model: Model, body: Mapping[str, object]) -> Call:
        """As a form, in which objects (`lora`) are JSON texts and not OpenAI's brackets."""
        if self._dialect.edits_in_json and request.mask is None:
            given = {
                "files": [images.to_base64(each.data) for each in request.images] or None,
                "ref_images": [images.to_base64(each.data) for each in request.references] or None,
            }
            return Call.post(self.url(GENERATIONS, model), json={**given, **body}, stream=request.stream)
        return Call.form(
            self.url(EDITS if request.mask is None else self._dialect.masked_edits, model),
            fields=body,
            files=[*pictures(request.input_images), *mask(request, model, name=self._dialect.mask_field)],
            stream=request.stream,
        )

    def usage(self, body: Node) -> tuple[Usage, tuple[str, ...]]:
        """SGLang counts pictures instead of tokens."""
        found = body.at("usage", "image_count")
        if found is not None and isinstance(found.value, int) and not isinstance(found.value, bool):
            return Usage(images=found.value), ()
        return super().usage(body)


ADAPTER = OpenAICompatible
