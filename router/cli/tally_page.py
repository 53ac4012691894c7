"""The report as a page: figures, charts and tables in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from html import escape

from ..ledger import By, Line, Report
from . import show

WIDTH, HEIGHT = 960, 220
"""Of a chart, in the units of its drawing; on the page it is as wide as there is room."""
LEFT, BELOW, ABOVE = 64, 22, 8
"""Room for what is written at its edges."""
STEPS = 4
MOST_BARS = 12
MOST_DAYS = 400
TITLES: dict[By, str] = {
    "day": "Day by day",
    "model": "By model",
    "deployment": "By deployment",
    "route": "By route",
    "team": "By team",
    "project": "By project",
    "key": "By key",
    "operation": "By operation",
    "outcome": "By outcome",
}
STYLE = """
:root { color-scheme: light dark; --line: #8883; --faint: #777; --first: #3b6ea8; --second: #d08a2e; --third: #b5433f }
@media (prefers-color-scheme: dark) {
  :root { --faint: #999; --first: #6fa3dd; --second: #e3a857; --third: #e0716d } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 3rem auto; padding: 0 1.5rem }
h1 { font-weight: 600; margin: 0 } h2 { font-size: 1.2rem; font-weight: 600; margin: 3rem 0 .6rem }
h3 { font-size: .95rem; font-weight: 600; margin: 1.4rem 0 .3rem }
p { margin: .2rem 0; color: var(--faint) }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1rem; margin: 2rem 0 }
dl div { border-top: 2px solid var(--line); padding-top: .5rem }
dt { color: var(--faint); font-size: .85rem } dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums }
svg { width: 100%; height: auto; display: block; overflow: visible }
svg text { font: 11px system-ui, sans-serif; fill: var(--faint) } svg text.name { font-size: 13px; fill: currentColor }
.grid { stroke: var(--line) } .first { fill: var(--first) }
.second { fill: var(--second) } .third { fill: var(--third) }
path.first, path.second { fill: none; stroke-width: 2; stroke: var(--first) } path.second { stroke: var(--second) }
.key span::before { content: "■ "; color: var(--first) } .key span.second::before { color: var(--second) }
.key span.third::before { color: var(--third) } .key span { margin-right: 1.2rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; margin-top: 1rem }
th { text-align: right; font-weight: 400; color: var(--faint); border-bottom: 1px solid var(--line) }
th { white-space: nowrap }
td { text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap } th, td { padding: .25rem .6rem }
th:first-child, td:first-child { text-align: left; padding-left: 0; overflow-wrap: anywhere; white-space: normal }
"""
Value = Callable[[Line], float | None]


def dollars(amount: Decimal) -> str:
    """To the cent where it is more than a few dollars."""
    return f"${amount:,.2f}" if amount >= 10 or not amount else f"${amount:,.4f}"


def period(found: Report) -> str:
    """From its first day to its last; days are UTC's."""
    since = f"since {found.since.date()}" if found.since is not None else "ever since"
    return since if found.until is None else f"{since}, until {(found.until - timedelta(days=1)).date()}"


def render(reports: Sequence[Report], ledger: str, now: datetime) -> str:
    """`reports` has one by day."""
    days = next(each for each in reports if each.by == "day")
    title = "Easel report"
    sections = "\n".join(
        [_figures(days.lines), _by_day(days), *(_ranked(each) for each in reports if each.by != "day")]
    )
    about = f"{period(days)}, in {ledger}; made {now:%Y-%m-%d %H:%M} UTC. Days are UTC's, money is US dollars."
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n<p>{escape(about)}</p>\n{sections}\n</body>\n</html>\n"
    )


