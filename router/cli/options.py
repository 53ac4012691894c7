"""The options of generate, edit and explain: declared once, the same on all three."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from .door import wrong

PICTURE = "The picture"
INPUTS = "Pictures given"
ROUTING = "Which model may serve"
RUNNING = "How it runs"
Strings = list[str] | None


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a date, such as 2026-12-02") from error


ON = typer.Option("--on", metavar="DATE", parser=day, help="As of this day, such as 2026-12-02.")
CONFIG = typer.Option("--config", "-c", help="A YAML file, or a folder of them; without it, what ships with Easel.")
LEDGER = typer.Option(
    "--ledger",
    metavar="PLACE",
    help="The file in which requests are written down, an address (postgresql://USER@HOST/NAME), or none. Without it: "
    "EASEL_LEDGER's, else ~/.local/share/easel/easel.db where the extra `ledger` is installed; for simulated requests "
    "none.",
)
KEYS = typer.Option(
    "--keys",
    metavar="PATH",
    help="The file of the gateway's keys. Without it: EASEL_KEYS's, else ~/.local/share/easel/keys.json.",
)
PROVIDER = typer.Option("--provider", help="Only this provider's.", metavar="NAME")
SINCE = typer.Option("--since", metavar="DATE", parser=day, help="Only from this day (UTC) on.")
UNTIL = typer.Option("--until", metavar="DATE", parser=day, help="Only up to this day (UTC), and with it.")
JSON = typer.Option("--json", help="Print one JSON object.")
FAULT = typer.Option(
    "--fault",
    metavar="TWIN=FAULT[:COUNT]",
    help="Make a simulated vendor fail: openai=down, bfl=hang:1, google=rate_limit:25%. Repeatable.",
)


def _option(name: str, panel: str, help_: str, metavar: str | None = None) -> object:
    return typer.Option(name, metavar=metavar, help=help_, rich_help_panel=panel)


@dataclass(frozen=True)
class Wish:
    """The request as it was typed. What is wrong with a value is said by `parse` and `validate`, not here."""

    prompt: Annotated[str, typer.Argument(help="What to paint, or what to change.", show_default=False)] = ""
    operation: Annotated[
        str | None, _option("--operation", PICTURE, "Such as video, upscale or remove_background.", metavar="WORD")
    ] = None
    text: Annotated[
        Strings, _option("--text", PICTURE, "Words that the picture must spell. Repeatable.", metavar="WORDS")
    ] = None
    needs: Annotated[
        Strings,
        _option(
            "--needs",
            PICTURE,
            "What the model must be good at: typography, photorealism, vector, character_consistency, "
            "search_grounding. Repeatable.",
            metavar="NEED",
        ),
    ] = None
    background: Annotated[
        str | None, _option("--background", PICTURE, "auto, opaque or transparent.", metavar="WORD")
    ] = None
    size: Annotated[str | None, _option("--size", PICTURE, "Pixels, such as 1024x1536.", metavar="WxH")] = None
    aspect_ratio: Annotated[str | None, _option("--aspect-ratio", PICTURE, "Such as 16:9.", metavar="W:H")] = None
    resolution: Annotated[
        str | None,
        _option("--resolution", PICTURE, "512, 1K, 2K or 4K; of a video 480p, 720p, 1080p or 4K.", metavar="TIER"),
    ] = None
    seconds: Annotated[float | None, _option("--seconds", PICTURE, "How long a video is to be.", metavar="SECONDS")] = (
        None
    )
    quality: Annotated[
        str | None, _option("--quality", PICTURE, "draft, standard, high, max, or a vendor's own word.", metavar="WORD")
    ] = None
    n: Annotated[int | None, _option("-n", PICTURE, "How many pictures, 1 to 100.", metavar="COUNT")] = None
    format: Annotated[
        str | None,
        _option(
            "--format",
            PICTURE,
            "png, jpeg, webp, gif or svg; mp4. Where it is not given, the ending of -o says it.",
            metavar="WORD",
        ),
    ] = None
    compression: Annotated[
        int | None, _option("--compression", PICTURE, "For jpeg and webp, 0 to 100: 100 keeps most.", metavar="NUMBER")
    ] = None
    seed: Annotated[int | None, _option("--seed", PICTURE, "For models that take one.", metavar="NUMBER")] = None
    style: Annotated[str | None, _option("--style", PICTURE, "For models that have styles.", metavar="WORD")] = None
    negative: Annotated[str | None, _option("--negative", PICTURE, "What should not appear.", metavar="WORDS")] = None
    partial_images: Annotated[
        int | None,
        _option("--partial-images", PICTURE, "Stream, and save this many previews, 0 to 3.", metavar="COUNT"),
    ] = None

    image: Annotated[
        Strings, _option("--image", INPUTS, "A picture to change. Repeatable: several are composed.", metavar="PATH")
    ] = None
    reference: Annotated[
        Strings,
        _option(
            "--reference",
            INPUTS,
            "A picture that guides style or subject; the first frame of a video. Repeatable.",
            metavar="PATH",
        ),
    ] = None
    mask: Annotated[
        str | None,
        _option("--mask", INPUTS, "As large as the picture; its transparent pixels are repainted.", metavar="PATH"),
    ] = None

    model: Annotated[
        str | None,
        _option("--model", ROUTING, "auto, a route, a deployment or a vendor's model id.", metavar="NAME"),
    ] = None
    max_cost: Annotated[
        str | None, _option("--max-cost", ROUTING, "The price ceiling, fallbacks included.", metavar="USD")
    ] = None
    policy: Annotated[
        Strings,
        _option(
            "--policy",
            ROUTING,
            "What may be done to a field: strict (as asked), warn (may be left out), adapt (may be changed). "
            "Such as size=strict, or default=strict. Repeatable.",
            metavar="FIELD=WORD",
        ),
    ] = None
    option: Annotated[
        Strings,
        _option(
            "--option",
            ROUTING,
            "A vendor's own field, such as bfl.safety_tolerance=2; the value as JSON or as it is. Repeatable.",
            metavar="PROVIDER.NAME=VALUE",
        ),
    ] = None

    deadline: Annotated[
        float | None, _option("--deadline", RUNNING, "From the call to the answer.", metavar="SECONDS")
    ] = None
    request_id: Annotated[
        str | None,
        _option("--request-id", RUNNING, "Names the request; the same one is never paid for twice.", metavar="ID"),
    ] = None

    def given(self, *, operation: str | None = None, output_format: str | None = None) -> dict[str, object]:
        """The fields of a request, as `Router.run` takes them. `output_format` stands in where none was typed."""
        return {
            "prompt": self.prompt,
            "operation": self.operation or operation,
            "text": self.text,
            "needs": self.needs,
            "background": self.background,
            "size": self.size,
            "aspect_ratio": self.aspect_ratio,
            "resolution": self.resolution,
            "seconds": self.seconds,
            "quality": self.quality,
            "n": self.n,
            "output_format": _format(self.format) or output_format,
            "output_compression": self.compression,
            "seed": self.seed,
            "style": self.style,
            "negative_prompt": self.negative,
            "stream": True if self.partial_images is not None else None,
            "partial_images": self.partial_images,
            "images": self.image,
            "references": self.reference,
            "mask": self.mask,
            "model": self.model,
            "max_cost_usd": self.max_cost,
            "deadline_seconds": self.deadline,
            "policy": _policies(self.policy or []),
            "provider_options": _provider_options(self.option or []),
            "request_id": self.request_id,
        }


@dataclass(frozen=True)
class Setting:
    """Against what a request runs, and what is written where."""

    config: Annotated[Path | None, CONFIG] = None
    ledger: Annotated[str | None, LEDGER] = None
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Send everything to simulated vendors, started here: no key is needed.")
    ] = False
    fault: Annotated[Strings, FAULT] = None
    on: Annotated[date | None, ON] = None
    out: Annotated[
        str | None,  # not a Path, which forgets the slash that says folder
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="The file, or a folder/. Several pictures get numbers: at {n} in the name, or before its ending.",
        ),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False
    as_json: Annotated[bool, JSON] = False


def _format(word: str | None) -> str | None:
    return "jpeg" if word == "jpg" else word


def _policies(given: list[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for each in given:
        field, equals, word = each.partition("=")
        if not (field and equals and word):
            raise wrong("policy", f"{each!r} is not FIELD=WORD, such as size=strict")
        found[field] = word
    return found or None


def _provider_options(given: list[str]) -> dict[str, dict[str, object]] | None:
    found: dict[str, dict[str, object]] = {}
    for each in given:
        name, equals, value = each.partition("=")
        provider, dot, field = name.partition(".")
        if not (provider and dot and field and equals):
            raise wrong("option", f"{each!r} is not PROVIDER.NAME=VALUE, such as bfl.safety_tolerance=2")
        try:
            found.setdefault(provider, {})[field] = json.loads(value)
        except ValueError:  # no JSON: it is meant as it stands
            found.setdefault(provider, {})[field] = value
    return found or None
