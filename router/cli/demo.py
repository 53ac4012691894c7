"""demo: four requests, from the words to the file, with the reason for every choice."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import typer
from rich.text import Text

from ...providers.base.content import Content
from ...providers.base.errors import RequestError
from ...providers.base.request import Size
from ...providers.base.response import Decision, ImageResponse, OutputImage
from ...simulator import server
from ...simulator.server import Simulator
from ..router import Router
from ..steps.parse import new_request_id
from . import door, page, show
from .files import SUFFIXES
from .place import ledger_at, ledger_place
from .progress import watched
from .scenes import SCENES, Pictures, Scene, mask

PAGE = "index.html"
NEXT = (
    ('easel explain "a badge" --background transparent --on 2026-12-02', "who serves when gpt-image-1.5 is gone"),
    ('easel generate "a red kite" --simulate -o kite.png', "any request, without a key"),
    ("easel simulate", "the vendors on a port, for your own client"),
)


@dataclass(frozen=True)
class Shown:
    """One scene, played."""

    scene: Scene
    decision: Decision
    """Of every candidate, as `explain` gives it."""
    response: ImageResponse
    path: Path
    proof: str


def demo(out: Path, *, live: bool, yes: bool, force: bool) -> int:
    _claim(out, force=force)
    return asyncio.run(_live(out, yes=yes) if live else _simulated(out))


def _claim(out: Path, *, force: bool) -> None:
    """The folder is an earlier demo's, or empty, or not there: files of others are not written over."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        others = [each for each in out.iterdir() if not each.name.startswith(".")]
        earlier = page.MARK in (out / PAGE).read_text(encoding="utf-8") if (out / PAGE).is_file() else False
    except OSError as error:
        raise door.wrong("output", f"{out} cannot be used: {error.strerror}") from error
    if others and not earlier and not force:
        raise door.wrong("output", f"{out} has other files in it; name another folder, or give --force")


async def _simulated(out: Path) -> int:
    with server.running() as twins:
        async with Router(simulator_url=twins.base_url) as router:
            headline = (
                f"{len(SCENES)} requests to simulated vendors, as of {twins.world.today}: no key, nothing is paid."
            )
            door.stdout().print(headline)
            played = await _play(SCENES, router, out, twins)
    _end(played, out, headline, "with real vendors it would have cost")
    return door.DONE


async def _live(out: Path, *, yes: bool) -> int:
    """The same, without the vendor that is down: that one cannot be arranged."""
    async with Router(ledger=ledger_at(ledger_place(None))) as router:
        scenes = [each for each in SCENES if each.fault is None]
        able = await _priced(scenes, router)
        if not able:
            raise RequestError("no vendor with a key can do any of it; without a key: easel demo")
        if not yes:
            if not sys.stdin.isatty():
                raise door.wrong("yes", "is needed to pay without being asked, as there is no terminal to ask at")
            if not typer.confirm("Send them?"):
                return door.DONE
        played = await _play(able, router, out, None)
        _end(played, out, f"{len(played)} requests to the vendors themselves.", "it cost")
        return door.DONE


async def _priced(scenes: Sequence[Scene], router: Router) -> list[Scene]:
    """Says who would be asked, and the most that it may cost. Gives the scenes that somebody can do."""
    console = door.stdout()
    stand_in = {"poster": _blank(Size(1024, 1536))}
    able: list[Scene] = []
    worst, known = Decimal(0), True
    for scene in scenes:
        found = await router.explain(scene.given(stand_in), keys=True)
        if not found.plan:
            console.print(Text.assemble(f"{scene.name}: ", ("nobody can", show.WARNING)))
            for line in show.passed_over(found.dropped):
                console.print(Text.assemble("  ", line))
            continue
        able.append(scene)
        console.print(f"{scene.name}: {found.plan[0].deployment}, {show.interval(found.estimate)}")
        known = known and found.estimate.worst is not None
        worst += found.estimate.worst or Decimal(0)
    if scenes[0] not in able:  # nothing to edit
        able = [each for each in able if each.name != "edit"]
    console.print(Text(f"at worst {show.money(worst)}{'' if known else ', and what has no known price'}", show.STRONG))
    return able


def _blank(size: Size) -> OutputImage:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (size.width, size.height)).save(out, "PNG")
    return OutputImage(Content.raw(out.getvalue()), "image/png", size, has_alpha=False)


async def _play(scenes: Sequence[Scene], router: Router, out: Path, twins: Simulator | None) -> list[Shown]:
    before: dict[str, OutputImage] = {}
    played: list[Shown] = []
    for place, scene in enumerate(scenes, 1):
        console = door.stdout()
        console.print(Text.assemble("\n", (f"{place}  {scene.title}", show.STRONG)))
        console.print(Text(f"   {scene.command}\n", show.FAINT), soft_wrap=True)
        shown = await _one(scene, before, router, out, twins)
        before[scene.name] = shown.response.images[0]
        played.append(shown)
        show.answer(console, _facts(shown), shown.response.images[0].data)
    return played


async def _one(scene: Scene, before: Pictures, router: Router, out: Path, twins: Simulator | None) -> Shown:
    given = {**scene.given(before), "request_id": new_request_id()}
    decision = await router.explain(given, keys=True)
    if scene.fault is not None and twins is not None:
        twins.faults.add(scene.fault)
    response = await watched(router.run(given), router.ledger, decision.request_id)
    image = response.images[0]
    path = out / f"{scene.name}{SUFFIXES.get(image.media_type, '.bin')}"
    path.write_bytes(image.data)
    if "mask" in given:
        (out / "mask.png").write_bytes(mask(before["poster"].width, before["poster"].height))
    return Shown(scene, decision, response, path, scene.prove(image, before))


def _facts(shown: Shown) -> show.Facts:
    """What is said of an answer, without its id, and what was looked at besides."""
    facts = [(name, words) for name, words in show.facts(shown.response, [shown.path]) if name != "request"]
    dropped = [("dropped", line) for line in show.passed_over(shown.decision.dropped, names=False)]
    return [*facts, *dropped, ("proof", Text(shown.proof, show.GOOD))]


def _end(played: Sequence[Shown], out: Path, headline: str, what: str) -> None:
    """The page, the sum, and what to try next."""
    sections = [
        page.Section(
            title=each.scene.title,
            command=each.scene.command,
            file=each.path.name,
            picture=each.response.images[0].data,
            facts=[(name, words.plain) for name, words in _facts(each)],
        )
        for each in played
    ]
    (out / PAGE).write_text(page.render(headline, sections), encoding="utf-8")
    costs = [each.response.cost.actual_usd for each in played]
    total = sum((each for each in costs if each is not None), Decimal(0))
    unknown = " and what is not known" if None in costs else ""
    console = door.stdout()
    console.print(Text.assemble(f"\n{what}: ", (show.money(total), show.STRONG), unknown))
    console.print(Text.assemble("all of it on one page: ", (str(out / PAGE), show.STRONG)), soft_wrap=True)
    console.print(Text("\nnext", show.FAINT))
    for command, why in NEXT:
        console.print(Text.assemble(f"  {command}", (f"   {why}", show.FAINT)), soft_wrap=True)
