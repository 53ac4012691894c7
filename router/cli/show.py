"""What people see: decisions, answers and errors as short tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...providers.base.errors import (
    AllAttemptsFailed,
    ConfigError,
    Dropped,
    EaselError,
    ModerationBlocked,
    NoModelCan,
)
from ...providers.base.response import Adaptation, Attempt, Candidate, Cost, Decision, Estimate, ImageResponse
from .door import harmless

if TYPE_CHECKING:
    from ...providers.base.response import OutputImage

NAMED = 3
"""How many deployments are named where many share a reason."""
LONGEST = 60
MOST_REASONS = 8
NARROW, WIDE = 90, 110
"""Terminals, in columns: too narrow for a picture beside words; wide enough for all of them."""
RETIRED = "retired"
GOOD, BAD, FAINT, STRONG, WARNING = "green", "red", "dim", "bold", "yellow"


# Words


def money(amount: Decimal | None) -> str:
    """To a hundredth of a cent, which is what a small picture costs."""
    return "unknown" if amount is None else f"${amount:.4f}"


def interval(estimate: Estimate) -> str:
    if estimate.expected is None or estimate.low is None or estimate.worst is None:
        return "no known price"
    if estimate.low == estimate.worst:
        return money(estimate.expected)
    return f"{money(estimate.expected)} ({money(estimate.low)} to {money(estimate.worst)})"


def paid(cost: Cost) -> str:
    words = {
        "vendor": "the vendor's own figure",
        "usage": "from the vendor's token counts",
        "list_price": "at its list price",
        "unknown": "not known",
    }
    said = f"{money(cost.actual_usd)} ({words[cost.basis]})"
    if cost.at_risk_usd:
        said += f", and up to {money(cost.at_risk_usd)} for attempts whose outcome is unknown"
    return said


def some(names: Sequence[str]) -> str:
    """A few of them by name, the others by number."""
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED + 1 else ", ".join(names)


def brief(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f} s" if value >= 0.1 else f"{value * 1000:.0f} ms"


# Errors


def failure(console: Console, error: EaselError) -> None:
    """Short: what was wrong, and what would help."""
    match error:
        case ConfigError():
            for problem in error.problems:
                console.print(Text.assemble(("error ", BAD), harmless(str(problem))), soft_wrap=True)
        case NoModelCan():
            headline = str(error).partition("\n")[0]
            console.print(Text.assemble(("error ", BAD), harmless(headline)))
            lines = passed_over(error.dropped)
            for line in lines[:MOST_REASONS]:
                console.print(Text.assemble("  ", line))
            if len(lines) > MOST_REASONS:
                console.print(Text(f"  and {len(lines) - MOST_REASONS} more reasons; easel explain lists them", FAINT))
            for each in error.relaxations:
                console.print(
                    Text.assemble(("  would help: ", GOOD), f"{each} ", (f"({some(each.deployments)})", FAINT))
                )
            if error.dropped and all(each.requirement == "key" for each in error.dropped):
                console.print(Text("  without any key: --simulate sends it to simulated vendors", FAINT))
        case AllAttemptsFailed() | ModerationBlocked():
            headline = str(error).partition("\n")[0]
            if isinstance(error, ModerationBlocked):
                headline = f"refused ({', '.join((error.stage, *error.categories))}): {headline}"
            console.print(Text.assemble(("error ", BAD), harmless(headline)))
            if error.attempts:
                console.print(attempts(error.attempts))
            if isinstance(error, AllAttemptsFailed) and error.spent_usd:
                console.print(f"spent {money(error.spent_usd)}")
        case _:
            console.print(Text.assemble(("error ", BAD), harmless(str(error))))
    for note in getattr(error, "__notes__", ()):
        console.print(Text.assemble(("note ", WARNING), harmless(str(note))))


# Decisions


@dataclass(frozen=True)
class Reason:
    """One unmet condition, and all whom it concerns."""

    first: Dropped
    deployments: tuple[str, ...]


def reasons(dropped: Iterable[Dropped]) -> list[Reason]:
    """Those with the same words, fact and source together; models that have ended come last."""
    found: dict[tuple[str, str, str, str], list[Dropped]] = {}
    for each in dropped:
        found.setdefault((each.unmet, each.fact, each.source, each.as_of), []).append(each)
    groups = sorted(found.values(), key=lambda group: group[0].requirement == RETIRED)
    return [Reason(group[0], tuple(each.deployment for each in group)) for group in groups]


def passed_over(dropped: Iterable[Dropped], *, names: bool = True) -> list[Text]:
    """One line for each unmet condition: how many it concerns, and a few of them. Ended models take one, the last."""
    found: dict[str, list[str]] = {}
    ended: list[str] = []
    for each in dropped:
        group = ended if each.requirement == RETIRED else found.setdefault(each.unmet, [])
        group.append(each.deployment)
    return [
        Text.assemble(
            f"{len(group)} {'model' if len(group) == 1 else 'models'}: {harmless(words)}",
            (f"  {some(group)}" if names else "", FAINT),
        )
        for words, group in (*found.items(), *([("ended", ended)] if ended else []))
    ]


def decision(console: Console, found: Decision) -> None:
    """The plan with its reasons and prices, then who was dropped and by which fact, then what would help."""
    title = Text.assemble("route ", (found.rule, STRONG), (f"   rules {found.rules_hash}", FAINT))
    console.print(title)
    if found.plan:
        plan(console, found.plan)
    else:
        console.print(Text("no configured model can serve this request", BAD))
    if found.dropped:
        console.print(Text("\ndropped", STRONG))
        for reason in reasons(found.dropped):
            console.print(Text.assemble("  ", harmless(reason.first.unmet), (f"  {some(reason.deployments)}", FAINT)))
            console.print(Text("    " + evidence(reason.first), FAINT), soft_wrap=True)
    if found.relaxations:
        console.print(Text("\nwould help", STRONG))
        for each in found.relaxations:
            console.print(Text.assemble("  ", (str(each), GOOD), (f"  {some(each.deployments)}", FAINT)))


def evidence(dropped: Dropped) -> str:
    """The fact, where and when it was read, and how sure it is."""
    parts = [dropped.fact, dropped.source, f"read {dropped.as_of}" if dropped.as_of else ""]
    parts += [dropped.status] if dropped.status != "confirmed" else []
    return harmless(" · ".join(part for part in parts if part))


def plan(console: Console, candidates: Sequence[Candidate]) -> None:
    """One row each; below, for the first, which is the one to be asked, every change and warning."""
    table = listing("", "deployment", "price", "why")
    for place, each in enumerate(candidates, 1):
        why = Text(harmless(each.why))
        if place > 1 and (said := _counted(each)):
            why.append(f"  ({said})", FAINT)
        price = Text(interval(each.estimate) if console.width >= WIDE else money(each.estimate.expected))
        if each.calls > 1:
            price.append(f" in {each.calls} calls")
        table.add_row(Text(str(place), FAINT), Text(each.deployment, STRONG if place == 1 else ""), price, why)
    console.print(table)
    first = candidates[0]
    console.print(Text.assemble("\n", (first.deployment, STRONG), f" would cost {interval(first.estimate)}"))
    for part in first.estimate.unpriced:
        console.print(Text(f"  not priced: {harmless(part)}", FAINT))
    for line in changes(first.adaptations, first.warnings):
        console.print(Text.assemble("  ", line))


def listing(*columns: str, folds: Sequence[str] = ("why",)) -> Table:
    """A table without lines. Only the columns in `folds` may break where the terminal is narrow."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=FAINT, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name not in folds)
    return table


