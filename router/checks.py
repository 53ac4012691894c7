"""Checks: is every rule one that can be followed? Asked before anything starts, and by `easel check`.

A rule that names what does not exist, or that no model can serve, is a problem. A model whose end the catalogue already
knew to be past when its facts were read is one too; a model that ends later is a note, because a running configuration
must not break at midnight: the plan passes over it and the next one serves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from ..providers.base.capabilities import Model
from ..providers.base.errors import ConfigError, Problem, RequestError
from ..providers.base.request import AspectRatio, ImageRequest, InputImage, Size
from ..providers.base.response import Decision
from . import contract
from .contract import Policies
from .deployments import Deployment, Deployments
from .document import did_you_mean
from .rules import Rules, compile_rule
from .settings import By, Expectation, RouteRow, RouteTest, Settings, Weighted, When

Explain = Callable[[Mapping[str, object], date | None], Awaitable[Decision]]
Path = tuple[str | int, ...]
"""A place within a rule, as keys and indices."""
PIXEL = InputImage(b"", "image/png", Size(1024, 1024), has_alpha=True)
"""Stands for a picture where a rule asks for one: only its facts are looked at."""


@dataclass(frozen=True, slots=True)
class Findings:
    problems: tuple[Problem, ...]
    """Each must be mended before anything starts."""
    notes: tuple[Problem, ...]
    """Worth knowing."""


def compiled(settings: Settings) -> Rules:
    """The rules, ready to be asked. Raises ConfigError for two of one name and for expressions that cannot be used."""
    wrong: list[Problem] = []
    names: dict[str, int] = {}
    for place, row in enumerate(settings.routes):
        if row.name in names:
            message = f"route {row.name!r} is there already; give this one another name"
            wrong.append(settings.problem("routes", (place, "name"), message))
        if row.name == "auto":
            wrong.append(settings.problem("routes", (place, "name"), "auto means every route; use another name"))
        if not row.name.strip():
            wrong.append(settings.problem("routes", (place, "name"), "a route needs a name, for callers and answers"))
        names[row.name] = place
        try:
            compile_rule(row, place)
        except ValueError as error:
            wrong.append(settings.problem("routes", (place, "expr"), str(error)))
    if wrong:
        raise ConfigError(wrong)
    return Rules(settings.routes)


def check(settings: Settings, deployments: Deployments, today: date) -> Findings:
    """Every route, followed to deployments that can serve it."""
    problems: list[Problem] = []
    notes: list[Problem] = []
    for place, row in enumerate(settings.routes):
        missing = list(_missing(settings, place, row, deployments, today))
        problems += missing
        named = [(each, at) for name, at in _names(row) for each in deployments.named(name, today=today)]
        for each, at in named:
            if finding := _ended(each, deployments, today):
                fatal, message = finding
                (problems if fatal else notes).append(settings.problem("routes", (place, *at), message))
        if not missing:
            problems += _unservable(settings, place, row, _chosen(row, named, deployments), today)
    return Findings(tuple(problems), tuple(notes))


def _names(row: RouteRow) -> Iterator[tuple[str, Path]]:
    """Every deployment that a rule names, and where within the rule."""
    match row.prefer:
        case By(among=among):
            yield from ((name, ("prefer", "among", "deployments")) for name in among.deployments or ())
        case Weighted(weights=weights):
            yield from ((name, ("prefer", "weights", name)) for name in weights)
        case names:
            yield from ((name, ("prefer", index)) for index, name in enumerate(names))
    if row.canary is not None:
        yield row.canary.deployment, ("canary", "deployment")


def _chosen(row: RouteRow, named: list[tuple[Deployment, Path]], deployments: Deployments) -> Iterator[Deployment]:
    """Those that the rule can come to."""
    if isinstance(row.prefer, By):
        yield from (each for each in deployments if each.is_among(row.prefer.among))
        named = [(each, at) for each, at in named if at[0] == "canary"]
    yield from (each for each, _ in named)


def _missing(settings: Settings, place: int, row: RouteRow, deployments: Deployments, today: date) -> Iterator[Problem]:
    known = [*deployments.by_name, *(f"{each.prefix}/…" for each, _ in deployments.open_rows)]
    for name, at in _names(row):
        if not deployments.named(name, today=today):
            hint = did_you_mean(name, known)
            message = f"route {row.name!r} names {name!r}, and there is no such deployment{hint}"
            yield settings.problem("routes", (place, *at), message)
    if isinstance(row.prefer, By):
        providers = {each.provider for each in deployments}
        for name in row.prefer.among.providers or ():
            if name not in providers:
                hint = did_you_mean(name, list(providers))
                message = f"route {row.name!r} names provider {name!r}, and no deployment is of it{hint}"
                yield settings.problem("routes", (place, "prefer", "among", "providers"), message)


def _ended(deployment: Deployment, deployments: Deployments, today: date) -> tuple[bool, str] | None:
    """A model that has ended: whether that was known when its facts were read, and what to say of it."""
    shutdown = deployment.model.lifecycle.shutdown
    if shutdown.value is None or today < shutdown.value:
        return None
    successors = _successors(deployment.model, deployments, today)
    instead = f"; in its place: {', '.join(successors)}" if successors else ""
    message = f"{deployment.name} ended on {shutdown.value} ({shutdown.source}){instead}"
    return shutdown.value <= shutdown.as_of, message


def _successors(model: Model, deployments: Deployments, today: date) -> list[str]:
    """Deployments of the same provider that can do what it could: its operations and backgrounds."""
    return [
        each.name
        for each in deployments
        if each.provider == model.provider
        and (each.model.lifecycle.shutdown.value is None or today < each.model.lifecycle.shutdown.value)
        and set(model.operations.value) <= set(each.model.operations.value)
        and set(model.backgrounds.value) <= set(each.model.backgrounds.value)
    ][:3]


def _unservable(
    settings: Settings, place: int, row: RouteRow, chosen: Iterable[Deployment], today: date
) -> Iterator[Problem]:
    """Is there a deployment that can serve what the rule's own conditions ask for?"""
    request = replace(_example(row.when), model="auto")
    policies = Policies.of(settings.policy.fields, row.fields)
    reasons: list[str] = []
    for deployment in chosen:
        unmet = contract.check(request, deployment.model, policies, today)
        if unmet is None:
            return
        reasons.append(f"{deployment.name} {unmet.text}")
    said = "; ".join(reasons[:6]) or "it names none that exists"
    yield settings.problem("routes", (place,), f"no model can serve route {row.name!r}: {said}")


