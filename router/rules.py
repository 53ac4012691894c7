"""Rules: compiled once, found fast. A request meets only the rules that could match it.

A rule's `when` is a tree of typed conditions. Each answers yes, no, or None when the request does not have what is
asked about; a rule that ends in None does what its `missing` says. Most rules hinge on one value (a background, a
caller, a tag): these are indexed by it, so that a thousand rules for other callers cost a request nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, cast

from ..providers.base.errors import RequestError
from ..providers.base.request import AspectRatio, ImageRequest
from . import lettering
from .document import did_you_mean
from .settings import Presence, PromptIs, Range, RouteRow, SizeIs, When

Test = Callable[["View"], bool | None]
Key = tuple[str, object]

PLAIN = ("operation", "background", "quality", "output_format", "resolution", "caller", "region", "user", "stream")
PRESENT = ("text", "mask", "images", "references", "seed", "negative_prompt")
# Operators that CEL gives as functions; everything else in an expression has to be one of FUNCTIONS.
OPERATORS = re.compile(r"[_!?:\[\]+\-*/%<>=&|]+|@in")
FUNCTIONS = frozenset({"size", "contains", "startsWith", "endsWith", "matches", "int", "double", "string"})
# White space and comments may stand before the bracket.
MACROS = re.compile(
    r"\b(has|map|filter|all|exists|exists_one|existsOne|map_values|transformList|transformMap|transformMapEntry|reduce)"
    r"(?:\s|//[^\n]*)*\("
)


class View:
    """A request as rules see it; what costs something to know is worked out once, when the first rule asks."""

    def __init__(self, request: ImageRequest) -> None:
        self.request = request

    @cached_property
    def asks_for_text(self) -> bool:
        return bool(self.request.text) or lettering.asks_for_text(self.request.prompt)

    @cached_property
    def folded_prompt(self) -> str:
        return self.request.prompt.casefold()

    @cached_property
    def variables(self) -> dict[str, Any]:
        """What `expr` can name. Absent values are null; a size is {width, height}."""
        request = self.request
        size = request.size
        return {
            "prompt": request.prompt,
            "asks_for_text": self.asks_for_text,
            "operation": request.operation,
            "text": list(request.text),
            "needs": list(request.needs),
            "n": request.n,
            "size": {"width": size.width, "height": size.height} if size else None,
            "aspect_ratio": str(request.aspect_ratio) if request.aspect_ratio else None,
            "resolution": request.resolution,
            "seconds": request.seconds,
            "quality": request.quality,
            "background": request.background,
            "output_format": request.output_format,
            "style": request.style,
            "seed": request.seed,
            "negative_prompt": request.negative_prompt,
            "stream": request.stream,
            "images": len(request.images),
            "references": len(request.references),
            "mask": request.mask is not None,
            "max_cost_usd": float(request.max_cost_usd) if request.max_cost_usd is not None else None,
            "caller": request.caller,
            "tags": list(request.tags),
            "region": request.region,
            "user": request.user,
            "metadata": dict(request.metadata),
        }


VARIABLES = frozenset(View(ImageRequest()).variables)


@dataclass(frozen=True, slots=True)
class Rule:
    """A route, ready to be asked."""

    row: RouteRow
    place: int
    """In the file, from 0: the first rule that matches wins."""
    test: Test
    keys: frozenset[Key] | None
    """A request that has none of these cannot match. None: it has to be asked."""

    @property
    def name(self) -> str:
        return self.row.name

    def matches(self, view: View) -> bool:
        """Raises RequestError when the rule refuses requests that lack what it asks about."""
        answer = self.test(view)
        if answer is not None:
            return answer
        if self.row.missing == "refuse":
            raise RequestError(f"route {self.name!r} asks about something that this request does not have")
        return self.row.missing == "match"


class Rules:
    """All rules, in order."""

    def __init__(self, rows: Iterable[RouteRow]) -> None:
        self.all = tuple(compile_rule(row, place) for place, row in enumerate(rows))
        self._by_name = {rule.name: rule for rule in self.all}
        self._by_key: dict[Key, list[int]] = {}
        self._always: list[int] = []
        for rule in self.all:
            if rule.keys is None:
                self._always.append(rule.place)
            for key in rule.keys or ():
                self._by_key.setdefault(key, []).append(rule.place)

    def named(self, name: str) -> Rule | None:
        return self._by_name.get(name)

    def matching(self, view: View) -> Iterator[Rule]:
        """Every rule that matches, in order."""
        for place in self._possible(view):
            rule = self.all[place]
            if rule.matches(view):
                yield rule

    def _possible(self, view: View) -> list[int]:
        found = set(self._always)
        for key in _request_keys(view):
            if key in self._by_key:
                found.update(self._by_key[key])
        # Whether a prompt asks for lettering costs microseconds to know: ask only when some rule hangs on it.
        for answer in (True, False):
            key = ("asks_for_text", answer)
            if key in self._by_key and view.asks_for_text is answer:
                found.update(self._by_key[key])
        return sorted(found)


def _request_keys(view: View) -> Iterator[Key]:
    """Every (condition, value) that a rule could have been indexed by and that this request has."""
    request = view.request
    for name in PLAIN:
        yield name, getattr(request, name)
    yield "aspect_ratio", str(request.aspect_ratio)
    yield "style", request.style
    for name in PRESENT:
        yield name, _present(request, name)
    for need in request.needs:
        yield "needs", need
    for tag in request.tags:
        yield "tags", tag
    for key, value in request.metadata.items():
        yield "metadata", (key, value)


# Compiling


def compile_rule(row: RouteRow, place: int) -> Rule:
    """Raises ValueError for an expression, or an aspect ratio, that cannot be used."""
    tests: list[Test] = []
    keys: frozenset[Key] | None = None
    if row.when is not None:
        test, keys = _when(row.when)
        tests.append(test)
    if row.expr is not None:
        tests.append(_expression(row.expr))
    if row.missing != "no_match":
        keys = None  # a request that lacks the value has to be met too, and no index can say so
    return Rule(row, place, _every(tests), keys)


def _when(when: When) -> tuple[Test, frozenset[Key] | None]:
    """The test, and the values one of which a request must have: the smallest such set among the conditions."""
    parts = list(_parts(when))
    tests = [test for test, _ in parts]
    sets = [keys for _, keys in parts if keys is not None]
    return _every(tests), min(sets, key=len) if sets else None


def _parts(when: When) -> Iterator[tuple[Test, frozenset[Key] | None]]:
    for name in (*PLAIN, "style"):
        allowed: object = getattr(when, name)
        if allowed is not None:
            values = frozenset(cast("tuple[object, ...]", allowed) if isinstance(allowed, tuple) else (allowed,))
            yield _one_of(name, values), frozenset((name, value) for value in values)
    if when.aspect_ratio is not None:
        ratios = frozenset(str(AspectRatio.parse(each)) for each in when.aspect_ratio)  # 21:9 and 42:18 are both 7:3
        yield _one_of("aspect_ratio", ratios, shown=True), frozenset(("aspect_ratio", each) for each in ratios)
    for name in ("needs", "tags"):
        given: tuple[str, ...] | None = getattr(when, name)
        if given is not None:
            yield _any_of(name, frozenset(given)), frozenset((name, value) for value in given)
    for name in PRESENT:
        presence: Presence | None = getattr(when, name)
        if presence is not None:
            wanted = presence == "present"
            yield _is_present(name, wanted=wanted), frozenset({(name, wanted)})
    for key, values in (when.metadata or {}).items():
        yield _metadata(key, frozenset(values)), frozenset(("metadata", (key, value)) for value in values)
    if when.n is not None:
        yield _within(when.n, lambda request: Decimal(request.n)), None
    if when.input_images is not None:
        yield _within(when.input_images, lambda request: Decimal(len(request.input_images))), None
    if when.max_cost_usd is not None:
        yield _within(when.max_cost_usd, lambda request: request.max_cost_usd), None
    if when.size is not None:
        yield _size(when.size), None
    if when.prompt is not None:
        yield from _prompt(when.prompt)
    if when.all is not None:
        for each in when.all:
            yield _when(each)
    if when.any is not None:
        yield _any([_when(each) for each in when.any])
    if when.not_ is not None:
        yield _not(_when(when.not_)[0]), None


def _every(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def every(view: View) -> bool | None:
        answer: bool | None = True
        for test in tests:
            part = test(view)
            if part is False:
                return False
            if part is None:
                answer = None
        return answer

    return every


def _any(parts: list[tuple[Test, frozenset[Key] | None]]) -> tuple[Test, frozenset[Key] | None]:
    tests = [test for test, _ in parts]

    def some(view: View) -> bool | None:
        answer: bool | None = False
        for test in tests:
            part = test(view)
            if part is True:
                return True
            if part is None:
                answer = None
        return answer

    keys: set[Key] = set()
    for _, each in parts:
        if each is None:
            return some, None
        keys |= each
    return some, frozenset(keys)


def _not(test: Test) -> Test:
    def inverse(view: View) -> bool | None:
        answer = test(view)
        return None if answer is None else not answer

    return inverse


def _one_of(name: str, values: frozenset[object], *, shown: bool = False) -> Test:
    def one_of(view: View) -> bool | None:
        value = getattr(view.request, name)
        if value is None:
            return None
        return (str(value) if shown else value) in values

    return one_of


def _any_of(name: str, values: frozenset[str]) -> Test:
    return lambda view: not values.isdisjoint(getattr(view.request, name))


def _present(request: ImageRequest, name: str) -> bool:
    return getattr(request, name) not in (None, ())


def _is_present(name: str, *, wanted: bool) -> Test:
    return lambda view: _present(view.request, name) is wanted


def _metadata(key: str, values: frozenset[str]) -> Test:
    def metadata(view: View) -> bool | None:
        value = view.request.metadata.get(key)
        return None if value is None else value in values

    return metadata


def _within(limits: Range, of: Callable[[ImageRequest], Decimal | None]) -> Test:
    def within(view: View) -> bool | None:
        value = of(view.request)
        return None if value is None else _in_range(limits, value)

    return within


def _in_range(limits: Range | None, value: Decimal | int) -> bool:
    if limits is None:
        return True
    above = limits.at_least is None or value >= limits.at_least
    return above and (limits.at_most is None or value <= limits.at_most)


def _size(limits: SizeIs) -> Test:
    def within(view: View) -> bool | None:
        size = view.request.size
        if size is None:
            return None
        return (
            _in_range(limits.width, size.width)
            and _in_range(limits.height, size.height)
            and _in_range(limits.pixels, size.pixels)
        )

    return within


def _prompt(prompt: PromptIs) -> Iterator[tuple[Test, frozenset[Key] | None]]:
    if prompt.asks_for_text is not None:
        wanted = prompt.asks_for_text
        yield (lambda view: view.asks_for_text is wanted), frozenset({("asks_for_text", wanted)})
    if prompt.contains is not None:
        words = tuple(word.casefold() for word in prompt.contains)
        yield (lambda view: any(word in view.folded_prompt for word in words)), None
    if prompt.characters is not None:
        limits = prompt.characters
        yield (lambda view: _in_range(limits, len(view.request.prompt))), None


# Expressions


def _expression(expression: str) -> Test:
    """A CEL expression as a test. The library has no cost limit of its own, so what can loop is refused here."""
    if found := MACROS.search(expression):
        raise ValueError(f"expr may not use {found.group(1)}(): only comparisons and plain functions")
    import cel  # half a second to import, and only rules with `expr` need it

    try:
        program = cel.compile(expression)
    except ValueError as error:
        raise ValueError(f"expr is not CEL: {str(error).splitlines()[0]}") from error
    references = program.references()
    for name in references["variables"]:
        if name not in VARIABLES:
            raise ValueError(f"expr names {name!r}, which a request does not have{did_you_mean(name, list(VARIABLES))}")
    for name in references["functions"]:
        if name not in FUNCTIONS and not OPERATORS.fullmatch(name):
            raise ValueError(f"expr may not call {name}(); possible: {', '.join(sorted(FUNCTIONS))}")

    try:
        example: object = program.execute(View(ImageRequest(prompt="a picture")).variables)
    except (TypeError, ValueError, RuntimeError, LookupError, ArithmeticError):
        example = None  # it asks for what this request does not have, and says nothing of others
    if not isinstance(example, bool | None):
        raise ValueError(
            f"expr must say yes or no, and for a plain request it says {example!r}; compare it, as in n > 2"
        )

    def evaluate(view: View) -> bool | None:
        try:
            answer: object = program.execute(view.variables)
        except (TypeError, ValueError, RuntimeError, LookupError, ArithmeticError):
            return None  # a value that is absent: what then, the rule's `missing` says
        return answer if isinstance(answer, bool) else None

    return evaluate
