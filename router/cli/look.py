"""check and models: a look at what is configured and known. Nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import assert_never, get_args

from rich.table import Table
from rich.text import Text

from ...providers.base.capabilities import (
    AnySize,
    FixedSizes,
    FlexibleSizes,
    FollowsInput,
    Model,
    RatioRange,
    RatioTable,
    SizeRule,
)
from ...providers.base.clock import Clock, DateClock
from ...providers.base.errors import ConfigError, Problem
from ...providers.base.request import Need, Operation, OutputFormat
from .. import loading, settings
from ..catalog import Catalog, load_catalog
from ..document import did_you_mean
from ..loading import Loaded
from ..report import SQUARE, price_of_a_square
from ..router import Router
from . import door, report, show

# check


def check(config: Path | None, on: date | None) -> int:
    """Problems first, one a line with its place; then what is only worth knowing; then how much was looked at."""
    clock = DateClock(on) if on is not None else Clock()
    console = door.stdout()
    try:
        loaded = loading.load(config, today=clock.today())
    except ConfigError as error:
        return _problems(error.problems)
    for note in loaded.findings.notes:
        console.print(Text.assemble(("note ", show.WARNING), door.harmless(str(note))), soft_wrap=True)
    for lacking, names in _lacking(loaded).items():
        said = f"{lacking}: {len(names)} deployment{'s wait' if len(names) > 1 else ' waits'} for it "
        console.print(Text.assemble(("key  ", show.FAINT), said, (f"({show.some(names)})", show.FAINT)), soft_wrap=True)
    problems = loaded.findings.problems or _failed_tests(config, clock)
    if problems:
        return _problems(problems)
    counts = (len(loaded.settings.routes), "route"), (len(loaded.deployments), "deployment")
    counts += ((len(loaded.settings.tests), "test"),)
    said = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
    console.print(Text.assemble(f"{said}: ", ("all good", show.GOOD)))
    return door.DONE


def _failed_tests(config: Path | None, clock: Clock) -> tuple[Problem, ...]:
    async def run() -> tuple[Problem, ...]:
        async with Router(config, clock=clock) as router:
            return (await router.run_route_tests()).problems

    return asyncio.run(run())


def _problems(problems: Iterable[Problem]) -> int:
    count = 0
    for count, problem in enumerate(problems, 1):  # noqa: B007 (the last number is how many there were)
        door.stdout().print(door.harmless(str(problem)), soft_wrap=True)
    door.stderr().print(Text(f"{count} problem{'' if count == 1 else 's'}", show.BAD))
    return door.MEND


def _lacking(loaded: Loaded) -> dict[str, list[str]]:
    """What has to be set -> the deployments that wait for it."""
    found: dict[str, list[str]] = {}
    for each in loaded.deployments:
        if each.lacking is not None:
            found.setdefault(each.lacking, []).append(each.name)
    return found


# models


def models(
    config: Path | None, *, provider: str | None, can: Iterable[str], alive_on: date | None, as_json: bool
) -> int:
    catalog = _catalog(config)
    known = tuple(dict.fromkeys(each.provider for each in catalog.models.values()))
    if provider is not None and provider not in known:
        raise door.wrong("provider", f"is {provider!r}{did_you_mean(provider, known)}")
    found = [each for each in catalog.models.values() if provider is None or each.provider == provider]
    for word in can:
        found = [each for each in found if _can(each, word)]
    if alive_on is not None:
        found = [each for each in found if _answers(each, alive_on)]
    if as_json:
        door.print_json([_row(each) for each in found])
        return door.DONE
    console = door.stdout()
    console.print(_table(found, wide=console.width >= show.WIDE))
    count = f"{len(found)} of {len(catalog.models)} models"
    console.print(Text(f"{count}; price: a {SQUARE} picture of standard quality", show.FAINT))
    return door.DONE


def _catalog(config: Path | None) -> Catalog:
    catalog = load_catalog()
    own = settings.load(config).catalogue if config is not None else None
    return catalog.plus(load_catalog(own).models.values()) if own is not None else catalog


def _can(model: Model, word: str) -> bool:
    """Raises RequestError for a word that means nothing here."""
    abilities: Mapping[str, bool] = {
        "transparent_background": "transparent" in model.backgrounds.value,
        "mask": model.mask.value is not None,
        "references": (rule := model.input_images.value) is not None and rule.max_input_images > 1,
        "several": model.max_outputs_per_call.value > 1,
        "streaming": model.streaming.value is not None,
        **{hint: hint in model.hints.value for hint in ("seed", "style", "negative_prompt")},
        **{each: each in model.operations.value for each in get_args(Operation)},
        **{each: each in model.output.value.formats for each in get_args(OutputFormat)},
        **{each: model.strengths.value.get(each) == "strong" for each in get_args(Need)},
    }
    if word not in abilities:
        raise door.wrong("can", f"is {word!r}{did_you_mean(word, list(abilities))}")
    return abilities[word]


def _answers(model: Model, day: date) -> bool:
    life = model.lifecycle
    launched, shutdown = life.launched.value, life.shutdown.value
    return (launched is None or launched <= day) and (shutdown is None or day < shutdown)


def _sizes(rule: SizeRule) -> str:
    """In a few words."""
    match rule:
        case FixedSizes():
            return show.some(rule.sizes)
        case FlexibleSizes():
            step = f", multiples of {rule.multiple_of}" if rule.multiple_of > 1 else ""
            most = f"up to {rule.max_pixels / 1_000_000:.1f} MP" if rule.max_pixels else "any"
            return f"{most}{step}"
        case RatioTable():
            tiers = f" at {', '.join(rule.tiers)}" if rule.tiers else ""
            return f"{len(rule.ratios)} ratios{tiers}"
        case RatioRange():
            return f"{rule.widest} to {rule.tallest}"
        case FollowsInput():
            return "the source's"
        case AnySize():
            return "any"
    assert_never(rule)


def _row(model: Model) -> report.Json:
    life = model.lifecycle
    return {
        "model": model.key,
        "name": model.name,
        "operations": list(model.operations.value),
        "transparent_background": "transparent" in model.backgrounds.value,
        "sizes": _sizes(model.sizes.value),
        "price_usd": report.plain(price_of_a_square(model)),
        "price_status": model.price.status,
        "launched": report.plain(life.launched.value),
        "shutdown": report.plain(life.shutdown.value),
        "replacement": life.replacement.value,
        "source": model.source,
        "as_of": report.plain(model.as_of),
    }


def _table(found: Iterable[Model], *, wide: bool) -> Table:
    """On a narrow terminal without what only a wide one has room for."""
    columns = ("model", "does", "alpha", "sizes", "price", "is", "ends", "as of")
    kept = [name for name in columns if wide or name not in {"sizes", "is", "as of"}]
    table = show.listing(*kept, folds=("does", "sizes"))
    for each in found:
        price, shutdown = price_of_a_square(each), each.lifecycle.shutdown.value
        cells = {
            "model": Text(each.key),
            "does": Text(", ".join(each.operations.value)),
            "alpha": Text("yes", show.GOOD) if "transparent" in each.backgrounds.value else Text("no", show.FAINT),
            "sizes": Text(_sizes(each.sizes.value)),
            "price": Text(show.money(price), "" if price is not None else show.FAINT),
            "is": Text(each.price.status, show.FAINT),
            "ends": Text(str(shutdown)) if shutdown is not None else Text("-", show.FAINT),
            "as of": Text(str(each.as_of), show.FAINT),
        }
        table.add_row(*(cells[name] for name in kept))
    return table
