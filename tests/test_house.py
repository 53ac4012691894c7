"""The house: who may import whom, who owns which outside thing, and what `import easel.router` costs.

Every import counts, also those inside functions and under TYPE_CHECKING: a late import is still an arrow. The reader of
imports is itself tried on a small made-up house full of bad arrows.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]
FOLDERS = ("config", "providers", "router", "simulator")

# gateway, cli -> router -> pipeline -> steps -> nouns -> providers.base. An adapter and a step may not even import
# their own kind. `registry` is providers/__init__.py, which finds adapters by name and imports none.
MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "base": frozenset({"base"}),
    "adapter": frozenset({"base"}),
    "registry": frozenset({"base"}),
    "noun": frozenset({"noun", "registry", "base"}),
    "step": frozenset({"noun", "registry", "base"}),
    "pipeline": frozenset({"step", "noun", "registry", "base"}),
    "router": frozenset({"router", "pipeline", "step", "noun", "registry", "base", "simulator", "config", "client"}),
    # The one way back up: `Router.openai_client()` gives out a client that has the gateway behind it.
    "client": frozenset({"door", "router"}),
    "door": frozenset({"door", "router", "pipeline", "step", "noun", "registry", "base", "simulator", "config"}),
    "simulator": frozenset({"simulator"}),
    "config": frozenset(),
}
ROUTER = frozenset({"__init__", "router", "loading"})
"""The modules of `router/` that make up the Router itself; `pipeline` is below them, every other one is a noun."""

OWNERS: Mapping[str, tuple[str, ...]] = {
    "pyreqwest": ("providers/base/engine.py",),
    # litellm sends with httpx and raises its errors: its adapter reads them, and sends nothing itself.
    "httpx": ("providers/base/engine.py", "providers/base/fetch.py", "providers/litellm.py"),
    "httpx_secure": ("providers/base/fetch.py",),
    "requests": (),
    "aiohttp": (),
    "urllib3": (),
    "sqlalchemy": ("router/ledger_", "router/migrations/"),
    "sqlite3": ("router/ledger_databases.py",),
    "psycopg": ("router/ledger_databases.py",),
    "alembic": ("router/ledger_databases.py", "router/migrations/"),
    "yaml": ("router/document.py", "simulator/"),
    "cel": ("router/rules.py",),
    "litellm": ("providers/litellm.py",),
    "fastapi": ("router/gateway/",),
    "starlette": ("router/gateway/",),
    "uvicorn": ("router/gateway/",),
    "obstore": ("router/gateway/assets.py",),
    "structlog": ("router/gateway/log.py",),
    "watchfiles": ("router/gateway/reload.py",),
    "opentelemetry": ("router/telemetry.py",),
    "prometheus_client": ("router/telemetry.py",),
    "openai": ("router/client.py",),
    "pyarrow": ("router/cli/export.py",),
    "typer": ("router/cli/",),
    "rich": ("router/cli/",),
}
"""Outside thing -> the files, or the rooms, that may name it."""
NEVER_AT_MODULE_LEVEL = frozenset({"litellm", "openai", "fastapi", "sqlalchemy", "psycopg", "alembic", "pyarrow"})
IMPORTED_LATE_ITSELF = frozenset(
    {
        "router/client.py",
        "router/ledger_databases.py",
        "router/ledger_report.py",
        "router/ledger_sql.py",
        "router/ledger_tables.py",
        "router/migrations/env.py",
        "router/migrations/versions/schema_1.py",
        "router/migrations/versions/schema_2.py",
    }
)
"""Modules that nothing imports at module level but one another, so that what they import is late too."""

TIME = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.sleep",
    }
)
OWN_TIME: Mapping[str, str] = {
    "providers/base/clock.py": "it is the clock",
    "router/cli/": "a progress line counts the seconds that somebody really waits",
    "simulator/": "a vendor's clock is its own: the simulator imports nothing of ours",
}
"""Who may ask the system for the time, and why."""


@dataclass(frozen=True)
class Import:
    """One imported module: a file of the house, or the name of something outside."""

    line: int
    name: str
    inside: Path | None
    """The file, when it is one of the house."""
    late: bool
    """Inside a function, or for type checkers only."""


@dataclass(frozen=True)
class Module:
    path: Path
    """Below the house."""
    tree: ast.Module

    @property
    def room(self) -> str:
        return room(self.path)

    def __str__(self) -> str:
        return self.path.as_posix()


def room(path: Path) -> str:
    match path.parts:
        case ("providers", "base", *_):
            return "base"
        case ("providers", "__init__.py"):
            return "registry"
        case ("providers", *_):
            return "adapter"
        case ("router", "steps", *_):
            return "step"
        case ("router", "cli" | "gateway", *_):
            return "door"
        case ("router", "migrations", *_):
            return "noun"
        case ("router", name):
            stem = name.removesuffix(".py")
            if stem == "client":
                return "client"
            return "pipeline" if stem == "pipeline" else "router" if stem in ROUTER else "noun"
        case (first, *_):
            return first
        case _:
            raise ValueError(path)


def modules(house: Path) -> list[Module]:
    found = (path for folder in FOLDERS for path in sorted((house / folder).rglob("*.py")))
    return [Module(path.relative_to(house), ast.parse(path.read_text(encoding="utf-8"), str(path))) for path in found]


def imports(module: Module, house: Path) -> Iterator[Import]:
    """Every import of a module, wherever in it; `import_module("x")` with a plain name is one too."""
    late = {
        id(inner)
        for outer in ast.walk(module.tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_type_checking(outer)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(module.tree):
        for name, level in _named(node):
            line, is_late = getattr(node, "lineno", 0), id(node) in late
            if level:
                folder = module.path.parents[level - 1]
                inside = _file(house, folder / Path(*name.split("."))) if name else _file(house, folder)
                yield Import(line, name, inside or (folder / name), is_late)
            else:
                yield Import(line, name, None, is_late)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def _named(node: ast.AST) -> Iterator[tuple[str, int]]:
    """The dotted names that a statement imports, each with its number of leading dots."""
    match node:
        case ast.Import(names=names):
            yield from ((alias.name, 0) for alias in names)
        case ast.ImportFrom(module=base, names=names, level=level):
            yield from ((f"{base}.{alias.name}" if base else alias.name, level) for alias in names)
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]):
            if called in {"import_module", "__import__"}:
                bare = name.lstrip(".")
                yield bare, len(name) - len(bare)
        case _:
            return


def _file(house: Path, path: Path) -> Path | None:
    """The file of a dotted name: a module, a package, or the module that the last part is a member of."""
    for candidate in (path.with_name(path.name + ".py"), path / "__init__.py"):
        if (house / candidate).is_file():
            return candidate
    parent = path.parent
    if parent == path or not parent.parts:
        return None
    for candidate in (parent.with_name(parent.name + ".py"), parent / "__init__.py"):
        if (house / candidate).is_file():
            return candidate
    return None


def wrong_arrows(house: Path) -> list[str]:
    """Every arrow that points up or sideways, in words."""
    found: list[str] = []
    for module in modules(house):
        for each in imports(module, house):
            where = f"{module}:{each.line}"
            first = each.name.split(".")[0]
            if each.inside is None:
                if first == "easel" or first in FOLDERS:
                    found.append(f"{where} imports {each.name} by its full name; inside the house imports are relative")
                continue
            target = room(each.inside)
            if target not in MAY_IMPORT[module.room]:
                found.append(f"{where} ({module.room}) imports {each.inside.as_posix()} ({target})")
    return found


def wrong_owners(house: Path) -> list[str]:
    """Every outside thing that is named by somebody who does not own it, or too early."""
    found: list[str] = []
    for module in modules(house):
        is_late = str(module) in IMPORTED_LATE_ITSELF
        for each in imports(module, house):
            where, thing = f"{module}:{each.line}", each.name.split(".")[0]
            if each.inside is not None:
                if str(each.inside) in IMPORTED_LATE_ITSELF and not (each.late or is_late):
                    found.append(f"{where} imports {each.inside} at module level")
            elif thing in OWNERS and not str(module).startswith(OWNERS[thing] or "nobody"):
                found.append(f"{where} names {thing}, which is {' and '.join(OWNERS[thing]) or 'nobody'}'s")
            elif thing in NEVER_AT_MODULE_LEVEL and not (each.late or is_late):
                found.append(f"{where} imports {thing} at module level")
    return found


def own_times(house: Path) -> list[str]:
    """Every call for the time that does not go through the clock."""
    found: list[str] = []
    for module in modules(house):
        if str(module).startswith(tuple(OWN_TIME)):
            continue
        known = _outside_names(module.tree)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute | ast.Name):
                first, dot, rest = ast.unparse(node).partition(".")
                if (name := known.get(first, first) + dot + rest) in TIME:
                    found.append(f"{module}:{node.lineno} asks for the time itself: {name}")
    return found


def _outside_names(tree: ast.Module) -> dict[str, str]:
    """Local name -> full dotted name, for everything imported from outside."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


