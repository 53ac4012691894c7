"""The documents: what they show is run, what they link to is there, and what they list is what the types have.

Blocks of the README run in order in one folder, as somebody would try them: `sh` line by line, `python` as a program,
`yaml` written to the file that its first line names. A `text` block after `sh` is what it printed, in a wide terminal;
a line of `…` stands for any lines, and `…` at a line's end for the rest of it. A block that is not run has a comment
before it that says why.

The last part proves the promises that take the whole house, from the caller's words to a simulated vendor's port.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from easel.providers.base import errors
from easel.providers.base.clock import DateClock
from easel.providers.base.errors import ProviderError
from easel.providers.base.request import ImageRequest
from easel.providers.base.response import ImageResponse
from easel.router import AllAttemptsFailed, AlreadySent, EaselError, MemoryLedger, ModerationBlocked, Router, settings
from easel.router.cli import door
from easel.router.cli.commands import app
from easel.router.ledger import UNKNOWN, AttemptRow
from easel.simulator import faults, server
from easel.simulator.server import Simulator

HOUSE = Path(__file__).parents[1]
DOCUMENTS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    *(str(each.relative_to(HOUSE)) for each in sorted((HOUSE / "docs").rglob("*.md"))),
)
KEYS = ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "GEMINI_API_KEY", "BFL_API_KEY")
FENCE = re.compile(r"(?:<!-- (?P<comment>[^>]*) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[(?P<words>[^\]]+)\]\((?P<target>[^)\s]+)\)")
NAMED_TEST = re.compile(r"`(test_\w+)`")


@dataclass(frozen=True)
class Block:
    kind: str
    text: str
    comment: str
    line: int

    @property
    def is_run(self) -> bool:
        return not self.comment.startswith("not run: ")


def read(document: str) -> str:
    return (HOUSE / document).read_text(encoding="utf-8")


def blocks(document: str) -> Iterator[Block]:
    text = read(document)
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start("kind")) + 1
        yield Block(found["kind"], found["text"], found["comment"] or "", line)


def words(text: str) -> str:
    """Text as a reader sees it: how wide the columns are does not count."""
    return " ".join(text.split())


def test_what_the_readme_shows_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*KEYS, "EASEL_LEDGER", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "160")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    printed: str | None = None
    kinds: set[str] = set()
    for block in blocks("README.md"):
        where = f"README.md:{block.line}"
        if not block.is_run:
            printed = None
            continue
        kinds.add(block.kind)
        match block.kind:
            case "sh":
                printed = "".join(ran(line, where) for line in block.text.splitlines())
            case "python":
                ended = subprocess.run(
                    [sys.executable, "-W", "error", "-c", block.text], capture_output=True, text=True, check=False
                )
                assert ended.returncode == 0, f"{where}: {ended.stderr}"
                assert ended.stderr == "", where
            case "yaml":
                name = block.text.splitlines()[0].removeprefix("# ")
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_text(block.text, encoding="utf-8")
            case "text":
                if printed is not None:
                    assert_shown(block.text, printed, where)
                printed = None
            case kind:
                pytest.fail(f"{where}: nothing is known of {kind!r} blocks")
    assert kinds == {"sh", "python", "yaml", "text"}
    left = {str(path.relative_to(work)) for path in work.rglob("*") if path.is_file()}
    assert {"badge.png", "poster.png", "shop.png", "winter.png", "easel.db", "easel/routes.yaml"} <= left
    assert len(list(work.glob("kites/*.png"))) == 2


def ran(line: str, where: str) -> str:
    """One command, within this process: that the program itself starts is `test_program.py`'s to show."""
    program, *arguments = shlex.split(line, comments=True)
    assert program == "easel", f"{where}: {program} is run by nobody; say why in a comment before the block"
    ended = CliRunner().invoke(app, arguments, prog_name="easel")
    assert ended.exit_code == 0, f"{where}: {line}: {ended.output}"
    return ended.stdout


def assert_shown(shown: str, printed: str, where: str) -> None:
    """Every line that is shown was printed, in this order."""
    rest = [words(line) for line in printed.splitlines()]
    for line in filter(None, map(words, shown.splitlines())):
        if line == "…":
            continue
        beginning = line.removesuffix("…").rstrip() if line.endswith("…") else None
        while rest and not (rest[0] == line or (beginning is not None and rest[0].startswith(beginning))):
            rest.pop(0)
        assert rest, f"{where}: was not printed: {line}"
        rest.pop(0)


def test_make_has_the_targets_that_are_named() -> None:
    targets = set(re.findall(r"^(\w+):", read("Makefile"), re.MULTILINE))
    named = {each for name in DOCUMENTS for each in re.findall(r"(?:^|`)make (\w+)", read(name), re.MULTILINE)}
    assert {"demo", "test"} <= named <= targets


