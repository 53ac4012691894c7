"""models diff: what somebody else says of the same models. Two lists that disagree cannot both be right.

LiteLLM's price map is a file of its package: it is found and read there, and nothing of the package is run. What the
map's names and units mean was read in litellm 1.110.2: `model_prices_and_context_window_backup.json` and
`cost_calculator.py`, on 2026-11-23.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from rich.text import Text

from ...providers.base.capabilities import Fact, Model, TokenPrice
from ...providers.base.request import ImageRequest, Size
from .. import pricing
from . import door, report, show
from .models import catalogue, of_provider

PRICE_MAP = "model_prices_and_context_window_backup.json"
PROVIDERS = {
    "azure": "azure_openai",
    "azure_ai": "microsoft_mai",
    "bedrock": "bedrock",
    "black_forest_labs": "bfl",
    "dashscope": "dashscope",
    "fal_ai": "fal",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "minimax": "minimax",
    "openai": "openai",
    "openrouter": "openrouter",
    "recraft": "recraft",
    "replicate": "replicate",
    "runwayml": "runway",
    "stability": "stability",
    "tencent": "tencent",
    "together_ai": "together",
    "vercel_ai_gateway": "vercel_gateway",
    "vertex_ai": "vertex",
    "vertex_ai-image-models": "vertex",
    "vertex_ai-language-models": "vertex",
    "vertex_ai-video-models": "vertex",
    "xai": "xai",
    "zai": "zai",
}
"""LiteLLM's providers -> Easel's."""
NAME = re.compile(
    r"((?P<quality>low|medium|high|xhigh|max|standard|hd)/)?((?P<size>\d+-x-\d+)/)?(accounts/fireworks/models/)?"
    r"(?P<model>.+)"
)
"""An entry of the map without its provider: a model, or a model at a quality and a size."""
RATES = {
    "input_cost_per_token": "text_input",
    "cache_read_input_token_cost": "text_input_cached",
    "input_cost_per_image_token": "image_input",
    "cache_read_input_image_token_cost": "image_input_cached",
    "output_cost_per_image_token": "image_output",
    "output_cost_per_token": "text_output",
}
"""US dollars for a token there -> for a million of them here."""
TIERS = {"480p": "480p", "720p": "720p", "1080p": "1080p", "4k": "4K", "1K": "1K", "2K": "2K", "4K": "4K"}
"""What a price's name there ends in -> the resolution here."""
MANY_SECONDS = 60
"""A video that is longer than what is billed at least."""
PIXEL_DIGITS = Decimal("0.001")
"""What a price by the pixel was worked out from: a price of a picture, published to a tenth of a cent."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one of the two says, and where it has it from."""

    value: str
    source: str | None
    """None: it does not say."""
    as_of: date | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing that both say something of."""

    model: str
    what: str
    here: Side
    there: Side
    entry: str
    """Its name there."""
    agrees: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What the map says of a model, or of a model at a quality and a size."""

    name: str
    model: Model
    said: Mapping[str, object]
    quality: str | None
    size: Size | None

    def amount(self, name: str) -> Decimal | None:
        value = self.said.get(name)
        return Decimal(value) if isinstance(value, Decimal | int) and value else None

    def text(self, name: str) -> str | None:
        value = self.said.get(name)
        return value if isinstance(value, str) else None


def diff(config: Path | None, *, litellm: bool, provider: str | None, as_json: bool) -> int:
    if not litellm:
        raise door.wrong("litellm", "is missing: it says with whose list the catalogue is compared")
    models = of_provider(catalogue(config), provider)
    found = list(compared(models, _price_map()))
    contradictions = [each for each in found if not each.agrees]
    of_them = len({each.model for each in found})
    if as_json:
        rows = [{name: each for name, each in report.plain(one).items() if name != "agrees"} for one in contradictions]
        counts: report.Json = {"litellm": version("litellm"), "models": of_them, "compared": len(found)}
        door.print_json({**counts, "contradictions": rows})
        return door.DONE
    console = door.stdout()
    for each in contradictions:
        console.print(Text.assemble((each.model, show.STRONG), f"  {each.what}"), soft_wrap=True)
        console.print(_said("here   ", each.here, each.here.source))
        console.print(_said("litellm", each.there, each.there.source or f"no source; its entry is {each.entry}"))
    said = f"{len(found)} prices and ends of {of_them} models are in litellm {version('litellm')} too"
    count = f"{len(contradictions)} contradict" if contradictions else "none contradicts"
    console.print(Text.assemble(f"{said}: ", (count, show.WARNING if contradictions else show.GOOD)))
    return door.DONE


def _said(who: str, side: Side, source: str | None) -> Text:
    parts = [source or "", f"read {side.as_of}" if side.as_of else ""]
    parts += [side.status] if side.status not in {None, "confirmed"} else []
    words = "".join(f" · {part}" for part in parts if part)
    return Text.assemble((f"  {who} ", show.FAINT), door.harmless(side.value), (door.harmless(words), show.FAINT))


# Their map


