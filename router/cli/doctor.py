"""doctor: is every configured way to a vendor open? And probe: one small picture, to see what an account gets."""

from __future__ import annotations

import asyncio
import io
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import typer
from PIL import Image, ImageDraw
from rich.text import Text

from ...providers.base import images
from ...providers.base.errors import (
    AllAttemptsFailed,
    ConfigError,
    ModerationBlocked,
    NoModelCan,
    OverBudget,
    Problem,
    RequestError,
)
from ...providers.base.request import ImageRequest, InputImage
from ...providers.base.response import Candidate, ImageResponse
from .. import account
from .. import probe as probes
from ..account import Proven
from ..deployments import Deployment
from ..doctor import Finding
from ..router import Router
from ..steps.parse import new_request_id
from . import door, report, show
from .options import Setting
from .paint import opened
from .place import account_path
from .progress import watched

COLOURS = {"ok": show.GOOD, "note": show.WARNING, "problem": show.BAD, "unchecked": show.FAINT, "unset": show.FAINT}


# doctor


def doctor(config: Path | None, *, only: Sequence[str], simulate: bool, on: date | None, as_json: bool) -> int:
    """Asks what costs nothing. The exit code says whether anything has to be mended."""
    setting = Setting(config=config, simulate=simulate, on=on)
    proven = account.read(account_path(config))

    async def ask() -> tuple[Finding, ...]:
        async with opened(setting, recorded=False) as router:
            return await router.examine(proven)

    found = asyncio.run(ask())
    if only:
        names = {each.name.partition("/")[0] for each in found}
        if strange := [each for each in only if each not in names]:
            raise door.wrong("only", f"{strange[0]!r} is no row here; there are {', '.join(sorted(names))}")
        found = tuple(each for each in found if each.name.partition("/")[0] in only)
    counts = Counter(each.status for each in found)
    if as_json:
        door.print_json({"findings": report.plain(found), "counts": dict(counts)})
    else:
        _table(found, counts)
    usable = counts["ok"] + counts["unchecked"] + counts["note"]
    return door.MEND if counts["problem"] or not usable else door.DONE


def _table(found: Iterable[Finding], counts: Counter[str]) -> None:
    console = door.stdout()
    table = show.listing("", "deployment", "found", "what to do", folds=("found", "what to do"))
    unset: list[Finding] = []
    for each in found:
        if each.status == "unset":
            unset.append(each)
            continue
        name = Text.assemble(each.name, (f" {each.key}" if each.key else "", show.FAINT))
        said, advice = Text(door.harmless(each.said)), Text(door.harmless(each.advice or ""), show.FAINT)
        table.add_row(Text(each.status, COLOURS[each.status]), name, said, advice)
    if table.row_count:
        console.print(table)
    if unset:
        console.print(Text("not set", show.FAINT))
        for each in unset:
            console.print(
                Text.assemble(f"  {each.name}", (f"  {door.harmless(each.said)}", show.FAINT)), soft_wrap=True
            )
    words = (f"{counts[each]} {each}" for each in COLOURS if counts[each])
    console.print(Text(", ".join(words), show.BAD if counts["problem"] else show.GOOD))


# probe


@dataclass(frozen=True)
class _Priced:
    """The request that is to be sent, with what it will cost."""

    request: ImageRequest
    candidate: Candidate

    @property
    def worst(self) -> Decimal | None:
        return self.candidate.estimate.worst


def probe(
    name: str,
    *,
    max_cost: str,
    yes: bool,
    config: Path | None,
    ledger: str | None,
    simulate: bool,
    on: date | None,
    as_json: bool,
) -> int:
    """The price first; then, if it may be paid, the picture; then what was seen goes into the account's file."""
    most = _amount(max_cost)
    path = None if simulate else account_path(config)
    if path is not None:
        account.read(path)  # one that cannot be used is found before anything is paid for

    async def run() -> int:
        async with opened(Setting(config=config, ledger=ledger, simulate=simulate, on=on), recorded=True) as router:
            deployment = _ready(router, name)
            priced = await _cheapest(router, deployment, most)
            _say(deployment, priced, as_json=as_json)
            if not yes and not _agreed():
                return door.DONE
            return await _paint(router, deployment, priced, most, path, as_json=as_json)

    return asyncio.run(run())


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise door.wrong("max-cost", f"{text!r} is no amount in US dollars, such as 0.05") from error
    if not (amount.is_finite() and amount > 0):
        raise door.wrong("max-cost", f"is {text}; give an amount above 0, in US dollars")
    return amount