def _figures(lines: Sequence[Line]) -> str:
    requests = sum(each.requests for each in lines)
    images = sum(each.images for each in lines)
    cost = sum((each.cost_usd for each in lines), Decimal(0))
    risk = sum((each.at_risk_usd for each in lines), Decimal(0))
    figures = {
        "cost": dollars(cost),
        "at risk on top": dollars(risk),
        "pictures": f"{images:,}",
        "a picture": dollars(cost / images) if images else "-",
        "requests": f"{requests:,}",
        "refused": _share(sum(each.refusals for each in lines), requests),
        "failed": _share(sum(each.failures for each in lines), requests),
        "fell back": _share(sum(each.fallbacks for each in lines), requests),
    }
    said = "\n".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items())
    return f"<dl>\n{said}\n</dl>"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


# Day by day


def _by_day(found: Report) -> str:
    lines = _every_day(found.lines)
    if not lines:
        return f"<h2>{TITLES['day']}</h2>\n<p>There is nothing yet.</p>"
    return "\n".join(
        [
            f"<h2>{TITLES['day']}</h2>",
            "<h3>Cost</h3>",
            _columns(lines, [("first", lambda line: float(line.cost_usd))], lambda value: f"${_short(value)}"),
            "<h3>Requests</h3>",
            _key(("first", "answered"), ("second", "refused"), ("third", "failed")),
            _columns(
                lines,
                [("first", _answered), ("second", lambda line: line.refusals), ("third", lambda line: line.failures)],
                _short,
            ),
            "<h3>Seconds to an answer</h3>",
            _key(("first", "half took less (p50)"), ("second", "all but one in twenty took less (p95)")),
            _curves(
                lines,
                [("first", lambda line: line.latency_p50_seconds), ("second", lambda line: line.latency_p95_seconds)],
                lambda value: f"{_short(value)} s",
            ),
            f"<details><summary>Figures</summary>{_table('day', found.lines)}</details>",
        ]
    )


def _answered(line: Line) -> float:
    return line.requests - line.refusals - line.failures


def _every_day(lines: Sequence[Line]) -> list[Line | None]:
    """With the days between on which nothing was asked."""
    if not lines:
        return []
    by_name = {each.name or "": each for each in lines}
    first, last = date.fromisoformat(min(by_name)), date.fromisoformat(max(by_name))
    days = (last - first).days + 1
    if days > MOST_DAYS:  # so many would be no chart any more
        return list(lines)
    return [by_name.get((first + timedelta(days=each)).isoformat()) for each in range(days)]


def _columns(lines: Sequence[Line | None], parts: Sequence[tuple[str, Value]], write: Callable[[float], str]) -> str:
    """One column a day, its parts on top of one another."""
    most = max((sum(value(line) or 0 for _, value in parts) for line in lines if line is not None), default=0)
    top = _round_up(most)
    step = (WIDTH - LEFT) / len(lines)
    drawn: list[str] = []
    for place, line in enumerate(lines):
        if line is None:
            continue
        bottom = float(HEIGHT - BELOW)
        said = ", ".join(write(value(line) or 0) for _, value in parts)
        drawn.append(f"<g><title>{line.name}: {said}</title>")
        for kind, value in parts:
            height = (value(line) or 0) / top * (HEIGHT - BELOW - ABOVE)
            bottom -= height
            where = f'x="{LEFT + place * step + step * 0.1:.1f}" y="{bottom:.1f}"'
            drawn.append(f'<rect class="{kind}" {where} width="{step * 0.8:.1f}" height="{height:.1f}"/>')
        drawn.append("</g>")
    return _chart([*_grid(top, write), *drawn, *_dates(lines, step)])


def _curves(lines: Sequence[Line | None], curves: Sequence[tuple[str, Value]], write: Callable[[float], str]) -> str:
    known = [value(line) or 0 for _, value in curves for line in lines if line is not None]
    top = _round_up(max(known, default=0))
    step = (WIDTH - LEFT) / len(lines)
    drawn: list[str] = []
    for kind, value in curves:
        path, pen = "", "M"
        for place, line in enumerate(lines):
            seconds = value(line) if line is not None else None
            if seconds is None:
                pen = "M"
                continue
            x = LEFT + (place + 0.5) * step
            y = HEIGHT - BELOW - seconds / top * (HEIGHT - BELOW - ABOVE)
            path += f"{pen}{x:.1f} {y:.1f}"
            pen = "L"
            drawn.append(
                f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{line.name if line else ""}: '
                f"{write(seconds)}</title></circle>"
            )
        drawn.append(f'<path class="{kind}" d="{path}"/>')
    return _chart([*_grid(top, write), *drawn, *_dates(lines, step)])


