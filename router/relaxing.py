"""What would help when no model can: the request with one demand less, for each demand that was in the way."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..providers.base.request import POLICY_FIELDS, ImageRequest
from .contract import CONVERTIBLE, Policies


@dataclass(frozen=True, slots=True)
class Change:
    """A request with one demand less, in words."""

    words: str
    field: str
    request: ImageRequest
    policies: Policies


def relaxations(request: ImageRequest, policies: Policies, unmet: set[str]) -> list[Change]:
    """Every way to ask for less, among the demands that some model could not meet."""
    found: list[Change] = []

    def without(name: str, words: str, **changes: object) -> None:
        found.append(Change(words, name, replace(request, **changes), policies))  # pyright: ignore[reportArgumentType]

    if "background" in unmet and request.background != "auto":
        without(
            "background",
            f"drop {'transparency' if request.background == 'transparent' else 'the background'}",
            background="auto",
        )
    for name in POLICY_FIELDS:
        if name in unmet:
            softer = Policies({**policies.by_field, name: "adapt"}, policies.default)
            words = f"let the {name.replace('_', ' ')} be adapted"
            if name == "output_format" and request.output_format is None:
                continue  # it was not asked for
            if name == "output_format" and request.output_format not in CONVERTIBLE:
                without(name, f"drop the output format {request.output_format}", output_format=None)
            else:
                found.append(Change(words, name, request, softer))
    if "mask" in unmet:
        without("mask", "drop the mask", mask=None)
    if "references" in unmet or ("operation" in unmet and request.references):
        without("references", "drop the reference images", references=())
        if len(request.references) > 1:
            without("references", "use one reference image", references=request.references[:1])
    if "images" in unmet and len(request.images) > 1:
        without("images", "use one source image", images=request.images[:1], references=())
    if "needs" in unmet:
        without("needs", f"drop the need for {', '.join(request.needs)}", needs=())
    if "text" in unmet:
        without("text", "drop the words to spell", text=())
    if "region" in unmet:
        without("region", "allow any region", region=None)
    if "prompt" in unmet:
        without("prompt", "shorten the prompt to 1,000 characters", prompt=request.prompt[:1000])
    if "max_cost_usd" in unmet:
        without("max_cost_usd", "raise the price ceiling", max_cost_usd=None)
    return found
