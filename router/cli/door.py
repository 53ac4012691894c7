"""What every command shares: options declared once, and one way out.

Exit codes: 0 done, 2 the request or the configuration has to be mended, 3 refused by moderation, 4 no model can,
5 every attempt failed, 6 over budget.

What errors are is imported late: the help of every command goes through here, and needs none of it.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

import typer
from rich.console import Console

if TYPE_CHECKING:
    from ...providers.base.errors import EaselError, RequestError

DONE, MEND, REFUSED, NOBODY, FAILED, OVER_BUDGET = 0, 2, 3, 4, 5, 6
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells count."""
Command = Callable[..., int | None]

SPECIAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters, the escape that starts a terminal's commands among them."""


class Ended(Exception):
    """A request that ended in an error, with what is known of it by then."""

    def __init__(self, error: EaselError, known: Mapping[str, object]) -> None:
        super().__init__(str(error))
        self.error = error
        self.known = known


def stdout() -> Console:
    """Made anew for each use: tests and pipes put other streams in the place of the first ones."""
    return Console(markup=False, highlight=False, emoji=False)


def stderr() -> Console:
    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def harmless(text: str) -> str:
    """Words from outside (a vendor's, a file's) without the characters that a terminal would obey."""
    return SPECIAL.sub("\N{REPLACEMENT CHARACTER}", text)


def exit_code(error: EaselError) -> int:
    from ...providers.base.errors import AllAttemptsFailed, ModerationBlocked, NoModelCan, OverBudget, ProviderError

    match error:
        case OverBudget():
            return OVER_BUDGET
        case NoModelCan():
            return NOBODY
        case ModerationBlocked():
            return REFUSED
        case AllAttemptsFailed() | ProviderError():
            return FAILED
        case _:
            return MEND


def command(register: Callable[[Callable[..., None]], object]) -> Callable[[Command], Command]:
    """Registers a command, by typer's own `app.command()`. It returns its exit code.

    Where it takes a dataclass, each field is an option of its own. An EaselError is said on stderr, without a
    traceback, and with `--json` as an object on stdout as well.
    """

    def add(function: Command) -> Command:
        register(_flat(function))
        return function

    return add


def _flat(function: Command) -> Callable[..., None]:
    """The function as typer reads it: plain parameters in place of dataclasses."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if name != "return" and is_dataclass(kind)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in groups:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        kinds = get_type_hints(groups[name], include_extras=True)
        for each in fields(groups[name]):
            default: object = inspect.Parameter.empty if each.default is MISSING else each.default
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(inspect.Parameter(each.name, kind, default=default, annotation=kinds[each.name]))

    def run(**values: Any) -> None:
        from ...providers.base.errors import EaselError

        as_json = bool(values.get("as_json"))
        whole = {
            name: kind(**{each.name: values.pop(each.name) for each in fields(kind)}) for name, kind in groups.items()
        }
        try:
            code = function(**whole, **values)
        except Ended as ended:
            say(ended.error, as_json=as_json, known=ended.known)
            raise typer.Exit(exit_code(ended.error)) from ended
        except EaselError as error:
            say(error, as_json=as_json)
            raise typer.Exit(exit_code(error)) from error
        if code:
            raise typer.Exit(code)

    run.__name__ = function.__name__
    run.__doc__ = function.__doc__
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess] (what inspect reads first)
    return run


def say(error: EaselError, *, as_json: bool, known: Mapping[str, object] | None = None) -> None:
    """An error, for people on stderr and for programs on stdout."""
    from . import report, show

    show.failure(stderr(), error)
    if as_json:
        print_json({**(known or {}), **report.failure(error)})


def print_json(content: object) -> None:
    print(json.dumps(content, indent=2))


def wrong(option: str, message: str) -> RequestError:
    from ...providers.base.errors import RequestError

    return RequestError(f"--{option} {message}", field=option)
