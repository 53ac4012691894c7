"""generate, edit and explain: one request, against the vendors or their simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace

from ...providers.base.clock import DateClock
from ...providers.base.errors import AllAttemptsFailed, EaselError
from ...providers.base.request import Operation
from ...providers.base.response import Decision, ImageResponse, PartialImage
from ...simulator import server
from ..report import with_keys
from ..router import Router
from ..steps.parse import new_request_id
from . import door, report, show
from .files import Output, format_of
from .options import Setting, Wish
from .place import ledger_at, ledger_place
from .progress import watched
from .simulate import fault_rules


def explain(wish: Wish, setting: Setting) -> int:
    """What would be done, and why. Nothing is sent and nothing is written down."""
    given = wish.given(output_format=format_of(setting.out))

    async def ask() -> Decision:
        async with opened(setting, recorded=False) as router:
            return with_keys(await router.explain(given), router.deployments)

    found = asyncio.run(ask())
    if setting.as_json:
        door.print_json(report.decision(found))
    else:
        show.decision(door.stdout(), found)
    if found.plan:
        return door.DONE
    dear = any(each.requirement == "max_cost_usd" for each in found.dropped)
    return door.OVER_BUDGET if dear else door.NOBODY


def paint(wish: Wish, setting: Setting, *, operation: Operation | None = None) -> int:
    """Send it, save what comes, and say how it came about."""
    if setting.on is not None and not setting.simulate:
        raise door.wrong("on", "needs --simulate here: vendors live today (explain takes it without)")
    wish = replace(wish, request_id=wish.request_id or new_request_id())
    several = wish.n or 1
    output = Output.of(setting.out, prompt=wish.prompt, several=several, force=setting.force)
    given = wish.given(operation=operation, output_format=output.output_format)
    try:
        response = asyncio.run(_sent(given, setting, output))
    except KeyboardInterrupt:
        said = f"stopped; what was sent by then may be billed all the same (request {wish.request_id})"
        door.stderr().print(said, soft_wrap=True)
        return door.INTERRUPTED
    except AllAttemptsFailed as error:
        raise door.Ended(error, {"request_id": wish.request_id, **_rejected(error, output)}) from error
    except EaselError as error:
        raise door.Ended(error, {"request_id": wish.request_id}) from error
    files = output.write(response.images, several=several)
    response = replace(response, warnings=(*response.warnings, *dict.fromkeys(output.notes)))
    if setting.as_json:
        door.print_json(report.answer(response, files))
    else:
        show.answer(door.stdout(), show.facts(response, files), response.images[0].data)
    return door.DONE


def _rejected(error: AllAttemptsFailed, output: Output) -> report.Json:
    """Pictures that were paid for and are not what was asked for: saved too, under names that say so."""
    count = len(error.images)
    paths = [
        output.save(image.data, image.media_type, number, count, label="rejected")
        for number, image in enumerate(error.images, 1)
    ]
    if not paths:
        return {}
    said = "1 picture is" if count == 1 else f"{count} pictures are"
    error.add_note(f"{said} paid for, and not what was asked for: {show.some(list(map(str, paths)))}")
    return {"rejected": [report.image(path, image) for path, image in zip(paths, error.images, strict=True)]}


async def _sent(given: Mapping[str, object], setting: Setting, output: Output) -> ImageResponse:
    previews = 0

    def keep(preview: PartialImage) -> None:
        nonlocal previews
        previews += 1
        path = output.save(preview.data, preview.media_type, 1, 1, label=f"preview-{previews}")
        door.stderr().print(f"preview {path}", soft_wrap=True)

    async with opened(setting, recorded=True) as router:
        return await watched(router.run(given, on_partial=keep), router.ledger, str(given["request_id"]))


@asynccontextmanager
async def opened(setting: Setting, *, recorded: bool) -> AsyncGenerator[Router]:
    """A Router as the options say; with --simulate the simulator runs beside it for as long."""
    if setting.fault and not setting.simulate:
        raise door.wrong("fault", "needs --simulate: real vendors fail on their own")
    place = ledger_place(setting.ledger, simulated=setting.simulate) if recorded else None
    clock = DateClock(setting.on) if setting.on is not None else None
    rules = fault_rules(setting.fault or ())
    with server.running(today=setting.on, faults=rules) if setting.simulate else nullcontext() as twins:
        url = twins.base_url if twins is not None else None
        async with Router(setting.config, ledger=ledger_at(place), clock=clock, simulator_url=url) as router:
            yield router