# This house


def test_no_arrow_points_up() -> None:
    assert wrong_arrows(HOUSE) == []


def test_each_outside_thing_has_one_owner() -> None:
    assert wrong_owners(HOUSE) == []


def test_the_time_comes_from_the_clock() -> None:
    assert own_times(HOUSE) == []


def test_every_exception_is_still_needed() -> None:
    """A name in the lists above that nothing needs any more is taken out of them."""
    read = {str(module): module for module in modules(HOUSE)}
    for path in IMPORTED_LATE_ITSELF:
        assert path in read
    for path in OWN_TIME:
        if path.endswith(".py"):
            names = _outside_names(read[path].tree).values()
            assert any(name in {"datetime.datetime", "datetime.date"} for name in names), path


# A made-up house, to see that the tests above can fail

MADE_UP: Mapping[str, str] = {
    "providers/__init__.py": "from .base.adapter import Adapter",
    "providers/base/__init__.py": "from .adapter import Adapter",
    "providers/base/adapter.py": "class Adapter: ...",
    "providers/base/engine.py": "import httpx, pyreqwest",
    "providers/base/clock.py": "import time\ntime.monotonic()",
    "providers/good.py": "from .base import Adapter\ndef perform():\n    import json",
    "router/__init__.py": "from .pipeline import run",
    "router/pipeline.py": "from .steps import parse\nfrom .steps.route import route",
    "router/steps/__init__.py": "",
    "router/steps/parse.py": "from ..catalog import Catalog",
    "router/steps/route.py": "from .. import catalog",
    "router/catalog.py": "from ..providers.base.adapter import Adapter\nfrom .. import providers\nCatalog = 1",
    "router/ledger_sql.py": "import sqlalchemy",
    "router/ledger.py": "def open_ledger():\n    from .ledger_sql import SqlLedger",
    "router/cli/__init__.py": "from .. import pipeline\nfrom ...simulator import server",
    "simulator/__init__.py": "",
    "simulator/server.py": "from datetime import datetime\ndatetime.now()",
    "config/__init__.py": "",
}

