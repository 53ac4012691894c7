"""models: the catalogue as a list, as JSON and as a page. What is asked for is what is shown; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import assert_never, get_args

from rich.console import Group
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
from ...providers.base.clock import Clock
from ...providers.base.request import Need, Operation, OutputFormat
from .. import pricing, settings
from ..catalog import Catalog, load_catalog
from ..document import did_you_mean
from ..report import SQUARE, price_of_a_square
from . import door, report, show

COLUMNS = ("model", "does", "alpha", "typography", "sizes", "price", "status", "ends", "as of")
FOLDING = ("does", "sizes", "price")
NAMED = ("alpha", "typography", "ends", "as of")
"""Words that say nothing without their column's name."""
LETTERING = {"strong": show.GOOD, "fair": "", "weak": show.FAINT}
STATUS = {"available": "", "announced": show.FAINT, "deprecated": show.WARNING, "ended": show.BAD}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which models, as it was typed. None and nothing: all of them."""

    provider: str | None = None
    can: Sequence[str] = ()
    operation: str | None = None
    max_price: str | None = None
    alive_on: date | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A model, with what takes some working out."""

    model: Model
    square_usd: Decimal | None
    status: str


def models(config: Path | None, wanted: Wanted, *, as_json: bool, as_markdown: bool) -> int:
    catalog = catalogue(config)
    found, without_price = _found(catalog, wanted)
    if as_markdown:
        from . import models_page

        print(models_page.page(config, [each.model for each in found]), end="")
        return door.DONE
    if as_json:
        door.print_json([_row(each) for each in found])
        return door.DONE
    console = door.stdout()
    rows = [_cells(each) for each in found]
    if console.width >= _least_width(rows):
        console.print(_table(rows))
    else:
        console.print(Group(*_stacked(rows)), crop=False)
    said = f"{len(found)} of {len(catalog.models)} models; price: a {SQUARE} picture of standard quality"
    if without_price:
        said += f"; {without_price} more have no known price"
    console.print(Text(said, show.FAINT))
    return door.DONE


def catalogue(config: Path | None) -> Catalog:
    """All of what ships, and what the configuration has of its own."""
    catalog = load_catalog()
    own = settings.load(config).catalogue if config is not None else None
    return catalog.plus(load_catalog(own).models.values()) if own is not None else catalog


def of_provider(catalog: Catalog, provider: str | None) -> list[Model]:
    """All, or one provider's. Raises RequestError for a provider that has none."""
    known = tuple(dict.fromkeys(each.provider for each in catalog.models.values()))
    if provider is not None and provider not in known:
        raise door.wrong("provider", f"is {provider!r}{did_you_mean(provider, known)}")
    return [each for each in catalog.models.values() if provider is None or each.provider == provider]


# Which


def _found(catalog: Catalog, wanted: Wanted) -> tuple[list[Listed], int]:
    """Those that are wanted, and how many more would be if they had a known price. Raises RequestError."""
    most = _amount(wanted.max_price) if wanted.max_price is not None else None
    operations = get_args(Operation)
    if wanted.operation is not None and wanted.operation not in operations:
        raise door.wrong("operation", f"is {wanted.operation!r}{did_you_mean(wanted.operation, operations)}")
    models = of_provider(catalog, wanted.provider)
    for word in (*wanted.can, *([wanted.operation] if wanted.operation is not None else [])):
        models = [each for each in models if _can(each, word)]
    day = wanted.alive_on or Clock().today()
    found = [Listed(each, price_of_a_square(each), _status(each, day)) for each in models]
    if wanted.alive_on is not None:
        found = [each for each in found if each.status in {"available", "deprecated"}]
    if most is None:
        return found, 0
    unknown = sum(each.square_usd is None for each in found)
    return [each for each in found if each.square_usd is not None and each.square_usd <= most], unknown


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise door.wrong("max-price", f"is {text!r}; it must be US dollars for one picture, such as 0.05")
    return amount


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


