"""Relay: a call that asks for no picture, handed on as it came to the first deployment that answers it.

Nothing of it is read, planned or written down; for calls that cost nothing, such as moderations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from ..providers.base.adapter import Adapter
from ..providers.base.errors import (
    AllAttemptsFailed,
    AuthenticationFailed,
    Dropped,
    InvalidRequest,
    ModelNotFound,
    NoModelCan,
    OutcomeUnknown,
    ProviderError,
)
from ..providers.base.redact import redact
from ..providers.base.reply import Reply
from ..providers.base.response import Attempt
from ..providers.base.transport import USER_AGENT, Transport
from .deployments import Deployment, Deployments

CONTENT_TYPE = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Relayed:
    """What the deployment answered: its status and body as they came, also where it found fault with the call."""

    deployment: str
    reply: Reply


async def relay(
    path: str, body: bytes, *, provider: str, deployments: Deployments, transport: Transport, timeout_seconds: float
) -> Relayed:
    """POST a JSON body to `path` of one deployment after another. `timeout_seconds` is for each.

    Raises NoModelCan when no deployment of the provider has its key, and AllAttemptsFailed.
    """
    attempts: list[Attempt] = []
    first: ProviderError | None = None
    deployments.refresh(transport.clock.monotonic())
    for name, way, adapter in _ways(deployments, provider):
        more = True
        while more:
            started = transport.clock.monotonic()
            picked = way.keyring.pick(started)
            key = picked.value if picked is not None else None
            try:
                return Relayed(name, await _post(path, body, way, adapter, key, transport, timeout_seconds))
            except ProviderError as error:
                error.args = (redact(str(error), secrets=(key or "",)),)
                ended = transport.clock.monotonic()
                first = first or error
                attempts.append(
                    Attempt(name, error.outcome, ended - started, billed=False, error=str(error), status=error.status)
                )
                refused = picked if isinstance(error, AuthenticationFailed) else None
                more = refused is not None and way.keyring.refused(refused, ended)
    if first is None:
        raise _nobody(deployments, provider, today=transport.clock.today().isoformat())
    raise AllAttemptsFailed(tuple(attempts)) from first


def _ways(deployments: Deployments, provider: str) -> Iterator[tuple[str, Deployment, Adapter]]:
    """One for each account: what is sent is the same whichever model the deployment is for."""
    seen: set[tuple[str | None, int]] = set()
    for each in deployments:
        adapter = each.adapter if each.provider == provider and each.lacking is None else None
        if isinstance(adapter, Adapter) and (account := (adapter.base_url, id(each.keyring))) not in seen:
            seen.add(account)
            yield each.row.prefix, each, adapter


async def _post(
    path: str, body: bytes, way: Deployment, adapter: Adapter, key: str | None, transport: Transport, seconds: float
) -> Reply:
    auth = adapter.auth(key) if key else {}
    headers = {"user-agent": USER_AGENT, **way.row.headers, **CONTENT_TYPE, **auth}
    url = adapter.base_url + path
    try:
        async with (
            asyncio.timeout(seconds),
            transport.engine.send("POST", url, headers, body, timeout_seconds=seconds + 1) as answer,
        ):
            reply = Reply(answer.status, answer.headers, await transport.collect(answer), url)
    except TimeoutError as error:
        raise OutcomeUnknown(f"no answer within {seconds:g} s") from error
    if reply.status < 300:
        return reply
    error = adapter.error(reply)
    if isinstance(error, InvalidRequest | ModelNotFound) and reply.error_json() is not None:
        return reply  # the caller's to mend, in the vendor's own words
    raise error


def _nobody(deployments: Deployments, provider: str, *, today: str) -> NoModelCan:
    lacking = {each.row.prefix: each.lacking for each in deployments if each.provider == provider and each.lacking}
    dropped = (Dropped(name, why, "key", why, "configuration", today) for name, why in lacking.items())
    return NoModelCan(tuple(dropped), (), f"no deployment of {provider} is ready, which this call needs")