def _ready(router: Router, name: str) -> Deployment:
    """The one deployment that is meant, and that has its key."""
    ways = router.ways_to(name)
    ready = [each for each in ways if each.lacking is None]
    if not ways:
        raise RequestError(f"{name!r} is no deployment or model here; `easel models` lists them", field="model")
    if not ready:
        raise RequestError(f"{name!r} cannot be tried: {ways[0].lacking}", field="model")
    if len(ready) > 1:
        names = ", ".join(each.name for each in ready)
        raise RequestError(f"{name!r} can be had in several ways; name one: {names}", field="model")
    return ready[0]


async def _cheapest(router: Router, deployment: Deployment, most: Decimal) -> _Priced:
    """Raises NoModelCan when it cannot be asked for any, OverBudget when all cost more."""
    source, mask = _picture(), _hole()
    found: list[_Priced] = []
    dropped = ()
    for wish in probes.wishes(deployment.model, deployment.name, source, mask):
        decision = await router.explain(wish)
        found += [_Priced(wish, each) for each in decision.plan[:1]]
        dropped = decision.dropped or dropped
    priced = [each for each in found if each.worst is not None]
    if not found:
        raise NoModelCan(dropped, (), f"{deployment.name} cannot be tried with a small picture")
    if not priced:
        raise OverBudget(
            (), (), f"nobody knows what {deployment.name} costs, so --max-cost cannot be held; see its page"
        )
    best = min(priced, key=lambda each: (each.worst, each.candidate.estimate.expected))
    if best.worst is not None and best.worst > most:
        message = (
            f"the cheapest picture of {deployment.name} may cost {show.money(best.worst)}; --max-cost is ${most:f}"
        )
        raise OverBudget((), (), message)
    return best


def _say(deployment: Deployment, priced: _Priced, *, as_json: bool) -> None:
    console = door.stderr() if as_json else door.stdout()
    what, price = probes.described(priced.request), show.interval(priced.candidate.estimate)
    console.print(Text.assemble((deployment.name, show.STRONG), f" {what}: {price}"), soft_wrap=True)


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise door.wrong("yes", "is needed to pay without being asked, as there is no terminal to ask at")
    return typer.confirm("Pay for it?", err=True)


async def _paint(
    router: Router, deployment: Deployment, priced: _Priced, most: Decimal, path: Path | None, *, as_json: bool
) -> int:
    request_id = new_request_id()
    request = replace(priced.request, request_id=request_id, max_cost_usd=most)
    today = router.today()
    try:
        response = await watched(router.run(request), router.ledger, request_id)
    except (AllAttemptsFailed, ModerationBlocked) as error:
        outcome = error.attempts[-1].outcome if error.attempts else "refused"
        seen = Proven(works=False, outcome=outcome, as_of=today, request_id=request_id)
        _keep(path, deployment.name, seen)
        raise
    seen = _seen(request, response, today)
    _keep(path, deployment.name, seen)
    if as_json:
        place = str(path) if path is not None else None
        door.print_json({"deployment": deployment.name, "seen": report.plain(seen), "file": place})
        return door.DONE
    image = response.images[0]
    said = f"{show.described(image)}, {show.paid(response.cost)}, {show.seconds(seen.seconds)}"
    door.stdout().print(Text.assemble(("it works ", show.GOOD), said), soft_wrap=True)
    door.stdout().print(Text(f"noted in {path}" if path else "not noted: it was simulated", show.FAINT), soft_wrap=True)
    return door.DONE


def _seen(request: ImageRequest, response: ImageResponse, today: date) -> Proven:
    image = response.images[0]
    came = str(image.size) if image.width else "unknown"
    asked = str(request.size or "auto")
    return Proven(
        works=True,
        outcome="done",
        as_of=today,
        sizes={asked: came},
        costs_usd={probes.described(request): response.cost.actual_usd},
        cost_basis=response.cost.basis,
        media_type=image.media_type,
        seconds=round(response.timings.get("total", 0.0), 1),
        model_snapshot=response.route.model_snapshot,
        request_id=response.request_id,
    )


def _keep(path: Path | None, deployment: str, seen: Proven) -> None:
    if path is None:
        return
    try:
        account.note(path, deployment, seen)
    except OSError as error:
        raise ConfigError(
            [Problem(str(path), f"cannot be written: {error.strerror}; it was {seen.outcome}")]
        ) from error


def _picture() -> InputImage:
    """A red circle."""
    picture = Image.new("RGB", (probes.GIVEN.width, probes.GIVEN.height), "white")
    ImageDraw.Draw(picture).ellipse((256, 256, 768, 768), fill="red")
    return _png(picture)


def _hole() -> InputImage:
    """A mask whose middle is repainted."""
    picture = Image.new("RGBA", (probes.GIVEN.width, probes.GIVEN.height), (0, 0, 0, 255))
    ImageDraw.Draw(picture).rectangle((256, 256, 768, 768), fill=(0, 0, 0, 0))
    return _png(picture)


def _png(picture: Image.Image) -> InputImage:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return images.input_image(out.getvalue(), field="images", name="the probe's picture")