BAD_ARROWS: Mapping[tuple[str, str], str] = {
    (
        "router/catalog.py",
        "from .pipeline import run",
    ): "router/catalog.py:1 (noun) imports router/pipeline.py (pipeline)",
    ("router/catalog.py", "from . import Router"): "router/catalog.py:1 (noun) imports router/__init__.py (router)",
    ("router/catalog.py", "def f():\n    from .steps.parse import x"): (
        "router/catalog.py:2 (noun) imports router/steps/parse.py (step)"
    ),
    ("router/catalog.py", "if TYPE_CHECKING:\n    from .cli import main"): (
        "router/catalog.py:2 (noun) imports router/cli/__init__.py (door)"
    ),
    ("router/catalog.py", "from ..providers import good"): (
        "router/catalog.py:1 (noun) imports providers/good.py (adapter)"
    ),
    ("router/catalog.py", "import_module('.pipeline', __name__)"): (
        "router/catalog.py:1 (noun) imports router/pipeline.py (pipeline)"
    ),
    ("router/steps/parse.py", "from .route import route"): (
        "router/steps/parse.py:1 (step) imports router/steps/route.py (step)"
    ),
    ("router/steps/parse.py", "from . import route"): (
        "router/steps/parse.py:1 (step) imports router/steps/route.py (step)"
    ),
    ("router/pipeline.py", "from .cli import main"): (
        "router/pipeline.py:1 (pipeline) imports router/cli/__init__.py (door)"
    ),
    ("providers/good.py", "from . import other"): "providers/good.py:1 (adapter) imports providers/other.py (adapter)",
    ("providers/good.py", "from .other import Other"): (
        "providers/good.py:1 (adapter) imports providers/other.py (adapter)"
    ),
    ("providers/good.py", "from ..router.catalog import Catalog"): (
        "providers/good.py:1 (adapter) imports router/catalog.py (noun)"
    ),
    ("providers/base/adapter.py", "from ...router import catalog"): (
        "providers/base/adapter.py:1 (base) imports router/catalog.py (noun)"
    ),
    ("providers/base/adapter.py", "from ...simulator import server"): (
        "providers/base/adapter.py:1 (base) imports simulator/server.py (simulator)"
    ),
    ("simulator/server.py", "from ..providers.base import Adapter"): (
        "simulator/server.py:1 (simulator) imports providers/base/__init__.py (base)"
    ),
    ("router/catalog.py", "import easel.router.pipeline"): (
        "router/catalog.py:1 imports easel.router.pipeline by its full name; inside the house imports are relative"
    ),
}
BAD_OWNERS: Mapping[tuple[str, str], str] = {
    ("router/catalog.py", "def f():\n    import httpx"): (
        "router/catalog.py:2 names httpx, which is providers/base/engine.py and providers/base/fetch.py and "
        "providers/litellm.py's"
    ),
    ("router/catalog.py", "from sqlalchemy.ext.asyncio import x"): (
        "router/catalog.py:1 names sqlalchemy, which is router/ledger_ and router/migrations/'s"
    ),
    ("router/catalog.py", "import_module('requests')"): "router/catalog.py:1 names requests, which is nobody's",
    ("router/catalog.py", "from .ledger_sql import SqlLedger"): (
        "router/catalog.py:1 imports router/ledger_sql.py at module level"
    ),
    ("providers/litellm.py", "try:\n    import litellm\nexcept ImportError: ..."): (
        "providers/litellm.py:2 imports litellm at module level"
    ),
}
BAD_TIMES: Mapping[tuple[str, str], str] = {
    ("router/catalog.py", "import time\ntime.time()"): "router/catalog.py:2 asks for the time itself: time.time",
    ("router/catalog.py", "import time as t\nt.monotonic()"): (
        "router/catalog.py:2 asks for the time itself: time.monotonic"
    ),
    ("router/catalog.py", "from time import monotonic as m\nm()"): (
        "router/catalog.py:2 asks for the time itself: time.monotonic"
    ),
    ("router/catalog.py", "from datetime import datetime\nnow = datetime.now"): (
        "router/catalog.py:2 asks for the time itself: datetime.datetime.now"
    ),
    ("providers/good.py", "import datetime\ndatetime.date.today()"): (
        "providers/good.py:2 asks for the time itself: datetime.date.today"
    ),
}


