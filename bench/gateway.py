"""The gateway beside what it is compared with: the vendor itself, a plain proxy, and nginx where there is one."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from . import relays, vendor
from .load import Found, Job, measured
from .measure import Row, Table
from .relays import Relay

SIZES = tuple(vendor.PICTURES)
CALLERS = (1, 16, 64, 256)
ROUNDS = 3
SECONDS = 1.5
UPLOAD_BYTES = 2_000_000
WAITERS = 500
SETTLE_SECONDS = 1.0
PROMPT = "a heron at dawn"
JSON = "application/json"
FILE_HEAD = '--b\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n'


@dataclass(frozen=True)
class Taken:
    """What one relay did with one load, in one round."""

    found: Found
    cpu_ms: float
    """Per request."""
    peak_mb: float


async def run() -> list[Table]:
    with tempfile.TemporaryDirectory(prefix="easel-bench-") as folder, ExitStack() as open_:
        below = Path(folder)
        address = open_.enter_context(vendor.running())
        direct = Relay("direct", address)
        nginx = open_.enter_context(relays.nginx(address, below / "nginx"))
        plain = open_.enter_context(relays.passing(address))
        easel = open_.enter_context(relays.easel(address, below / "easel"))
        peers = [each for each in (direct, nginx, plain, easel) if each is not None]
        found: list[Table] = [_table(f"Gateway: {size} answers", size, peers) for size in SIZES]
        found.append(_edits(peers))
        found.append(_streams([direct, easel]))
        found.append(_waiting(easel))
        unrecorded = open_.enter_context(relays.easel(address, below / "unrecorded", ledger=False))
        two = open_.enter_context(relays.easel(address, below / "two", workers=2))
        found.append(_scaling([easel, two, unrecorded]))
    found.append(_starting())
    return found


def _job(relay: Relay, folder: str, callers: int, *, stream: bool = False) -> Job:
    asked: dict[str, object] = {"model": relay.model(folder), "prompt": PROMPT, "size": "1024x1024"}
    if stream:
        asked |= {"stream": True, "partial_images": 1}
    return Job(relay.url(folder, "generations"), json.dumps(asked), JSON, relay.key, callers, SECONDS)


def _take(relay: Relay, job: Job) -> Taken:
    relay.forget_peak()
    before = relay.cpu_seconds()
    found = measured(job)
    return Taken(found, (relay.cpu_seconds() - before) * 1e3 / found.requests, relay.peak_megabytes())


def _in_turn(peers: Sequence[Relay], jobs: Sequence[Job]) -> list[list[Taken]]:
    """Round after round, one relay after another; the first round, which opens connections, is not kept."""
    taken: list[list[Taken]] = [[] for _ in peers]
    for number in range(ROUNDS + 1):
        for place, (relay, job) in enumerate(zip(peers, jobs, strict=True)):
            each = _take(relay, replace(job, seconds=0.3) if number == 0 else job)
            if number:
                taken[place].append(each)
    return taken


COLUMNS = ("requests/s", "of nginx", "p50 ms", "added ms", "p99 ms", "p99/p50", "CPU ms", "peak MB", "MB/picture")


def _table(title: str, folder: str, peers: Sequence[Relay]) -> Table:
    rows: list[Row] = []
    for callers in CALLERS:
        taken = _in_turn(peers, [_job(each, folder, callers) for each in peers])
        rows += _rows(f"{callers} callers", peers, taken, callers)
    method = (
        f"{ROUNDS} rounds of {SECONDS} s, relays in turn, medians; callers, vendor and relay share this machine; Easel "
        "with keys, rules, ledger, proof, logs and metrics on; CPU of the relay per request; added to the p50 of direct"
    )
    return Table(title, method, COLUMNS, rows)


def _rows(name: str, peers: Sequence[Relay], taken: Sequence[Sequence[Taken]], callers: int) -> list[Row]:
    rates = {
        relay.name: _median(each.found.per_second for each in found) for relay, found in zip(peers, taken, strict=True)
    }
    base = _median(each.found.p50_ms for each in taken[0])
    rows: list[Row] = []
    for relay, found in zip(peers, taken, strict=True):
        p50, p99 = _median(each.found.p50_ms for each in found), _median(each.found.p99_ms for each in found)
        own = relay.pid is not None
        peak = max(each.peak_mb for each in found) if own else None
        rows.append(
            (
                f"{name}, {relay.name}",
                (
                    rates[relay.name],
                    rates[relay.name] / rates["nginx"] if "nginx" in rates else None,
                    p50,
                    p50 - base if own else None,
                    p99,
                    p99 / p50,
                    _median(each.cpu_ms for each in found) if own else None,
                    peak,
                    peak / callers if peak is not None and callers > 1 else None,
                ),
            )
        )
    return rows


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _edits(peers: Sequence[Relay]) -> Table:
    """A form with a picture of 2 MB, and an answer of 2.6 MB."""
    data = vendor.picture(UPLOAD_BYTES).decode("latin-1")
    rows: list[Row] = []
    for callers in (1, 16):
        jobs: list[Job] = []
        for relay in peers:
            fields = {"model": relay.model("2.6MB"), "prompt": PROMPT, "size": "1024x1024"}
            parts = "".join(
                f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in fields.items()
            )
            body = f"{parts}{FILE_HEAD}{data}\r\n--b--\r\n"
            kind = "multipart/form-data; boundary=b"
            jobs.append(Job(relay.url("2.6MB", "edits"), body, kind, relay.key, callers, SECONDS))
        rows += _rows(f"{callers} callers", peers, _in_turn(peers, jobs), callers)
    method = f"a form with a picture of 2 MB, answered with 2.6 MB; {ROUNDS} rounds of {SECONDS} s, in turn, medians"
    return Table("Gateway: edits", method, COLUMNS, rows)


def _streams(peers: Sequence[Relay]) -> Table:
    rows: list[Row] = []
    for callers in (1, 16):
        taken = _in_turn(peers, [_job(each, "2.6MB", callers, stream=True) for each in peers])
        base = _median(each.found.first_ms for each in taken[0])
        for relay, found in zip(peers, taken, strict=True):
            first = _median(each.found.first_ms for each in found)
            rows.append(
                (
                    f"{callers} callers, {relay.name}",
                    (_median(each.found.per_second for each in found), first, first - base),
                )
            )
    method = (
        f"a preview of 2.6 MB at once and the picture {vendor.STREAM_PAUSE_SECONDS:g} s after it; time to the first "
        "bytes of the preview"
    )
    return Table("Gateway: streams", method, ("requests/s", "first ms", "added ms"), rows)


def _waiting(easel: Relay) -> Table:
    """What a caller costs while its vendor paints."""
    measured(replace(_job(easel, "1.2KB", WAITERS), seconds=0.1))
    before = easel.resident_megabytes()
    easel.forget_peak()
    measured(replace(_job(easel, vendor.WAITING, WAITERS), seconds=0, each=1))
    grown = max(0.0, easel.peak_megabytes() - before)
    method = (
        f"{WAITERS} callers at once, a vendor that takes {vendor.WAITING_SECONDS:g} s; after as many that did not wait"
    )
    values = (before, easel.peak_megabytes(), grown * 1000 / WAITERS)
    return Table("Gateway: callers that wait", method, ("before MB", "peak MB", "KB/caller"), [("Easel", values)])


def _scaling(peers: Sequence[Relay]) -> Table:
    rows: list[Row] = []
    taken = _in_turn(peers, [_job(each, "1.2KB", 64) for each in peers])
    rates = [_median(each.found.per_second for each in found) for found in taken]
    for relay, found, rate in zip(peers, taken, rates, strict=True):
        rows.append((relay.name, (rate, rate / rates[0], _median(each.cpu_ms for each in found))))
    method = f"1.2 KB answers to 64 callers; {ROUNDS} rounds of {SECONDS} s, in turn, medians"
    return Table("Gateway: workers, and what the ledger costs", method, ("requests/s", "of one", "CPU ms"), rows)


def _starting() -> Table:
    """From the command to an answer, and what the process then holds."""
    rows: list[Row] = []
    for ledger in (True, False):
        seconds: list[float] = []
        resident: list[float] = []
        for _ in range(ROUNDS):
            with (
                tempfile.TemporaryDirectory(prefix="easel-bench-") as folder,
                relays.easel("http://127.0.0.1:9", Path(folder) / "easel", ledger=ledger) as relay,
            ):
                seconds.append(relay.ready_seconds)
                time.sleep(SETTLE_SECONDS)
                resident.append(relay.resident_megabytes())
        rows.append(("with a ledger" if ledger else "without", (_median(seconds), _median(resident))))
    return Table("Gateway: starting", f"{ROUNDS} starts, medians", ("ready s", "idle MB"), rows)
