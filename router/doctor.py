"""The doctor: every configured way to a vendor, asked what costs nothing. Nothing is painted.

For each key that is there, the adapter names a call that only a good key is answered (`Adapter.check`). Where the
answer lists models, the configured ones are held against it, and the dates on which the vendor ends them against the
catalogue's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from ..providers.base.adapter import Adapter, Call, LocalAdapter, Standing
from ..providers.base.errors import (
    AuthenticationFailed,
    BadReply,
    ConnectFailed,
    InvalidRequest,
    ModelNotFound,
    OutcomeUnknown,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
    RateLimited,
)
from ..providers.base.transport import Transport
from .account import Proven
from .catalog import Catalog
from .deployments import Deployment, Deployments
from .secrets import Secret

SECONDS = 20.0
"""For one call."""
SOON_DAYS = 60
NO_FREE_CALL = "it has no call that costs nothing; `easel probe` paints one small picture"

Status = Literal["ok", "note", "problem", "unchecked", "unset"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    name: str
    """The row of deployments, or one deployment of it."""
    status: Status
    """unchecked: only a picture would tell. unset: a key or an address is missing."""
    said: str
    advice: str | None = None
    key: str | None = None
    """Which of the keys, by its place."""
    deployments: tuple[str, ...] = ()
    """Whom it concerns."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the answers are held against."""

    catalog: Catalog
    today: date
    proven: Mapping[str, Proven]
    """What was seen when deployments were tried."""

    def names(self, provider: str) -> frozenset[str]:
        """Of all models of a provider that the catalogue has, on the wire."""
        models = (each for each in self.catalog.models.values() if each.provider == provider)
        return frozenset(name for each in models for name in (each.id, each.wire, *each.lifecycle.snapshots.value))


async def examine(deployments: Deployments, transport: Transport, known: Known) -> tuple[Finding, ...]:
    """Rows in their order, each row's keys first."""
    rows: dict[str, list[Deployment]] = {}
    for each in deployments:
        rows.setdefault(each.row.prefix, []).append(each)
    found = await asyncio.gather(*(_row(prefix, ways, transport, known) for prefix, ways in rows.items()))
    any_model = [
        Finding(row.prefix, "unchecked", "it takes any model that a caller names") for row, _ in deployments.open_rows
    ]
    return tuple(each for row in found for each in row) + tuple(any_model)


async def _row(prefix: str, ways: list[Deployment], transport: Transport, known: Known) -> list[Finding]:
    names, first = tuple(each.name for each in ways), ways[0]
    tried = list(_tried(ways, known.proven))
    if first.lacking is not None:
        advice = "set it, or leave the row out"
        return [Finding(prefix, "unset", first.lacking, advice, deployments=names), *tried]
    adapter = first.adapter
    if isinstance(adapter, LocalAdapter):
        return [Finding(prefix, "unchecked", "a library of its own sends its calls", deployments=names), *tried]
    calls = {call.url: (call, way) for way in ways if (call := adapter.check(way.model)) is not None}
    if not calls:
        return [Finding(prefix, "unchecked", NO_FREE_CALL, deployments=names), *tried]
    secrets: list[Secret | None] = [each.secret for each in first.keyring.keys if each.secret.value is not None]
    found: list[Finding] = []
    standings: list[Standing] = []
    for secret in secrets or [None]:
        finding, standing = await _key(prefix, adapter, calls.values(), secret, names, transport)
        found.append(finding)
        standings += [standing] if standing is not None else []
    if standings:
        found += _models(ways, _together(standings), known)
    return found + tried