def build(house: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        path = house / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def test_a_good_house_has_nothing_wrong(tmp_path: Path) -> None:
    build(tmp_path, MADE_UP)
    assert wrong_arrows(tmp_path) == []
    assert wrong_owners(tmp_path) == []
    assert own_times(tmp_path) == []


@pytest.mark.parametrize(("place", "said"), BAD_ARROWS.items())
def test_a_bad_arrow_is_named(tmp_path: Path, place: tuple[str, str], said: str) -> None:
    build(tmp_path, {**MADE_UP, "providers/other.py": "", place[0]: place[1]})
    assert wrong_arrows(tmp_path) == [said]


@pytest.mark.parametrize(("place", "said"), BAD_OWNERS.items())
def test_a_thing_in_the_wrong_hands_is_named(tmp_path: Path, place: tuple[str, str], said: str) -> None:
    build(tmp_path, {**MADE_UP, place[0]: place[1]})
    assert wrong_owners(tmp_path) == [said]


@pytest.mark.parametrize(("place", "said"), BAD_TIMES.items())
def test_a_second_clock_is_named(tmp_path: Path, place: tuple[str, str], said: str) -> None:
    build(tmp_path, {**MADE_UP, place[0]: place[1]})
    assert own_times(tmp_path) == [said]


# What importing costs

MEASURE = """
import json, sys, time

def peak_mb():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:  # macOS, which counts in bytes
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2

touched = []
sys.addaudithook(lambda name, args: touched.append(name) if name.startswith("socket.") else None)
before, started = peak_mb(), time.perf_counter()
import easel.router
took = time.perf_counter() - started
heavy = [name for name in {heavy!r} if name in sys.modules]
print(json.dumps({{"ms": took * 1000, "mb": peak_mb() - before, "heavy": heavy, "touched": touched}}))
"""
HEAVY = ("litellm", "openai", "fastapi", "starlette", "sqlalchemy", "httpx", "pyreqwest", "cel", "PIL", "rich", "typer")
MOST_MB = 40


def test_importing_the_library_is_light_and_opens_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    # From an empty folder, in a process of its own: as an application does it.
    program = MEASURE.format(heavy=HEAVY)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = json.loads(ended.stdout)
    with capsys.disabled():
        print(f"\nimport easel.router: {found['ms']:.0f} ms, {found['mb']:.1f} MB over bare Python")
    assert found["touched"] == []
    assert found["heavy"] == []
    assert found["mb"] < MOST_MB
