"""Deployments: every configured way to a model, made from the settings' rows and the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from urllib.parse import urlsplit

from pydantic import ValidationError

from .. import providers
from ..providers.base.adapter import Adapter, AnyAdapter
from ..providers.base.capabilities import AnySize, FixedSizes, FlexibleSizes, Model, RatioRange, RatioTable
from ..providers.base.errors import ConfigError, Problem
from . import catalog as catalogue
from .catalog import Catalog
from .document import did_you_mean
from .keyring import NO_KEYS, Keyring
from .secrets import Secret, Secrets
from .settings import Among, Cooldown, DeploymentRow, Named, Settings

TWINS = {
    "azure_openai": "azure",
    "bedrock": "bedrock",
    "bfl": "bfl",
    "dashscope": "dashscope",
    "fal": "fal",
    "google": "google",
    "ideogram": "ideogram",
    "openai": "openai",
    "openrouter": "openrouter",
    "recraft": "recraft",
    "replicate": "replicate",
    "seedream": "seedream",
    "stability": "stability",
    "together": "together",
    "wavespeed": "wavespeed",
    "xai": "xai",
}
"""Provider -> the simulator's folder that speaks its wire."""
SIMULATED_KEY = "sim-key"
"""Every twin takes it."""


@dataclass(frozen=True)
class Account:
    """What the deployments of one row share: where the vendor is, and the keys."""

    base_url: str | None
    keyring: Keyring
    settings: Mapping[str, str]
    unset: str | None

    @classmethod
    def of(cls, row: DeploymentRow, secrets: Secrets, cooldown: Cooldown) -> Account:
        def value(given: str | Named | None) -> str | None:
            return secrets.get(given).value if isinstance(given, Named) else given

        named = [each for each in (row.base_url, *row.settings.values()) if isinstance(each, Named)]
        unset = next((f"{each} is not set" for each in named if value(each) is None), None)
        if not row.all_keys and providers.adapter(row.provider).needs_key:
            unset = f"no key is configured for {row.prefix}"
        settings = {each: value(given) for each, given in row.settings.items()}
        return cls(
            base_url=value(row.base_url),
            keyring=Keyring(row.prefix, [secrets.get(each) for each in row.all_keys], cooldown),
            settings={each: said for each, said in settings.items() if said is not None},
            unset=unset,
        )

    def deployment(self, row: DeploymentRow, model: Model, *, name: str | None = None) -> Deployment:
        name = name or f"{row.prefix}/{model.id}"
        return Deployment(name, row.provider, model, row, self.base_url, self.keyring, self.settings, self.unset)


@dataclass(frozen=True)
class Deployment:
    """One way to one model. `name` is what rules and callers call it."""

    name: str
    provider: str
    model: Model
    """Its facts; `model.wire` is what this deployment calls it."""
    row: DeploymentRow = field(repr=False)
    base_url: str | None = None
    """None: the vendor's own, unless `lacking` says that it is needed."""
    keyring: Keyring = field(default=NO_KEYS, repr=False)
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    """For the adapter."""
    unset: str | None = None
    """What has to be set, apart from the keys' values: an address, a setting, a key's name."""

    @property
    def lacking(self) -> str | None:
        """What has to be set before it can be used: a key, an address or a setting; None when nothing is."""
        return self.keyring.lacking or self.unset

    @cached_property
    def adapter(self) -> AnyAdapter:
        return providers.adapter(self.provider)(base_url=self.base_url, settings=self.settings)

    @property
    def timeout_seconds(self) -> float | None:
        return self.row.timeout_seconds

    def is_same_way_as(self, other: Deployment) -> bool:
        """Does a call take the same way? Then what was learned of one holds for the other."""
        ways = (
            (each.provider, each.base_url, each.keyring.values, each.model.wire, each.row.settings)
            for each in (self, other)
        )
        return next(ways) == next(ways)

    def is_among(self, among: Among) -> bool:
        """Is it one of those that a strategy chooses from?"""
        model = self.model
        if among.providers is not None and self.provider not in among.providers:
            return False
        if among.deployments is not None and self.name not in among.deployments:
            return False
        if any(model.strengths.value.get(need) != "strong" for need in among.needs or ()):
            return False
        qualities = model.qualities.value
        return among.quality_band is None or qualities is None or among.quality_band in qualities.bands