def _counted(candidate: Candidate) -> str:
    counts = (len(candidate.adaptations), "change"), (len(candidate.warnings), "warning")
    return ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count)


def changes(adaptations: Iterable[Adaptation], warnings: Iterable[str]) -> list[Text]:
    lines = [
        Text.assemble(
            (f"{each.field} {each.kind}", WARNING if each.kind in {"clamped", "dropped"} else ""),
            harmless(f": {brief(each.asked)}" + (f" → {brief(each.sent)}" if each.sent is not None else "")),
            (f"  {harmless(each.reason)}", FAINT),
        )
        for each in adaptations
    ]
    return lines + [Text.assemble(("warning ", WARNING), harmless(each)) for each in warnings]


# Answers


def attempts(made: Iterable[Attempt]) -> Text:
    """In the order in which they were sent; tries that failed alike, one after another, take one line."""
    lines = Text()
    for _, group in groupby(made, key=lambda each: (each.deployment, each.outcome, each.error)):
        tries = list(group)
        last = tries[-1]
        lines.append("\n" if lines else "")
        lines.append(f"{last.deployment} ")
        lines.append(last.outcome, GOOD if last.outcome == "done" else BAD)
        lines.append(f", {len(tries)} tries" if len(tries) > 1 else "")
        lines.append(f" {seconds(sum(each.latency_seconds for each in tries))}", FAINT)
        if costs := [each.cost_usd for each in tries if each.cost_usd is not None]:
            lines.append(f" {money(sum(costs, Decimal(0)))}", FAINT)
        if last.error:
            lines.append(f"  {harmless(last.error)}", FAINT)
    return lines


