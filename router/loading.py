"""Loading: from files to a house that can route. What costs time at start is here, so that importing costs none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .. import providers
from ..providers.base.clock import Clock
from ..providers.base.transport import Transport
from . import checks, deployments, settings
from .catalog import Catalog, load_catalog
from .checks import Findings
from .deployments import Deployments
from .health import Health
from .ledger import Ledger, MemoryLedger, open_ledger
from .limits import Limits
from .orders import Orders
from .pipeline import House
from .rules import Rules
from .secrets import Secrets, Store
from .settings import Settings
from .steps.dispatch import Means
from .steps.route import Knowledge
from .telemetry import UNWATCHED, Observer


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, read, with everything that was found of it."""

    settings: Settings
    catalog: Catalog
    deployments: Deployments
    rules: Rules
    findings: Findings


def load(
    config: Path | None,
    *,
    environment: Mapping[str, str] | None = None,
    secrets: Store | None = None,
    simulator_url: str | None = None,
    today: date,
) -> Loaded:
    """Read and check it. Raises ConfigError for what cannot be read at all; the rest is in `findings`."""
    found = settings.load(config)
    catalog = load_catalog(providers=frozenset(row.provider for row in found.deployments))
    if found.catalogue is not None:
        catalog = catalog.plus(load_catalog(found.catalogue).models.values())
    variables = environment if environment is not None else settings.environment()
    ways = deployments.build(found, catalog, Secrets(variables, secrets), today=today)
    if simulator_url is not None:
        ways = ways.simulated(simulator_url)
    rules = checks.compiled(found)
    return Loaded(found, catalog, ways, rules, checks.check(found, ways, today))


def ledger_at(place: str | Path | Ledger | None) -> Ledger:
    """As `open_ledger` has it, and a ledger that is open already as it is."""
    if place is None:
        return MemoryLedger()
    return open_ledger(place) if isinstance(place, str | Path) else place


def house(loaded: Loaded, *, ledger: Ledger, clock: Clock, observer: Observer = UNWATCHED) -> House:
    policy = loaded.settings.policy
    health = Health(policy.cooldown)
    return House(
        known=Knowledge(loaded.rules, loaded.deployments, policy, health, Orders(), clock),
        means=Means(Transport(engine=policy.engine, clock=clock), health, Limits(), ledger, policy, clock),
        rules_hash=loaded.settings.rules_hash,
        providers=providers.names(),
        observer=observer,
    )