def _chart(parts: Sequence[str], height: float = HEIGHT) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img">{"".join(parts)}</svg>'


def _grid(top: float, write: Callable[[float], str]) -> Iterator[str]:
    for step in range(STEPS + 1):
        y = HEIGHT - BELOW - step / STEPS * (HEIGHT - BELOW - ABOVE)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{write(top * step / STEPS)}</text>'


def _dates(lines: Sequence[Line | None], step: float) -> Iterator[str]:
    each = max(1, round(90 / step))
    for place, line in enumerate(lines):
        if line is not None and place % each == 0:
            x = LEFT + (place + 0.5) * step
            yield f'<text x="{x:.1f}" y="{HEIGHT - 4}" text-anchor="middle">{line.name}</text>'


def _round_up(most: float) -> float:
    """To a number that reads well when it is divided by the steps."""
    if most <= 0:
        return 1.0
    size = 10.0 ** (len(f"{most:.0f}") - 1) if most >= 1 else 10.0 ** -len(f"{1 / most:.0f}")
    return next(step * size for step in (1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100) if step * size >= most)


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if unit == 'k' else size):.3g}{unit}"
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.3g}"


def _key(*entries: tuple[str, str]) -> str:
    said = "".join(f'<span class="{kind}">{words}</span>' for kind, words in entries)
    return f'<p class="key">{said}</p>'


# By anything else


def _ranked(found: Report) -> str:
    """The dearest as bars, and all as a table."""
    shown = found.lines[:MOST_BARS]
    top = max((float(each.cost_usd) for each in shown), default=0.0) or 1.0
    row, words, left = 26, 90, 280
    drawn: list[str] = []
    for place, line in enumerate(shown):
        y = place * row
        width = float(line.cost_usd) / top * (WIDTH - left - words)
        drawn.append(
            f'<text class="name" x="{left - 10}" y="{y + 17}" text-anchor="end">{escape(_cut(_name(line)))}</text>'
            f'<rect class="first" x="{left}" y="{y + 4}" width="{max(width, 1):.1f}" height="{row - 8}"/>'
            f'<text x="{left + width + 8:.1f}" y="{y + 17}">{dollars(line.cost_usd)}</text>'
        )
    bars = _chart(drawn, max(1, len(shown) * row)) if drawn else "<p>There is nothing yet.</p>"
    rest = f"<p>and {len(found.lines) - MOST_BARS} more, below</p>" if len(found.lines) > MOST_BARS else ""
    return f"<h2>{TITLES[found.by]}</h2>\n{bars}\n{rest}\n{_table(found.by, found.lines)}"


def _name(line: Line) -> str:
    return "(none)" if line.name is None else line.name


def _cut(name: str) -> str:
    return name if len(name) <= 36 else f"{name[:35]}…"


def _table(by: By, lines: Sequence[Line]) -> str:
    names = ("requests", "pictures", "cost", "at risk", "p50", "p95", "fallbacks", "refusals", "failures", "retries")
    head = "".join(f"<th>{each}</th>" for each in (by, *names))
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in _cells(each))}</tr>" for each in lines)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _cells(line: Line) -> tuple[str, ...]:
    return (
        escape(_name(line)),
        f"{line.requests:,}",
        f"{line.images:,}",
        dollars(line.cost_usd),
        dollars(line.at_risk_usd),
        show.seconds(line.latency_p50_seconds),
        show.seconds(line.latency_p95_seconds),
        f"{line.fallbacks:,}",
        f"{line.refusals:,}",
        f"{line.failures:,}",
        f"{line.retries:,}",
    )