def _status(model: Model, day: date) -> str:
    """Where in its life a model is on a day."""
    life = model.lifecycle
    if (shutdown := life.shutdown.value) is not None and shutdown <= day:
        return "ended"
    if (launched := life.launched.value) is not None and day < launched:
        return "announced"
    deprecated = life.deprecated.value
    return "deprecated" if deprecated is not None and deprecated <= day else "available"


# How it is said


def sizes(rule: SizeRule) -> str:
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
        case FollowsInput(scale=None):
            return "larger than the source's"
        case FollowsInput(scale=scale):
            return "the source's" if scale == 1 else f"{scale:f} times the source's"
        case AnySize():
            return "any"
    assert_never(rule)


def price(model: Model, square_usd: Decimal | None) -> str:
    """Of a square picture; of a video, what a second costs."""
    return pricing.described(model.price.value) if model.price.value.kind == "second" else show.money(square_usd)


def _row(listed: Listed) -> report.Json:
    model, life = listed.model, listed.model.lifecycle
    return {
        "model": model.key,
        "name": model.name,
        "operations": list(model.operations.value),
        "transparent_background": "transparent" in model.backgrounds.value,
        "typography": model.strengths.value.get("typography"),
        "sizes": sizes(model.sizes.value),
        "price_usd": report.plain(listed.square_usd),
        "price_status": model.price.status,
        "status": listed.status,
        "launched": report.plain(life.launched.value),
        "deprecated": report.plain(life.deprecated.value),
        "shutdown": report.plain(life.shutdown.value),
        "replacement": life.replacement.value,
        "source": model.source,
        "as_of": report.plain(model.as_of),
    }


Row = dict[str, Text]
"""Column -> words. What there is not has no cell."""


def _cells(listed: Listed) -> Row:
    model, ends = listed.model, listed.model.lifecycle.shutdown.value
    cells = {"model": Text(model.key), "does": Text(", ".join(model.operations.value))}
    if "transparent" in model.backgrounds.value:
        cells["alpha"] = Text("yes", show.GOOD)
    if (lettering := model.strengths.value.get("typography")) is not None:
        cells["typography"] = Text(lettering, LETTERING[lettering])
    cells["sizes"] = Text(sizes(model.sizes.value))
    cells["price"] = Text(price(model, listed.square_usd))
    if model.price.status != "confirmed":
        cells["price"].append(f" {model.price.status}", show.FAINT)
    cells["status"] = Text(listed.status, STATUS[listed.status])
    if ends is not None:
        cells["ends"] = Text(str(ends))
    cells["as of"] = Text(str(model.as_of), show.FAINT)
    return cells


def _least_width(rows: Sequence[Row]) -> int:
    """Of a table in which only the columns that fold are folded."""
    width = 0
    for name in COLUMNS:
        cells = [name, *(row[name].plain for row in rows if name in row)]
        width += 2 + max(len(word) for cell in cells for word in (cell.split() if name in FOLDING else [cell]))
    return width - 2


def _table(rows: Iterable[Row]) -> Table:
    table = show.listing(*COLUMNS, folds=FOLDING)
    none = Text("-", show.FAINT)
    for row in rows:
        table.add_row(*(row.get(name, none) for name in COLUMNS))
    return table


def _stacked(rows: Iterable[Row]) -> Iterator[Text]:
    """The same for narrow terminals and pipes: a line with the name, never broken, and below it what there is."""
    between = Text(" · ", show.FAINT)
    for row in rows:
        yield Text(row["model"].plain, show.STRONG, no_wrap=True, overflow="ignore")
        cells = [(name, cell) for name, cell in row.items() if name != "model"]
        words = [Text.assemble((f"{name} ", show.FAINT), cell) if name in NAMED else cell for name, cell in cells]
        yield Text.assemble("  ", between.join(words))