Facts = list[tuple[str, Text]]
"""What is said of an answer, line by line: a name, and words."""


def facts(response: ImageResponse, files: Sequence[Path]) -> Facts:
    """How the pictures came about: files, model, reason, attempts, changes, warnings, money."""
    route = response.route
    rows: Facts = [
        ("file", Text.assemble((str(path), STRONG), f"  {described(image)}"))
        for path, image in zip(files, response.images, strict=True)
    ]
    snapshot = f" ({route.model_snapshot})" if route.model_snapshot else ""
    rows.append(("model", Text.assemble((route.deployment, STRONG), snapshot)))
    why = next((each.why for each in response.decision.plan if each.deployment == route.deployment), "")
    by_rule = "" if repr(route.rule) in why else f"route {route.rule!r}: "
    rows.append(("why", Text(harmless(by_rule + why))))
    rows.append(("attempts", attempts(response.attempts)))
    rows += [("changed", each) for each in changes(response.adaptations, ())]
    rows += [("warning", Text(harmless(each), WARNING)) for each in response.warnings]
    rows.append(("cost", Text(paid(response.cost))))
    rows.append(("estimate", Text(interval(response.cost.estimate), FAINT)))
    rows.append(("request", Text(response.request_id, FAINT)))
    return rows


def described(image: OutputImage) -> str:
    kind = image.media_type.removeprefix("image/").removeprefix("video/")
    pixels = f"{image.width}x{image.height} " if image.width else ""
    length = f", {image.seconds:.1f} s" if image.seconds is not None else ""
    return f"{pixels}{kind}{', with alpha' if image.has_alpha else ''}{length}"


def answer(console: Console, rows: Facts, picture: bytes) -> None:
    """The facts, with the picture to their left where the terminal can show one."""
    from . import thumbnail

    table = Table.grid(padding=(0, 2))
    table.add_column(style=FAINT, no_wrap=True)
    table.add_column(overflow="fold")
    for place, (name, words) in enumerate(rows):
        table.add_row("" if place and rows[place - 1][0] == name else name, words)
    cells = thumbnail.show(console, picture)
    if cells is None or console.width < NARROW:
        if cells is not None:
            console.print(cells)
        console.print(table)
        return
    both = Table.grid(padding=(0, 3, 0, 0))
    both.add_column(no_wrap=True)
    both.add_column()
    both.add_row(cells, table)
    console.print(both)