@dataclass(frozen=True)
class Deployments:
    """All of them, by name, and how callers may name them."""

    by_name: Mapping[str, Deployment]
    open_rows: tuple[tuple[DeploymentRow, Account], ...] = ()
    """Rows that take any model a caller names."""
    secrets: Secrets | None = field(default=None, repr=False)
    """Where their keys are."""

    def __iter__(self) -> Iterator[Deployment]:
        return iter(self.by_name.values())

    def __len__(self) -> int:
        return len(self.by_name)

    def refresh(self, now: float) -> None:
        """See keys that were rotated, at most once a second. `now` is the clock's `monotonic`."""
        if self.secrets is not None:
            self.secrets.refresh(now)

    def named(self, name: str, *, today: date) -> tuple[Deployment, ...]:
        """The deployment of this name, or all whose model (or snapshot) is called so; empty when there is none."""
        if name in self.by_name:
            return (self.by_name[name],)
        found = tuple(each for each in self if name == each.model.id or name == each.model.key)
        if found:
            return found
        found = tuple(
            replace(each, model=each.model.model_copy(update={"wire_id": name}))
            for each in self
            if name in each.model.lifecycle.snapshots.value
        )
        if found:
            return found
        for row, account in self.open_rows:
            prefix, slash, model_id = name.partition("/")
            if slash and prefix == row.prefix:
                return (account.deployment(row, _described(row, model_id, today)),)
        return ()

    def exactly(self, name: str, *, today: date) -> Deployment | None:
        """The deployment of this name, one that a row for any model makes included."""
        return next((each for each in self.named(name, today=today) if each.name == name), None)

    def keyrings(self) -> Mapping[str, Keyring]:
        """By the prefix of the row they belong to."""
        rows = {each.row.prefix: each.keyring for each in self}
        return rows | {row.prefix: account.keyring for row, account in self.open_rows}

    def go_on_from(self, earlier: Deployments) -> None:
        """Know of keys that are still named what is known of them there."""
        before = earlier.keyrings()
        for prefix, keyring in self.keyrings().items():
            if prefix in before:
                keyring.go_on_from(before[prefix])

    def simulated(self, base_url: str) -> Deployments:
        """The same deployments, pointed at a running simulator; those that have no twin lack one."""

        keyrings: dict[str, Keyring] = {}

        def at_twin(each: Deployment) -> Deployment:
            twin = TWINS.get(each.provider)
            if twin is None:
                return replace(each, unset=f"the simulator has no twin of {each.provider}")
            path = urlsplit(providers.adapter(each.provider).default_base_url or "").path
            prefix = each.row.prefix
            key = Secret("the simulation", "simulated", SIMULATED_KEY)
            ring = keyrings.setdefault(prefix, Keyring(prefix, (key,), Cooldown()))
            return replace(each, base_url=f"{base_url}/{twin}{path}", keyring=ring, unset=None)

        return Deployments({name: at_twin(each) for name, each in self.by_name.items()})


def build(settings: Settings, catalog: Catalog, secrets: Secrets, *, today: date) -> Deployments:
    """Raises ConfigError with every row that names an unknown provider, model or setting."""
    found: dict[str, Deployment] = {}
    open_rows: list[tuple[DeploymentRow, Account]] = []
    wrong: list[Problem] = []
    for index, row in enumerate(settings.deployments):
        try:
            kind = providers.adapter(row.provider)
        except KeyError:
            message = f"unknown provider {row.provider!r}{did_you_mean(row.provider, providers.names())}"
            wrong.append(settings.problem("deployments", (index, "provider"), message))
            continue
        for name in sorted(row.settings.keys() - kind.settings):
            hint = did_you_mean(name, list(kind.settings))
            message = f"{row.provider} has no setting {name!r}{hint}"
            wrong.append(settings.problem("deployments", (index, "settings", name), message))
        if row.base_url is None and kind.default_base_url is None and issubclass(kind, Adapter):
            message = f"{row.provider} needs a base_url, such as https://… or {{env: NAME}}"
            wrong.append(settings.problem("deployments", (index,), message))
        account = Account.of(row, secrets, settings.policy.cooldown)
        if row.models == "any":
            open_rows.append((row, account))
            continue
        try:
            models = list(_models(row, catalog, today))
        except (ValueError, ValidationError) as error:
            wrong.append(settings.problem("deployments", (index, "models"), str(error)))
            continue
        for model_id, model in models:
            each = account.deployment(row, model, name=f"{row.prefix}/{model_id}")
            if each.name in found:
                message = f"deployment {each.name!r} is there already; give this row another name"
                wrong.append(settings.problem("deployments", (index, "name"), message))
            found[each.name] = each
    if wrong:
        raise ConfigError(wrong)
    return Deployments(found, tuple(open_rows), secrets)


def _models(row: DeploymentRow, catalog: Catalog, today: date) -> Iterator[tuple[str, Model]]:
    """The row's models, each with its name in the catalogue and, where it differs, its name here."""
    known = {model.id: model for model in catalog.models.values() if model.provider == row.provider}
    if row.models == "all":
        if not known:
            raise ValueError(f"the catalogue has no models of {row.provider}; list them, with `facts`")
        yield from known.items()
        return
    wire_names = row.models if isinstance(row.models, dict) else dict.fromkeys(row.models)
    for name, wire in wire_names.items():
        if name in known:
            model = known[name]
        elif row.facts or not known:
            model = _described(row, name, today)
            if beyond := _beyond_words(model):
                raise ValueError(f"facts of {name!r}: {row.provider} has no field for {', '.join(beyond)}")
        else:
            raise ValueError(f"{row.provider} has no model {name!r} in the catalogue{did_you_mean(name, list(known))}")
        yield name, model if wire in {None, model.wire} else model.model_copy(update={"wire_id": wire})


def _described(row: DeploymentRow, model_id: str, today: date) -> Model:
    said = providers.adapter(row.provider).wire.values()
    usual: dict[str, object] = {"hints": [name for name in ("seed", "user") if name in said]}
    if "quality" not in said:
        usual["qualities"] = None
    unsure = {name: {"value": value, "status": "unconfirmed"} for name, value in usual.items()}
    source = "the deployment's own configuration"
    return catalogue.unknown_model(
        row.provider, model_id, as_of=today, source=source, facts={**unsure, **(row.facts or {})}
    )


def _beyond_words(model: Model) -> list[str]:
    """The request's fields that a model is said to take and that its provider's API has no place for."""
    sizes, hints = model.sizes.value, model.hints.value
    takes = {
        "size": isinstance(sizes, AnySize | FixedSizes | FlexibleSizes),
        "aspect_ratio": isinstance(sizes, RatioRange | RatioTable),
        "n": model.max_outputs_per_call.value > 1,
        "quality": model.qualities.value is not None,
        "output_format": model.output.value.selectable,
        "mask": model.mask.value is not None,
        "stream": model.streaming.value is not None,
        **{name: name in hints for name in ("seed", "negative_prompt", "style", "moderation", "user")},
    }
    said = providers.adapter(model.provider).wire.values()
    return [name for name, taken in takes.items() if taken and name not in said]