def _price_map() -> Mapping[str, object]:
    """Raises RequestError where there is no litellm, or no map in it that can be read."""
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        raise door.wrong(
            "litellm", "compares with an installed litellm, and none is: pip install 'easel-images[litellm]'"
        )
    path = Path(spec.submodule_search_locations[0]) / PRICE_MAP
    try:
        content: object = json.loads(path.read_bytes(), parse_float=Decimal)
    except (OSError, ValueError) as error:
        raise door.wrong("litellm", f"found no price map: {path} cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise door.wrong("litellm", f"found no price map: {path} is no JSON object")
    return cast("Mapping[str, object]", content)


def _entries(models: Iterable[Model], prices: Mapping[str, object]) -> Iterator[Entry]:
    """The entries that are about one of the models."""
    known = {
        (each.provider, name): each for each in models for name in (*each.lifecycle.snapshots.value, each.wire, each.id)
    }
    for name, said in prices.items():
        if not isinstance(said, dict):
            continue
        entry = cast("Mapping[str, object]", said)
        provider = str(entry.get("litellm_provider"))
        first, slash, rest = name.partition("/")
        bare = rest if slash and provider.startswith(first) else name
        parts = NAME.fullmatch(bare)
        if parts is None or provider not in PROVIDERS:
            continue
        if model := known.get((PROVIDERS[provider], parts["model"])):
            size = Size.parse(parts["size"].replace("-", "")) if parts["size"] else None
            yield Entry(name, model, entry, parts["quality"], size)


# Do they agree?


def compared(models: Iterable[Model], prices: Mapping[str, object]) -> Iterator[Compared]:
    """Everything that both say something of. What several entries say alike of one model is there once."""
    seen: set[tuple[str, str, str]] = set()
    for entry in _entries(models, prices):
        for each in (*_ends(entry), *_rates(entry), *_prices(entry)):
            if (mark := (each.model, each.what, each.there.value)) not in seen:
                seen.add(mark)
                yield each


def _ends(entry: Entry) -> Iterator[Compared]:
    if (there := entry.text("deprecation_date")) is not None:
        fact = entry.model.lifecycle.shutdown
        here = str(fact.value) if fact.value is not None else "none is announced"
        source = entry.text("deprecation_source") or entry.text("source")
        yield _compared(entry, "shutdown", (fact, here), (source, there), agrees=here == there)


def _rates(entry: Entry) -> Iterator[Compared]:
    fact = entry.model.price
    if not isinstance(fact.value, TokenPrice):
        return
    for name, rate in RATES.items():
        here, there = getattr(fact.value.rates, rate), entry.amount(name)
        if here is not None and there is not None:
            there *= pricing.MILLION
            what = f"a million tokens of {rate.replace('_', ' ')}"
            said = entry.text("source"), _dollars(there)
            yield _compared(entry, what, (fact, _dollars(here)), said, agrees=here == there)


def _prices(entry: Entry) -> Iterator[Compared]:
    """Of a picture, or of a second of video, as the entry has it made."""
    second = entry.model.price.value.kind == "second"
    named = ("output_cost_per_second", "output_cost_per_video_per_second") if second else ("output_cost_per_image",)
    for name in named:
        if (amount := entry.amount(name)) is not None:
            yield from _price(entry, amount, second=second)
        for ending, resolution in TIERS.items():
            if (amount := entry.amount(f"{name}_{ending}")) is not None:
                yield from _price(entry, amount, resolution=resolution, second=second)
    # So they write what a painted picture costs, where nothing else says it.
    painted = entry.amount("input_cost_per_image")
    if painted is not None and not second and not any(each.startswith("output_cost_per") for each in entry.said):
        yield from _price(entry, painted)
    if entry.size is not None and (amount := entry.amount("input_cost_per_pixel")) is not None:
        yield from _price(entry, (amount * entry.size.pixels).quantize(PIXEL_DIGITS))


def _price(entry: Entry, there: Decimal, *, resolution: str | None = None, second: bool = False) -> Iterator[Compared]:
    """They agree where theirs is within what is expected here, to the digits that theirs has."""
    model, words = entry.model, entry.model.qualities.value
    if entry.quality is not None and (words is None or entry.quality not in words.words):
        return
    does = model.operations.value
    request = ImageRequest(
        operation="video" if second else "generate" if "generate" in does else does[0],
        size=entry.size,
        resolution=resolution,
        quality=entry.quality,
        seconds=MANY_SECONDS if second else None,
    )
    found = pricing.estimate(request, model)
    if found.low is None or found.worst is None:
        return
    ours = [each / MANY_SECONDS if second else each for each in (found.low, found.worst)]
    how = [str(each) for each in (entry.quality, entry.size, resolution) if each is not None]
    what = ", ".join(["a second of video" if second else "a picture", *how])
    here = " to ".join(dict.fromkeys(_dollars(each) for each in ours))
    agrees = ours[0].quantize(there) <= there <= ours[1].quantize(there)
    yield _compared(entry, what, (model.price, here), (entry.text("source"), _dollars(there)), agrees=agrees)


def _dollars(amount: Decimal) -> str:
    return f"${amount.normalize():f}"


def _compared(
    entry: Entry, what: str, here: tuple[Fact[Any], str], there: tuple[str | None, str], *, agrees: bool
) -> Compared:
    (fact, ours), (source, theirs) = here, there
    return Compared(
        entry.model.key,
        what,
        Side(ours, fact.source, fact.as_of, fact.status),
        Side(theirs, source),
        entry.name,
        agrees,
    )
