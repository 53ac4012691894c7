"""serve: the gateway on a port, for any OpenAI client."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from ...providers.base.errors import RequestError
from ...simulator import server
from . import door, show
from .place import keys_path, ledger_place
from .simulate import fault_rules


def serve(
    host: str,
    port: int,
    *,
    admin_host: str,
    admin_port: int | None,
    config: Path | None,
    ledger: str | None,
    keys: Path | None,
    assets: Path | None,
    public_url: str | None,
    insecure_local: bool,
    workers: int,
    drain_seconds: float,
    simulate: bool,
    fault: Iterable[str],
    latency_seconds: float,
    otel: bool,
) -> int:
    try:
        from ..gateway import serve as serving
    except ImportError as error:
        message = f"serving needs the extra `gateway`: pip install 'easel-images[gateway]' ({error.name} is missing)"
        raise RequestError(message, field="gateway") from error
    rules = fault_rules(fault)
    for option, given in (("fault", rules), ("latency", latency_seconds)):
        if given and not simulate:
            raise door.wrong(option, "needs --simulate: real vendors do that on their own")
    options = serving.Options(
        host=host,
        port=port,
        admin_host=admin_host,
        admin_port=admin_port,
        config=config,
        ledger=ledger_place(ledger, simulated=simulate),
        keys=keys_path(keys),
        assets=assets,
        public_url=_public(public_url),
        insecure_local=insecure_local,
        workers=workers,
        drain_seconds=drain_seconds,
        otel=otel,
        greet=_greet,
    )
    with server.running(faults=rules, latency_seconds=latency_seconds) if simulate else nullcontext() as twins:
        try:
            return serving.serve(replace(options, simulator_url=twins.base_url if twins is not None else None))
        except OSError as error:
            where = f"{host} port {port}"
            raise door.wrong("port", f"{where} cannot be used: {error.strerror}; another one, or 0") from error


def _public(url: str | None) -> str | None:
    from ..gateway import hosts

    try:
        return None if url is None else hosts.public(url)
    except ValueError as error:
        raise door.wrong("public-url", str(error)) from error


def _greet(address: str, admin_address: str | None) -> None:
    console = door.stdout()
    console.print(Text.assemble("OpenAI's Images API  ", (f"{address}/v1", show.STRONG)))
    if admin_address is not None:
        console.print(Text.assemble("admin routes         ", (f"{admin_address}/admin", show.STRONG)))
    console.print(Text(f"what it takes        {address}/docs", show.FAINT))
    console.print(Text("Ctrl-C ends it, when what is under way is done", show.FAINT))
    console.file.flush()
