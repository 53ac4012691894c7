"""Settings: deployments, routes, route tests and policy, read from YAML and checked before anything starts.

A configuration is one file or a folder of files; each may hold any of the sections below, and a section that none of
them gives is Easel's own (`config/*.yaml` of the package). Secrets are named, never written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from ..providers.base.capabilities import Frozen
from ..providers.base.engine import EngineName
from ..providers.base.errors import ConfigError, Problem
from ..providers.base.request import POLICY_FIELDS, Background, Band, Need, Operation, OutputFormat, Policy
from . import document
from .document import Document

Outcome = Literal["stop", "fall_back"]
Hygiene = Literal["warn", "adapt", "off"]
SECTIONS = ("deployments", "routes", "tests", "policy")


class Named(Frozen):
    """A value that is kept elsewhere. `secrets.py` finds it there."""

    env: str | None = None
    """An environment variable."""
    file: str | None = None
    """A file's first line; the whole file where it is JSON."""
    secret: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,252}$")] | None = None
    """Its name in the secret store."""

    @model_validator(mode="before")
    @classmethod
    def _is_named(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError("is named, never written: {env: NAME}, {file: PATH} or {secret: NAME}")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Named:
        if sum(each is not None for each in (self.env, self.file, self.secret)) != 1:
            raise ValueError("needs one of env, file and secret")
        return self

    def __str__(self) -> str:
        if self.env is not None:
            return f"environment variable {self.env}"
        return f"file {self.file}" if self.file is not None else f"secret {self.secret}"


class DeploymentRow(Frozen):
    """One configured way to a provider; gives a deployment `name/model` for each of its models."""

    name: str | None = None
    """None: the provider's."""
    provider: str
    """The adapter: a file of `providers/`."""
    base_url: str | Named | None = None
    """None: the vendor's own."""
    key: Named | None = None
    keys: tuple[Named, ...] = ()
    """In place of `key`: several, the first that the vendor takes is used."""
    region: str | None = None
    models: Literal["all", "any"] | tuple[str, ...] | dict[str, str] = "all"
    """all of the catalogue's; any (that a caller names); some; or model -> the name it has at this deployment."""
    facts: dict[str, object] = Field(default_factory=dict)
    """For models that the catalogue does not have: what is known of them, in the catalogue's own words."""
    settings: dict[str, str | Named] = Field(default_factory=dict)
    """For the adapter, such as an API version; a value may be kept elsewhere, as a key is."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every call. Not for keys."""
    concurrency: Annotated[int, Field(ge=1)] = 16
    """Calls under way at once."""
    timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    """For one attempt. None: the policy's."""

    @property
    def prefix(self) -> str:
        return self.name or self.provider

    @property
    def all_keys(self) -> tuple[Named, ...]:
        return self.keys if self.key is None else (self.key,)

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> DeploymentRow:
        if self.key is not None and self.keys:
            raise ValueError("has key and keys; list all of them under keys")
        if len(set(self.keys)) != len(self.keys):
            raise ValueError("names a key twice")
        return self

    @field_validator("headers")
    @classmethod
    def _no_keys(cls, headers: dict[str, str]) -> dict[str, str]:
        for name in headers:
            if name.lower() in {"authorization", "api-key", "x-api-key", "x-key", "x-goog-api-key"}:
                raise ValueError(f"header {name!r} carries a key; name it under `key` instead")
        return headers


def _as_tuple(value: object) -> object:
    return [value] if isinstance(value, str | int) else value


def _policy_fields(fields: dict[str, Policy]) -> dict[str, Policy]:
    for name in fields:
        if name not in POLICY_FIELDS:
            raise ValueError(f"{name!r} is no field with a policy{document.did_you_mean(name, POLICY_FIELDS)}")
    return fields


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
PolicyFields = Annotated[dict[str, Policy], AfterValidator(_policy_fields)]
"""Per field of `POLICY_FIELDS`."""
Presence = Literal["present", "absent"]


class Range(Frozen):
    """Both ends belong to it."""

    at_least: Decimal | None = None
    at_most: Decimal | None = None


class PromptIs(Frozen):
    asks_for_text: bool | None = None
    """The prompt asks for lettering, as far as `lettering.asks_for_text` can see."""
    contains: Names | None = None
    """Any of these words, whatever their case."""
    characters: Range | None = None


class SizeIs(Frozen):
    """Of the size asked for; a request without one is neither inside nor outside, see `missing`."""

    width: Range | None = None
    height: Range | None = None
    pixels: Range | None = None


class When(Frozen):
    """What a request must be like. All that is given must hold; a list means any of its members."""

    operation: Annotated[tuple[Operation, ...], BeforeValidator(_as_tuple)] | None = None
    background: Annotated[tuple[Background, ...], BeforeValidator(_as_tuple)] | None = None
    needs: Annotated[tuple[Need, ...], BeforeValidator(_as_tuple)] | None = None
    quality: Names | None = None
    """As the caller wrote it."""
    output_format: Annotated[tuple[OutputFormat, ...], BeforeValidator(_as_tuple)] | None = None
    resolution: Names | None = None
    aspect_ratio: Names | None = None
    style: Names | None = None
    caller: Names | None = None
    tags: Names | None = None
    region: Names | None = None
    user: Names | None = None
    metadata: dict[str, Names] | None = None
    stream: bool | None = None
    text: Presence | None = None
    mask: Presence | None = None
    images: Presence | None = None
    references: Presence | None = None
    seed: Presence | None = None
    negative_prompt: Presence | None = None
    n: Range | None = None
    input_images: Range | None = None
    """How many, sources and references together."""
    size: SizeIs | None = None
    max_cost_usd: Range | None = None
    prompt: PromptIs | None = None
    all: tuple[When, ...] | None = None
    any: tuple[When, ...] | None = None
    not_: Annotated[When | None, Field(alias="not")] = None


class Among(Frozen):
    """Which deployments a strategy chooses from: every one that can serve, narrowed."""

    quality_band: Band | None = None
    """Only those that have a setting for this band, or no quality setting at all."""
    providers: Names | None = None
    deployments: Names | None = None
    needs: Annotated[tuple[Need, ...], BeforeValidator(_as_tuple)] | None = None
    """Only those known to be strong at it."""


class By(Frozen):
    """An order that is worked out: the first key decides, the next breaks ties."""

    by: tuple[Literal["price", "latency"], ...]
    among: Among = Among()


class Weighted(Frozen):
    """A random first choice in proportion to the weights, steady for one request id; the others follow by weight."""

    weights: dict[str, Annotated[int, Field(ge=0)]]

    @field_validator("weights")
    @classmethod
    def _some(cls, weights: dict[str, int]) -> dict[str, int]:
        if not any(weights.values()):
            raise ValueError("at least one weight must be above 0")
        return weights


def _kind_of_preference(value: object) -> str:
    """By its key, so that a mistake within one kind is not told as a mistake in all three."""
    if isinstance(value, Weighted) or (isinstance(value, dict) and "weights" in value):
        return "Weighted"
    return "By" if isinstance(value, By | dict) else "Names"


Preference = Annotated[
    Annotated[tuple[str, ...], Tag("Names")] | Annotated[By, Tag("By")] | Annotated[Weighted, Tag("Weighted")],
    Discriminator(_kind_of_preference),
]


class Canary(Frozen):
    """A share of requests, steady for one request id, goes to `deployment` first."""

    deployment: str
    percent: Annotated[float, Field(gt=0, le=100)]


class RouteRow(Frozen):
    """A rule: when it matches, it gives the order of preference. Its name is a model name for callers."""

    name: str
    when: When | None = None
    """None, and no `expr`: every request."""
    expr: Annotated[str, Field(max_length=1000)] | None = None
    """A CEL expression over the request; both it and `when` must hold."""
    missing: Literal["no_match", "match", "refuse"] = "no_match"
    """What happens when the rule asks about something that the request does not have."""
    prefer: Preference
    canary: Canary | None = None
    only: bool = False
    """No other deployments after these: by default later rules that match follow as further fallbacks."""
    on_refusal: Outcome | None = None
    """After a moderation refusal. None: the policy's."""
    on_unknown: Outcome | None = None
    """After an attempt whose outcome is unknown, and which may have been billed. None: the policy's."""
    fields: PolicyFields = Field(default_factory=dict)
    """Per request field, as in the policy; the request's own word is stronger."""

    @model_validator(mode="after")
    def _preferred(self) -> RouteRow:
        if isinstance(self.prefer, tuple) and not self.prefer:
            raise ValueError("prefer is empty; name at least one deployment")
        return self


class Expectation(Frozen):
    rule: str | None = None
    first: str | None = None
    plan: tuple[str, ...] | None = None
    dropped: dict[str, str] = Field(default_factory=dict)
    """Deployment -> what is unmet: retired, background, size, … as `explain` prints it."""
    nobody: bool = False
    """No deployment can serve it."""


class RouteTest(Frozen):
    """A request and where it must go."""

    given: dict[str, object]
    on: date | None = None
    expect: Expectation


class Retries(Frozen):
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """At one deployment, the first one included."""
    initial_seconds: Annotated[float, Field(gt=0)] = 0.5
    max_seconds: Annotated[float, Field(gt=0)] = 8.0
    max_retry_after_seconds: Annotated[float, Field(ge=0)] = 30.0
    """A vendor that asks for a longer wait is left for the next candidate."""


class Cooldown(Frozen):
    failures: Annotated[int, Field(ge=1)] = 3
    """In a row."""
    seconds: Annotated[float, Field(gt=0)] = 30.0
    """Until one request may try it again; doubled each time that fails, up to `max_seconds`."""
    max_seconds: Annotated[float, Field(gt=0)] = 600.0


class PolicySection(Frozen):
    fields: PolicyFields = Field(default_factory=lambda: {"default": "adapt"})
    """Per request field, and "default": strict, warn or adapt."""
    deadline_seconds: Annotated[float, Field(gt=0)] = 600.0
    attempt_timeout_seconds: Annotated[float, Field(gt=0)] = 300.0
    video_deadline_seconds: Annotated[float, Field(gt=0)] = 1800.0
    video_attempt_timeout_seconds: Annotated[float, Field(gt=0)] = 1200.0
    retries: Retries = Retries()
    cooldown: Cooldown = Cooldown()
    on_refusal: Outcome = "stop"
    on_unknown: Outcome = "fall_back"
    max_unproven: Annotated[int, Field(ge=1)] = 2
    """Candidates that may be paid for a picture that is not what was asked for; then the request fails."""
    warn_days_before_shutdown: Annotated[int, Field(ge=0)] = 30
    refuse_terms: tuple[str, ...] = ()
    """Prompts with any of these words are refused here, before any vendor sees them."""
    hygiene: Hygiene = "warn"
    """What a request pays for and does not need: said, left out where that is harmless, or neither."""
    engine: EngineName = "pyreqwest"

    def deadline(self, operation: Operation) -> float:
        """In seconds, for a request that does not give its own."""
        return self.video_deadline_seconds if operation == "video" else self.deadline_seconds

    def attempt_timeout(self, operation: Operation) -> float:
        """In seconds, for a deployment that does not give its own."""
        return self.video_attempt_timeout_seconds if operation == "video" else self.attempt_timeout_seconds


class SettingsFile(Frozen):
    """The shape of every configuration file."""

    version: Literal[1]
    deployments: tuple[DeploymentRow, ...] | None = None
    routes: tuple[RouteRow, ...] | None = None
    tests: tuple[RouteTest, ...] | None = None
    policy: PolicySection | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """All sections, each with the document it stands in, for messages."""

    deployments: tuple[DeploymentRow, ...]
    routes: tuple[RouteRow, ...]
    tests: tuple[RouteTest, ...]
    policy: PolicySection
    documents: Mapping[str, Document]
    """Section -> where it was read."""
    catalogue: Path | None
    """A folder of further catalogue files, `models/` beside the configuration; None: there is none."""
    rules_hash: str

    def problem(self, section: str, path: tuple[str | int, ...], message: str) -> Problem:
        return self.documents[section].problem((section, *path), message)


def load(config: Path | None = None) -> Settings:
    """Read a configuration. Raises ConfigError with every problem, each with its line."""
    found: dict[str, Document] = {}
    values: dict[str, SettingsFile] = {}
    shipped_sections: set[str] = set()
    wrong: list[Problem] = []
    for shipped, path in [*((False, path) for path in _files(config)), *((True, path) for path in _shipped())]:
        try:
            content = document.read(path)
            file = document.validate(content, SettingsFile)
        except ConfigError as error:
            wrong += error.problems
            continue
        for section in SECTIONS:
            if getattr(file, section) is None:
                continue
            if section not in found:
                found[section], values[section] = content, file
                if shipped:
                    shipped_sections.add(section)
            elif not shipped:
                message = f"{section} is given here and in {found[section].file}; keep one of them"
                wrong.append(content.problem((section,), message))
    if wrong:
        raise ConfigError(wrong)
    routes = values["routes"].routes or ()
    # Easel's own route tests say nothing about somebody else's rules.
    borrowed = "tests" in shipped_sections and "routes" not in shipped_sections
    tests = () if borrowed or "tests" not in values else values["tests"].tests or ()
    return Settings(
        deployments=values["deployments"].deployments or (),
        routes=routes,
        tests=tests,
        policy=values["policy"].policy or PolicySection(),
        documents=found,
        catalogue=_catalogue(config),
        rules_hash=rules_hash(routes),
    )


def rules_hash(routes: tuple[RouteRow, ...]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the rules' content; layout and comments do not count."""
    content = json.dumps([route.model_dump(mode="json", by_alias=True) for route in routes], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def environment() -> Mapping[str, str]:
    return os.environ


def _files(config: Path | None) -> list[Path]:
    if config is None:
        return []
    if config.is_dir():
        found = sorted(path for path in config.iterdir() if path.suffix in {".yaml", ".yml"})
        if not found:
            raise ConfigError([Problem(str(config), "has no .yaml file")])
        return found
    return [config]


def _shipped() -> list[Path]:
    return sorted(Path(str(files("easel.config"))).glob("*.yaml"))


def _catalogue(config: Path | None) -> Path | None:
    folder = (config if config.is_dir() else config.parent) / "models" if config is not None else None
    return folder if folder is not None and folder.is_dir() else None
