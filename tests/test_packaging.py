"""What is shipped: the wheel is whole and nothing but itself, and works where there is no checkout and no extra.

The registry is asked for the core's dependencies only, pinned and hashed as in the lock.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

HOUSE = Path(__file__).parents[1]
ROOMS = {
    "config": "easel/config",
    "providers": "easel/providers",
    "router": "easel/router",
    "simulator": "easel/simulator",
}
LEFT_BEHIND = ignore_patterns(
    ".git", ".venv", ".tools", ".hypothesis", ".*_cache", "__pycache__", "build", "dist", "*.egg-info", "results"
)
NEVER_IN_THE_CORE = ("litellm", "openai", "fastapi", "starlette", "uvicorn", "sqlalchemy", "google-genai")
UV = HOUSE / ".tools" / "bin" / "uv"


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    ended = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def build(kind: str, source: Path, out: Path) -> Path:
    """By the environment's own setuptools, as a build tool calls it."""
    hook = f"from setuptools import build_meta; build_meta.build_{kind}({str(out)!r})"
    run(sys.executable, "-c", hook, cwd=source)
    (made,) = out.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = copytree(HOUSE, tmp_path_factory.mktemp("source") / "easel", ignore=LEFT_BEHIND)
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


def content(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def packages(names: set[str]) -> set[str]:
    return {name for name in names if ".dist-info/" not in name}


def test_the_wheel_has_every_file_of_the_house_and_no_other(wheel: Path) -> None:
    house = {
        f"{place}/{path.relative_to(HOUSE / room).as_posix()}"
        for room, place in ROOMS.items()
        for path in (HOUSE / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packages(content(wheel)) == house


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (place,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = metadata.PathDistribution(zipfile.Path(archive, place.removesuffix("METADATA"))).metadata
    assert (said["Name"], said["Requires-Python"], said["License-Expression"]) == (
        "easel-images",
        ">=3.11",
        "Apache-2.0",
    )
    assert {"ledger", "litellm", "openai", "all"} <= set(said.get_all("Provides-Extra") or ())
    assert any(name.endswith("licenses/LICENSE") for name in content(wheel))


def test_the_source_distribution_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    source = copytree(HOUSE, tmp_path / "easel", ignore=LEFT_BEHIND)
    packed = build("sdist", source, tmp_path)
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir() and path.name.startswith("easel_images"))
    assert packages(content(build("wheel", unpacked, tmp_path))) == packages(content(wheel))
    for needed in ("Makefile", "requirements.lock", "tests/test_packaging.py", "bench/__main__.py"):
        assert (unpacked / needed).is_file()


# The lock


@dataclass(frozen=True)
class Pin:
    name: str
    version: str
    text: str
    """Its lines in the lock, with every hash."""


def pins() -> dict[str, Pin]:
    found: dict[str, Pin] = {}
    content = (HOUSE / "requirements.lock").read_text(encoding="utf-8")
    for text in re.split(r"^(?=[A-Za-z0-9])", content, flags=re.MULTILINE):
        if match := re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", text):
            name = canonicalize_name(match[1])
            found[name] = Pin(name, match[2], text)
    return found


def project() -> dict[str, list[str]]:
    """Group -> what it asks for."""
    said = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    return {
        "core": said["project"]["dependencies"],
        **said["project"]["optional-dependencies"],
        **said["dependency-groups"],
    }


def test_the_lock_pins_everything_that_is_asked_for() -> None:
    locked = pins()
    asked = [Requirement(line) for lines in project().values() for line in lines]
    for each in asked:
        if each.name != "easel-images":
            pin = locked[canonicalize_name(each.name)]
            assert each.specifier.contains(pin.version), f"{each} is not met by {pin.version}: run `make lock`"


def test_the_lock_has_hashes_and_no_address() -> None:
    text = (HOUSE / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    assert all("--hash=sha256:" in pin.text for pin in pins().values())


# Installed


def needed(names: list[str]) -> Iterator[str]:
    """Every distribution that these need here, themselves among them."""
    seen: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        each = waiting.pop()
        name = canonicalize_name(each.name)
        if name in seen or (each.marker is not None and not each.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        yield name
        waiting += [Requirement(line) for line in metadata.requires(name) or ()]


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that has the wheel and its core dependencies only."""
    place = tmp_path_factory.mktemp("elsewhere")
    locked = pins()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    wanted = [locked[name].text for name in needed(project()["core"])]
    (place / "core.txt").write_text(f"{wheel.as_uri()} --hash=sha256:{digest}\n{''.join(wanted)}", encoding="utf-8")
    install = ("install", "--quiet", "--require-hashes", "--no-deps", "-r", "core.txt")
    if UV.exists():
        run(UV, "venv", "--quiet", "--python", sys.executable, "env", cwd=place)
        run(UV, "pip", *install, "--python", "env/bin/python", cwd=place)
        run(UV, "pip", "check", "--python", "env/bin/python", cwd=place)
    else:
        run(sys.executable, "-m", "venv", "env", cwd=place)
        run(place / "env/bin/python", "-m", "pip", *install, cwd=place)
        run(place / "env/bin/python", "-m", "pip", "check", cwd=place)
    return place / "env" / "bin"


@pytest.fixture
def bare(tmp_path: Path) -> Mapping[str, str]:
    """An environment without keys, settings, or a way back into the checkout."""
    return {"HOME": str(tmp_path), "PATH": os.defpath, "LANG": "C.UTF-8"}


def test_the_core_is_light(elsewhere: Path, tmp_path: Path, bare: Mapping[str, str]) -> None:
    listing = "import importlib.metadata as m, json; print(json.dumps([d.name.lower() for d in m.distributions()]))"
    installed = json.loads(run(elsewhere / "python", "-c", listing, cwd=tmp_path, env=bare))
    assert "easel-images" in installed
    assert [name for name in NEVER_IN_THE_CORE if name in installed] == []


def test_the_program_works_away_from_the_checkout(elsewhere: Path, tmp_path: Path, bare: Mapping[str, str]) -> None:
    easel = elsewhere / "easel"
    version = metadata.version("easel-images")
    assert run(easel, "--version", cwd=tmp_path, env=bare).split() == ["easel", version]
    assert "all good" in run(easel, "check", cwd=tmp_path, env=bare)
    command = ("generate", "a badge", "--background", "transparent", "--simulate", "-o", "x.png", "--json")
    said = json.loads(run(easel, *command, cwd=tmp_path, env=bare))
    (made,) = said["images"]
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.format == "PNG"
        assert (picture.width, picture.height) == (made["width"], made["height"])
        low, high = picture.getchannel("A").getextrema()
    assert (low, high) == (0, 255)
    assert hashlib.sha256((tmp_path / "x.png").read_bytes()).hexdigest() == made["sha256"]


def test_the_library_works_away_from_the_checkout(elsewhere: Path, tmp_path: Path, bare: Mapping[str, str]) -> None:
    program = """
from easel import router
from easel.router import Router
with Router.sync() as sync:
    print(router.__file__, len(sync.router.catalog.models), sync.explain({"prompt": "a badge"}).rule)
"""
    place, models, rule = run(elsewhere / "python", "-c", program, cwd=tmp_path, env=bare).split()
    assert Path(place).is_relative_to(elsewhere.parent)
    assert int(models) > 0
    assert rule