def _example(when: When | None) -> ImageRequest:
    """A request such as the rule is for, as far as its typed conditions say."""
    request = ImageRequest(prompt="a picture")
    if when is None:
        return request
    for each in (*(when.all or ()), *(when.any or ())[:1]):
        request = _merged(request, _example(each))
    return _merged(request, _literal(when))


def _merged(one: ImageRequest, other: ImageRequest) -> ImageRequest:
    plain = ImageRequest(prompt="a picture")
    names = ImageRequest.__dataclass_fields__
    changed = {name: value for name in names if (value := getattr(other, name)) != getattr(plain, name)}
    return replace(one, **changed)


def _literal(when: When) -> ImageRequest:
    edits = when.images == "present" or when.mask == "present"
    return ImageRequest(
        prompt="a picture",
        operation=when.operation[0] if when.operation else "edit" if edits else "generate",
        background=when.background[0] if when.background else "auto",
        needs=when.needs or (),
        quality=when.quality[0] if when.quality else None,
        output_format=when.output_format[0] if when.output_format else None,
        resolution=when.resolution[0] if when.resolution else None,
        aspect_ratio=AspectRatio.parse(when.aspect_ratio[0]) if when.aspect_ratio else None,
        text=("TEXT",) if when.text == "present" else (),
        images=(PIXEL,) if edits or (when.operation and when.operation[0] not in {"generate", "video"}) else (),
        references=(PIXEL,) if when.references == "present" else (),
        mask=PIXEL if when.mask == "present" else None,
    )


# Route tests


async def run_tests(settings: Settings, explain: Explain) -> tuple[Problem, ...]:
    """The file's own tests: where each request must go."""
    wrong: list[Problem] = []
    for place, test in enumerate(settings.tests):
        try:
            decision = await explain(test.given, test.on)
        except RequestError as error:
            wrong.append(settings.problem("tests", (place, "given"), f"test {place + 1}: {error}"))
            continue
        title = f"test {place + 1} ({_title(test)})"
        wrong += [
            settings.problem("tests", (place, "expect"), f"{title}: {message}")
            for message in _unlike(test.expect, decision)
        ]
    return tuple(wrong)


def _title(test: RouteTest) -> str:
    given = ", ".join(f"{name}: {value}" for name, value in test.given.items())
    return f"{given} on {test.on}" if test.on else given


def _unlike(expected: Expectation, decision: Decision) -> Iterator[str]:
    plan = tuple(each.deployment for each in decision.plan)
    if expected.nobody != (not plan) and (expected.nobody or expected.first or expected.plan):
        yield f"expected {'nobody' if expected.nobody else 'a plan'}, got {', '.join(plan) or 'nobody'}"
        return
    if expected.rule is not None and expected.rule != decision.rule:
        yield f"expected rule {expected.rule!r}, got {decision.rule!r}"
    if expected.first is not None and plan[:1] != (expected.first,):
        why = next((f" ({each.unmet})" for each in decision.dropped if each.deployment == expected.first), "")
        yield f"expected {expected.first} first, got {plan[0]}{why}"
    if expected.plan is not None and plan[: len(expected.plan)] != expected.plan:
        yield f"expected the plan {', '.join(expected.plan)}, got {', '.join(plan)}"
    dropped = {each.deployment: each.requirement for each in decision.dropped}
    for name, requirement in expected.dropped.items():
        if dropped.get(name) != requirement:
            yield f"expected {name} dropped for {requirement}, got {dropped.get(name) or 'it was not dropped'}"
