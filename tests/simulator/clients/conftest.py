from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from easel.simulator import server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running
