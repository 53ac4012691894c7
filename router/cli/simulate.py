"""simulate: the vendors' twins on a port, for any client."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from urllib.parse import urlsplit

from rich.table import Table
from rich.text import Text

from ... import providers
from ...simulator import faults, server
from ...simulator.faults import FaultRule
from ...simulator.server import Simulator
from ..deployments import SIMULATED_KEY, TWINS
from . import door, show


def fault_rules(given: Iterable[str]) -> list[FaultRule]:
    """`--fault`, read. Raises RequestError for one that makes no sense."""
    try:
        return [faults.parse(each) for each in given]
    except faults.FaultError as error:
        raise door.wrong("fault", str(error)) from error


def simulate(port: int, *, on: date | None, fault: Iterable[str], latency_seconds: float) -> int:
    rules = fault_rules(fault)
    try:
        server.serve(port, today=on, faults=rules, latency_seconds=latency_seconds, started=_greet)
    except OSError as error:
        raise door.wrong(
            "port", f"{port} cannot be used: {error.strerror}; another one, or 0 for a free one"
        ) from error
    return door.DONE


def _greet(simulator: Simulator) -> None:
    console = door.stdout()
    console.print(Text.assemble("simulated vendors, as of ", (str(simulator.world.today), show.STRONG)))
    table = Table.grid(padding=(0, 3))
    for provider, twin in TWINS.items():
        path = urlsplit(providers.adapter(provider).default_base_url or "").path
        table.add_row(f"  {twin}", Text(f"{simulator.base_url}/{twin}{path}", show.STRONG))
    console.print(table)
    console.print(Text(f"\nany key that starts with sim- is taken, such as {SIMULATED_KEY}:\n", show.FAINT))
    # In one piece, to be copied.
    print(
        f"  curl {simulator.base_url}/openai/v1/images/generations \\\n"
        f"    -H 'authorization: Bearer {SIMULATED_KEY}' -H 'content-type: application/json' \\\n"
        """    -d '{"model": "gpt-image-2", "prompt": "a poster that says \\"OPEN LATE\\""}'\n"""
    )
    console.print(Text("Ctrl-C ends it", show.FAINT))
    console.file.flush()