async def _key(
    prefix: str,
    adapter: Adapter,
    calls: Iterable[tuple[Call, Deployment]],
    secret: Secret | None,
    names: tuple[str, ...],
    transport: Transport,
) -> tuple[Finding, Standing | None]:
    """What the vendor says to one key; None for the standing when it says nothing of use."""
    key, label = (secret.value, secret.label) if secret is not None else (None, None)
    standings: list[Standing] = []
    try:
        for call, way in calls:
            reply = await transport.ask(
                adapter,
                call,
                way.model,
                key=key,
                deadline=transport.clock.monotonic() + SECONDS,
                headers=way.row.headers,
            )
            standings.append(adapter.standing(reply))
    except ProviderError as error:
        place = secret.place if secret is not None else "no key at all"
        status, said, advice = _diagnosis(error, place)
        return Finding(prefix, status, said, advice, label, names), None
    standing = _together(standings)
    said = "the key is good" if secret is not None else "it answers"
    if standing.credit is not None:
        said += f"; {standing.credit} left"
    return Finding(prefix, "ok", said, adapter.check_hint, label, names), standing


def _diagnosis(error: ProviderError, place: str) -> tuple[Status, str, str | None]:
    match error:
        case AuthenticationFailed():
            said, advice = f"the key in {place} is refused: {error}", "put a good one there; no restart is needed"
        case PermissionDenied():
            said, advice = f"the key in {place} may not: {error}", "give it, or its account, the right to"
        case QuotaExhausted():
            said, advice = f"no credit is left: {error}", "add credit, or raise the account's limit"
        case RateLimited():
            return "ok", f"the key is good; the vendor limits calls now: {error}", None
        case ModelNotFound() | InvalidRequest() | BadReply():
            said = f"the vendor does not answer this question as documented: {error}"
            return "unchecked", said, "is base_url right? `easel probe` tells more"
        case ConnectFailed() | OutcomeUnknown():
            said, advice = f"no answer: {error}", "is base_url right, and may this machine go there?"
        case _:
            said, advice = f"the vendor fails: {error}", "try again later"
    return "problem", said, advice


def _together(standings: list[Standing]) -> Standing:
    """A model that any of them lists can be had."""
    listed = [each.models for each in standings if each.models is not None]
    return Standing(
        models=frozenset[str]().union(*listed) if listed else None,
        painters=frozenset[str]().union(*(each.painters for each in standings)),
        ends={name: day for each in standings for name, day in each.ends.items()},
        credit=next((each.credit for each in standings if each.credit is not None), None),
    )


def _models(ways: list[Deployment], standing: Standing, known: Known) -> Iterator[Finding]:
    """The configured models against the vendor's list."""
    if standing.models is None:
        return
    today = known.today
    for each in ways:
        life = each.model.lifecycle
        names = {each.model.wire, *life.snapshots.value}
        ours, theirs = life.shutdown.value, standing.ends.get(each.model.wire)
        if ours is not None and ours <= today:
            continue
        if not names & standing.models:
            if life.launched.value is None or life.launched.value <= today:
                advice = "ask the vendor for it, or list the row's `models` without it"
                yield Finding(each.name, "problem", "it is not in the account's list of models", advice)
        elif theirs is not None and theirs != ours:
            said = f"the vendor ends it on {theirs}; the catalogue says {ours or 'nothing of it'}"
            yield Finding(
                each.name, "problem", said, "give its entry this date, in `models/` beside your configuration"
            )
        elif ours is not None and ours <= today + timedelta(days=SOON_DAYS):
            replacement = life.replacement.value
            advice = f"its vendor names {replacement}" if replacement else "choose another before then"
            yield Finding(each.name, "note", f"it ends on {ours}", advice)
    own = {each.model.wire for each in ways}
    if unknown := sorted(standing.painters - own - known.names(ways[0].provider)):
        said = f"the vendor also has {', '.join(unknown)}"
        yield Finding(
            ways[0].row.prefix, "note", said, "the catalogue does not know them; `facts` can say what they do"
        )


def _tried(ways: list[Deployment], proven: Mapping[str, Proven]) -> Iterator[Finding]:
    for each in ways:
        seen = proven.get(each.name)
        if seen is None:
            continue
        if seen.works:
            costs = (f"{what} cost ${cost:f}" for what, cost in seen.costs_usd.items() if cost is not None)
            yield Finding(each.name, "ok", "; ".join((f"it painted on {seen.as_of}", *costs)))
        else:
            said = f"it did not paint when it was tried on {seen.as_of}: {seen.outcome}"
            yield Finding(each.name, "note", said, f"easel probe {each.name}")