def test_the_extras_are_those_of_the_project() -> None:
    extras = tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"].keys()
    section = read("README.md").partition("## Install")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(extras)
    assert set(re.findall(r"'\.\[(\w+)\]'", section)) <= set(extras)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    text = read(document)
    here = (HOUSE / document).parent
    for found in LINK.finditer(FENCE.sub("", text)):
        target, _, anchor = unquote(found["target"]).partition("#")
        if "://" in target:
            continue
        path = (here / target).resolve() if target else HOUSE / document
        assert path.exists(), f"{document} links to {target}"
        assert path.is_relative_to(HOUSE), f"{document} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}, document
        for name in NAMED_TEST.findall(found["words"]):
            assert f"def {name}(" in path.read_text(encoding="utf-8"), f"{document}: {target} has no {name}"


def test_each_promise_names_a_test() -> None:
    section = read("README.md").partition("## What is promised")[2].partition("\n## ")[0]
    promises = re.findall(r"^\d+\. .+$", section, re.MULTILINE)
    assert len(promises) == 10
    for promise in promises:
        assert NAMED_TEST.search(promise), promise


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_shown_as_a_configuration_is_one(document: str, tmp_path: Path) -> None:
    for place, block in enumerate(each for each in blocks(document) if each.kind == "yaml" and each.is_run):
        path = tmp_path / f"{place}.yaml"
        path.write_text(block.text, encoding="utf-8")
        loaded = settings.load(path)
        assert loaded.documents.keys() >= set(settings.SECTIONS), f"{document}:{block.line}"
        if "routes:" in block.text and document != "README.md":
            ended = CliRunner().invoke(app, ["check", "--config", str(path)], prog_name="easel")
            assert ended.exit_code == 0, f"{document}:{block.line}: {ended.output}"


def test_every_key_of_the_configuration_is_explained() -> None:
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", read("docs/configuration.md")))
    explained = {word for span in spans for word in re.findall(r"\w+", span)}
    types = (
        settings.SettingsFile,
        settings.DeploymentRow,
        settings.RouteRow,
        settings.When,
        settings.PromptIs,
        settings.SizeIs,
        settings.Among,
        settings.RouteTest,
        settings.Retries,
        settings.PolicySection,
    )
    keys = {field.alias or name for kind in types for name, field in kind.model_fields.items()} - {"version"}
    assert keys - explained == set()


def test_the_defaults_are_those_of_the_types() -> None:
    policy = settings.PolicySection()
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| `?([^|`]+?)`? \|$", read("docs/configuration.md"), re.MULTILINE))
    for name in ("deadline_seconds", "attempt_timeout_seconds", "max_unproven", "warn_days_before_shutdown"):
        assert float(rows[name]) == getattr(policy, name)
    for name in ("on_refusal", "on_unknown", "engine"):
        assert rows[name] == getattr(policy, name)
    assert int(rows["concurrency"]) == settings.DeploymentRow(provider="openai").concurrency


def test_the_page_of_providers_is_that_of_the_catalogue() -> None:
    made = CliRunner().invoke(app, ["models", "--markdown"], prog_name="easel")
    assert read("docs/providers.md") == made.stdout, "run: easel models --markdown > docs/providers.md"


def test_every_field_of_a_request_and_an_answer_is_named() -> None:
    readme = read("README.md")
    asked = readme.partition("**What can be asked.**")[2].partition("**What comes back.**")[0]
    answered = readme.partition("**What comes back.**")[2].partition("**What can go wrong.**")[0]
    assert {each.name for each in fields(ImageRequest)} <= set(re.findall(r"`(\w+)`", asked))
    assert {each.name for each in fields(ImageResponse)} <= set(re.findall(r"`(\w+)`", answered))


def test_the_errors_and_exit_codes_are_those_of_the_code() -> None:
    readme = read("README.md")
    table = readme.partition("**What can go wrong.**")[2].partition("\n## ")[0]
    for name in re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE):
        assert issubclass(getattr(errors, name), EaselError)
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", readme, re.MULTILINE)}
    assert codes == {door.DONE, door.MEND, door.REFUSED, door.NOBODY, door.FAILED, door.OVER_BUDGET, door.INTERRUPTED}


def test_the_table_of_failures_is_that_of_the_classes() -> None:
    section = read("docs/architecture.md").partition("## What happens on each failure")[2].partition("\n## ")[0]
    rows = {
        name: tuple(each.strip().strip("`") for each in rest.split("|"))
        for name, rest in re.findall(r"^\| `(\w+)` \|[^|]+\|(.+)\|$", section, re.MULTILINE)
    }
    answer = {True: "yes", False: "no", None: "unknown"}
    assert rows == {
        kind.__name__: (
            kind.outcome,
            *(answer[each] for each in (kind.retry, kind.fall_back, kind.cooldown, kind.billed)),
        )
        for kind in kinds_of(ProviderError)
    }


