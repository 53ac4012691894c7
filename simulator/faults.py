"""Faults on demand: what can be made to go wrong, for which requests, and how often.

A request asks for its own fault with the header `x-simulate-fault`; rules set for the whole simulator make the others.
Vendors word their errors differently, so each twin gives its own 429, 500 or 503; what breaks below the vendor's words
(no answer, half an answer, another server's error page) is broken by the server for all of them.
"""

from __future__ import annotations

import difflib
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .server import Request

TWINS: Final = (
    "openai",
    "azure",
    "google",
    "bfl",
    "stability",
    "xai",
    "recraft",
    "seedream",
    "wavespeed",
    "dashscope",
    "ideogram",
    "bedrock",
    "fal",
    "replicate",
    "together",
    "openrouter",
)
"""Each a module of this package, whose `TWIN` makes it."""

Fault = Literal[
    # The vendor answers, in its own words.
    "rate_limit",  # 429: wait and try again
    "quota",  # the account has no money or quota left: waiting does not help
    "unavailable",  # 503
    "server_error",  # 500
    "bad_key",
    "moderation_prompt",  # the prompt is refused
    "moderation_output",  # the picture is refused
    # The answer does not come, or not whole.
    "hang",  # taken, never answered
    "disconnect",  # taken, then the connection is dropped
    "cut_body",  # the connection is dropped in the middle of the body
    "html_error",  # a 502 page of some machine in between
    # The answer comes, and what is in it is wrong.
    "truncated_base64",
    "not_a_picture",
    "opaque",  # no alpha although transparency was asked for
    "wrong_size",
    "misspelled",
    "duplicate_bill",  # usage counted twice
]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
ALIASES: Final[dict[str, Fault]] = {"rate_limited": "rate_limit", "overloaded": "unavailable", "down": "unavailable"}


class FaultError(ValueError):
    """A fault, or a rule for one, that makes no sense; the message says what would."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Which calls of a twin go wrong. With neither `count` nor `share`, all of them do."""

    twin: str
    fault: Fault
    model: str | None = None
    """As the vendor calls it, in the path or in the body; None: any."""
    count: int | None = None
    """Only the first so many calls."""
    share: float | None = None
    """0 to 1, spread evenly: at 0.25 every fourth call goes wrong, always the same ones."""
    method: str = "POST"
    """Calls that order a picture are POST; polls and downloads are GET."""


class Faults:
    """The rules in force; safe to change while requests come in."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._lock = threading.Lock()
        self._rules: list[tuple[FaultRule, int]] = [(rule, 0) for rule in rules]
        """With the number of calls each has met."""

    def add(self, rule: FaultRule | str) -> None:
        """A rule, or one written as `parse` reads it."""
        with self._lock:
            self._rules.append((parse(rule) if isinstance(rule, str) else rule, 0))

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def strike(self, twin: str, request: Request) -> Fault | None:
        """The fault of this request: that of the first rule due. Rules behind that one do not count the request."""
        struck: Fault | None = None
        with self._lock:
            for index, (rule, met) in enumerate(self._rules):
                if struck is None and _concerns(rule, twin, request):
                    self._rules[index] = (rule, met + 1)
                    struck = rule.fault if _is_due(rule, met) else None
        return struck


def parse(text: str) -> FaultRule:
    """A rule written `twin[/model]=fault[:count]` or `twin[/model]=fault:share%`; raises FaultError.

    `openai=unavailable:2`: the first two calls. `google/gemini-3-pro-image=rate_limit:25%`: every fourth. `bfl=down`.
    """
    target, equals, wanted = text.strip().partition("=")
    if not equals or not wanted:
        raise FaultError(f"{text!r}: write twin=fault, twin=fault:count or twin=fault:share%, as openai=unavailable:2")
    twin, _, model = target.partition("/")
    if twin not in TWINS:
        raise FaultError(f"{text!r}: there is no twin {twin!r}{_hint(twin, TWINS)}; there are {', '.join(TWINS)}")
    name, colon, how_often = wanted.partition(":")
    fault = named(name)
    count, share = _how_often(text, how_often) if colon else (None, None)
    return FaultRule(twin, fault, model or None, count, share)


def named(name: str) -> Fault:
    """The fault of this name or alias; raises FaultError."""
    for fault in FAULTS:
        if name == fault:
            return fault
    if name in ALIASES:
        return ALIASES[name]
    known = (*FAULTS, *ALIASES)
    raise FaultError(f"there is no fault {name!r}{_hint(name, known)}; there are {', '.join(known)}")


def _how_often(text: str, how_often: str) -> tuple[int | None, float | None]:
    if how_often.isascii() and how_often.isdigit() and int(how_often) > 0:
        return int(how_often), None
    percent = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", how_often)
    if percent and 0 < float(percent[1]) <= 100:
        return None, float(percent[1]) / 100
    raise FaultError(f"{text!r}: after the colon comes a count (2) or a share (25%), not {how_often!r}")


def _hint(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _concerns(rule: FaultRule, twin: str, request: Request) -> bool:
    return rule.twin == twin and rule.method == request.method and (rule.model is None or _names(request, rule.model))


def _names(request: Request, model: str) -> bool:
    """Whether the request is for this model: a whole word of the path, or `model` in a JSON or form body."""
    word = re.escape(model)
    if re.search(rf"/{word}(?:[/:]|$)", unquote(request.path)):
        return True
    written = word.encode()
    return (
        re.search(
            rb'"model"\s*:\s*"%b"|name="?model"?\r\n(?:[^\r\n]+\r\n)*\r\n%b\r\n' % (written, written), request.body
        )
        is not None
    )


def _is_due(rule: FaultRule, met: int) -> bool:
    if rule.count is not None:
        return met < rule.count
    if rule.share is not None:
        return int((met + 1) * rule.share + 1e-9) > int(met * rule.share + 1e-9)
    return True