def kinds_of(kind: type[ProviderError]) -> Iterator[type[ProviderError]]:
    for each in kind.__subclasses__():
        yield each
        yield from kinds_of(each)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_document_speaks_of_this_machine(document: str) -> None:
    text = read(document)
    for path in {str(HOUSE), str(Path.home())} - {os.sep}:
        assert path not in text


# Promises, through the whole house

DAY = date(2026, 12, 2)


def orders(twins: Simulator) -> list[str]:
    """The vendors that were asked for a picture, in their order."""
    return [each.twin for each in twins.received if each.method == "POST"]


async def test_every_fallback_meets_the_contract() -> None:
    wish = {"prompt": "a badge", "background": "transparent"}
    with server.running(today=DAY, faults=[f"{twin}=bad_key" for twin in faults.TWINS]) as twins:
        async with Router(simulator_url=twins.base_url, clock=DateClock(DAY)) as router:
            with pytest.raises(AllAttemptsFailed) as failed:
                await router.run(wish)
            asked = {each.deployment for each in failed.value.attempts if each.outcome != "not_sent"}
            assert len(asked) > 1
            for name in asked:
                assert "transparent" in router.deployments.by_name[name].model.backgrounds.value
        assert {"openai", "azure", "ideogram", "seedream"} <= set(orders(twins)) < set(faults.TWINS)


async def test_every_change_is_in_the_answer() -> None:
    wish = {
        "prompt": "a kite",
        "model": "openai/gpt-image-2",
        "text": ["FLY"],
        "size": "1000x1001",
        "quality": "draft",
        "seed": 7,
        "negative_prompt": "clouds",
        "output_format": "webp",
    }
    with server.running(today=DAY) as twins:
        async with Router(simulator_url=twins.base_url, clock=DateClock(DAY)) as router:
            response = await router.run(wish)
        sent = json.loads(twins.received[-1].body)
    changed = {each.field: (each.kind, each.sent) for each in response.adaptations}
    assert changed.keys() == {"text", "size", "quality", "seed", "negative_prompt"}
    assert changed["size"] == ("clamped", sent["size"])
    assert changed["quality"] == ("renamed", sent["quality"])
    assert changed["seed"] == ("dropped", None)
    assert "seed" not in sent
    for name in ("text", "negative_prompt"):
        assert (changed[name][1] or "missing") in sent["prompt"]
    assert sent["output_format"] == "webp"


async def test_an_attempt_is_kept_before_it_is_sent_and_an_unknown_one_is_not_sent_again() -> None:
    class Witness(MemoryLedger):
        async def open_attempt(self, row: AttemptRow) -> None:
            await super().open_attempt(row)
            seen.append((row.outcome, len(orders(twins))))

    seen: list[tuple[str, int]] = []
    wish = {"prompt": "a kite", "model": "openai/gpt-image-2", "request_id": "kite-1"}
    with server.running(today=DAY, faults=["openai=disconnect"]) as twins:
        async with Router(simulator_url=twins.base_url, clock=DateClock(DAY), ledger=Witness()) as router:
            with pytest.raises(AllAttemptsFailed) as failed:
                await router.run(wish)
            assert [each.outcome for each in failed.value.attempts] == [UNKNOWN]
            assert failed.value.at_risk_usd > 0
            with pytest.raises(AlreadySent):
                await router.run(wish)
        assert orders(twins) == ["openai"]
    assert seen == [(UNKNOWN, 0)]


async def test_a_refusal_ends_the_chain_unless_a_rule_says_otherwise(tmp_path: Path) -> None:
    wish = {"prompt": "a shop window", "text": ["SALE"]}
    otherwise = tmp_path / "routes.yaml"
    otherwise.write_text(
        "version: 1\nroutes:\n  - name: all\n    prefer: [openai/gpt-image-2, google/gemini-3-pro-image]\n"
        "    on_refusal: fall_back\n",
        encoding="utf-8",
    )
    with server.running(today=DAY, faults=["openai=moderation_prompt"]) as twins:
        async with Router(simulator_url=twins.base_url, clock=DateClock(DAY)) as router:
            with pytest.raises(ModerationBlocked) as refused:
                await router.run(wish)
            assert [each.outcome for each in refused.value.attempts] == ["refused"]
        assert orders(twins) == ["openai"]
        async with Router(otherwise, simulator_url=twins.base_url, clock=DateClock(DAY)) as router:
            response = await router.run(wish)
        assert [each.outcome for each in response.attempts] == ["refused", "done"]
        assert orders(twins) == ["openai", "openai", "google"]
