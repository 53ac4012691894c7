"""Keys of vendors: where they are found, which one is used, and what becomes of one that is refused."""

import logging
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from easel.providers.base.errors import ConfigError
from easel.router import AllAttemptsFailed, NoModelCan, Router
from easel.router.keyring import Keyring
from easel.router.secrets import LONGEST_SECRET, Files, Folder, Secret, Secrets, Store
from easel.router.settings import Cooldown, DeploymentRow, Named
from easel.router.telemetry import Metrics
from easel.simulator.server import running

from .conftest import TODAY, SkippingClock, World, outcomes

MODEL = "openai/gpt-image-2"
BAD, GOOD, OTHER = "bad-0123456789", "sim-first", "sim-second"
"""The twin of OpenAI takes keys that begin with `sim-`."""


class Opening(Protocol):
    def __call__(
        self,
        keys: str,
        *faults: str,
        environment: Mapping[str, str] | None = None,
        secrets: Store | None = None,
        metrics: Metrics | None = None,
        more: str = "",
    ) -> AbstractAsyncContextManager[World]: ...


@pytest.fixture
def opened(tmp_path: Path) -> Opening:
    @asynccontextmanager
    async def open_world(
        keys: str,
        *faults: str,
        environment: Mapping[str, str] | None = None,
        secrets: Store | None = None,
        metrics: Metrics | None = None,
        more: str = "",
    ) -> AsyncGenerator[World]:
        with running(today=TODAY, faults=faults) as simulator:
            path = tmp_path / "easel.yaml"
            path.write_text(
                f"version: 1\ndeployments:\n"
                f"  - {{provider: openai, base_url: '{simulator.base_url}/openai/v1', models: [gpt-image-2], {keys}}}\n"
                f"{more}routes: [{{name: all, prefer: {{by: [price]}}}}]\n"
            )
            clock = SkippingClock()
            async with Router(
                path, clock=clock, environment=environment or {}, secrets=secrets, observer=metrics
            ) as router:
                yield World(router, simulator, clock)

    return open_world


def sent(world: World) -> list[str]:
    """The keys that the vendor saw, in order."""
    return [each.headers["authorization"].removeprefix("Bearer ") for each in world.simulator.received]


def write(path: Path, text: str) -> None:
    """In one step, as a rotation does."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text)
    beside.replace(path)


async def paint(world: World) -> list[str]:
    """The outcomes of one request."""
    answer = await world.router.generate("a red kite", quality="draft")
    return [each.outcome for each in answer.attempts]


# Which one is used


async def test_the_first_is_used_as_long_as_it_is_good(opened: Opening) -> None:
    environment = {"FIRST": GOOD, "SECOND": OTHER}
    async with opened("keys: [{env: FIRST}, {env: SECOND}]", environment=environment) as world:
        for _ in range(3):
            assert await paint(world) == ["done"]
        assert sent(world) == [GOOD] * 3


async def test_one_that_is_not_set_is_passed_over(opened: Opening) -> None:
    async with opened("keys: [{env: FIRST}, {env: SECOND}]", environment={"SECOND": OTHER}) as world:
        assert await paint(world) == ["done"]
        assert sent(world) == [OTHER]


async def test_none_is_set(opened: Opening) -> None:
    async with opened("keys: [{env: FIRST}, {file: /nowhere}, {secret: openai}]") as world:
        with pytest.raises(NoModelCan) as caught:
            await paint(world)
        said = "none is set of environment variable FIRST, file /nowhere, secret openai"
        assert caught.value.dropped[0].unmet == said


async def test_a_refused_one_is_set_aside_alone(opened: Opening, caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(wall_seconds=lambda: 0.0)
    environment = {"FIRST": BAD, "SECOND": OTHER}
    keys = "keys: [{env: FIRST}, {env: SECOND}]"
    async with opened(keys, environment=environment, metrics=metrics) as world:
        with caplog.at_level(logging.INFO, logger="easel.router"):
            assert await paint(world) == ["authentication_failed", "done"]
            assert await paint(world) == ["done"]
        assert sent(world) == [BAD, OTHER, OTHER]
        assert world.router.cooldowns() == {}
        assert world.clock.slept == []
        (said,) = caplog.messages
        assert said == (
            "openai refused the key in environment variable FIRST; "
            "it is set aside for 30 s, and environment variable SECOND is used"
        )
        assert 'easel_key_refusals_total{key="env:FIRST",owner="openai"} 1.0' in metrics.scrape().decode()
        assert BAD not in caplog.text + metrics.scrape().decode()


async def test_the_ledger_tells_of_the_refusal(opened: Opening) -> None:
    environment = {"FIRST": BAD, "SECOND": OTHER}
    async with opened("keys: [{env: FIRST}, {env: SECOND}]", environment=environment) as world:
        await world.router.generate("a red kite", request_id="one")
        rows = await world.attempts("one")
        assert [(each.retry, each.outcome, each.billed) for each in rows] == [
            (0, "authentication_failed", False),
            (1, "done", True),
        ]
        assert BAD not in str(rows)


async def test_with_a_single_try_allowed_there_is_still_the_other_key(opened: Opening) -> None:
    environment = {"FIRST": BAD, "SECOND": OTHER}
    more = "policy: {retries: {attempts: 1}}\n"
    async with opened("keys: [{env: FIRST}, {env: SECOND}]", environment=environment, more=more) as world:
        assert await paint(world) == ["authentication_failed", "done"]


async def test_all_are_refused(opened: Opening) -> None:
    environment = {"FIRST": BAD, "SECOND": "bad-too-0123456"}
    async with opened("keys: [{env: FIRST}, {env: SECOND}]", environment=environment) as world:
        with pytest.raises(AllAttemptsFailed) as caught:
            await paint(world)
        assert outcomes(caught.value.attempts) == [(MODEL, "authentication_failed")] * 2
        for _ in range(2):  # then the deployment is set aside, as one with a single key is
            with pytest.raises(AllAttemptsFailed):
                await paint(world)
        assert world.router.cooldowns().keys() == {MODEL}


async def test_only_one_call_tries_it_again(opened: Opening) -> None:
    environment = {"FIRST": BAD, "SECOND": OTHER}
    async with opened("keys: [{env: FIRST}, {env: SECOND}]", environment=environment) as world:
        await paint(world)
        world.clock.advance(31)
        assert await paint(world) == ["authentication_failed", "done"]
        assert await paint(world) == ["done"]
        world.clock.advance(31)  # the second refusal counts for a minute
        assert await paint(world) == ["done"]
        world.clock.advance(31)
        assert await paint(world) == ["authentication_failed", "done"]


async def test_it_comes_back(opened: Opening) -> None:
    environment = {"FIRST": GOOD, "SECOND": OTHER}
    async with opened("keys: [{env: FIRST}, {env: SECOND}]", "openai=bad_key:1", environment=environment) as world:
        assert await paint(world) == ["authentication_failed", "done"]
        world.clock.advance(31)
        assert await paint(world) == ["done"]
        assert await paint(world) == ["done"]
        assert sent(world) == [GOOD, OTHER, GOOD, GOOD]


async def test_another_configuration_goes_on_from_there(opened: Opening, tmp_path: Path) -> None:
    environment = {"FIRST": BAD, "SECOND": OTHER}
    async with opened("keys: [{env: FIRST}, {env: SECOND}]", environment=environment) as world:
        await paint(world)
        async with Router(tmp_path / "easel.yaml", clock=world.clock, environment=environment) as later:
            later.go_on_from(world.router)
            answer = await later.generate("a red kite", quality="draft")
        assert [each.outcome for each in answer.attempts] == ["done"]
        assert sent(world) == [BAD, OTHER, OTHER]


async def test_moderations_change_the_key_too(opened: Opening) -> None:
    environment = {"FIRST": BAD, "SECOND": OTHER}
    async with opened("keys: [{env: FIRST}, {env: SECOND}]", environment=environment) as world:
        found = await world.router.relay("/moderations", b'{"input": "a kite"}', provider="openai", timeout_seconds=10)
        assert found.reply.status == 200
        assert sent(world) == [BAD, OTHER]


# Rotation


async def test_a_file_that_was_rotated_is_used_without_a_restart(opened: Opening, tmp_path: Path) -> None:
    path = tmp_path / "key"
    write(path, f"{GOOD}\n")
    async with opened(f"key: {{file: '{path}'}}") as world:
        await paint(world)
        write(path, f"{OTHER}\n")
        world.clock.advance(1)
        await paint(world)
        assert sent(world) == [GOOD, OTHER]


async def test_no_request_fails_while_a_key_is_rotated(opened: Opening, tmp_path: Path) -> None:
    """The old one ends at the moment in which the new one is written: no second has to pass."""
    path = tmp_path / "key"
    write(path, GOOD)
    async with opened(f"key: {{file: '{path}'}}") as world:
        await paint(world)
        world.simulator.faults.add("openai=bad_key:1")  # it has just been revoked
        write(path, OTHER)
        assert await paint(world) == ["authentication_failed", "done"]
        assert sent(world) == [GOOD, GOOD, OTHER]


async def test_a_key_that_comes_late_is_seen(opened: Opening, tmp_path: Path) -> None:
    path = tmp_path / "key"
    async with opened(f"key: {{file: '{path}'}}") as world:
        with pytest.raises(NoModelCan):
            await paint(world)
        write(path, GOOD)
        world.clock.advance(1)
        assert await paint(world) == ["done"]


async def test_a_new_value_for_a_refused_key_is_good_at_once(opened: Opening, tmp_path: Path) -> None:
    path = tmp_path / "key"
    write(path, BAD)
    keys = f"keys: [{{file: '{path}'}}, {{env: SECOND}}]"
    async with opened(keys, environment={"SECOND": OTHER}) as world:
        await paint(world)
        write(path, GOOD)
        world.clock.advance(1)
        assert await paint(world) == ["done"]
        assert sent(world) == [BAD, OTHER, GOOD]


def test_nothing_is_looked_at_more_than_once_a_second() -> None:
    store = Counting()
    secrets = Secrets({}, store)
    secrets.get(Named(secret="openai"))
    secrets.refresh(100.0)
    before = store.reads
    for moment in (100.0, 100.5, 100.99):
        secrets.refresh(moment)
    assert store.reads == before
    secrets.refresh(101.0)
    assert store.reads == before + 1


async def test_an_application_gives_a_store_of_its_own(opened: Opening) -> None:
    async with opened("key: {secret: openai}", secrets=Counting()) as world:
        assert await paint(world) == ["done"]
        assert sent(world) == [GOOD]


class Counting:
    """An application's own store."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self, name: str) -> str | None:
        self.reads += 1
        return GOOD if name == "openai" else None


# Places


@pytest.mark.parametrize("variable", ["EASEL_SECRETS", "CREDENTIALS_DIRECTORY"])
async def test_the_store_is_a_folder_of_files(opened: Opening, tmp_path: Path, variable: str) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "openai-key").write_text(f"{GOOD}\n")
    async with opened("key: {secret: openai-key}", environment={variable: str(folder)}) as world:
        assert await paint(world) == ["done"]
        assert sent(world) == [GOOD]


def test_a_mounted_folder_is_exchanged_as_kubernetes_does(tmp_path: Path) -> None:
    """The files are links through `..data`, a link that is moved to the new version's folder."""
    for version, value in ("v1", GOOD), ("v2", OTHER):
        (tmp_path / version).mkdir()
        (tmp_path / version / "openai").write_text(value)
    (tmp_path / "..data").symlink_to("v1")
    (tmp_path / "openai").symlink_to("..data/openai")
    folder = Folder(tmp_path)
    assert folder.read("openai") == GOOD
    (tmp_path / "..new").symlink_to("v2")
    (tmp_path / "..new").replace(tmp_path / "..data")
    assert folder.read("openai") == OTHER


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"sim-first\nand a note\n", GOOD),
        (b"  sim-first  \r\n", GOOD),
        (b"\xef\xbb\xbfsim-first", GOOD),
        (b'{\n  "type": "authorized_user"\n}\n', '{\n  "type": "authorized_user"\n}'),
        (b"", None),
        (b"\n\n", None),
        (b"\xff\xfe\x00", None),
        (b"x" * (LONGEST_SECRET + 1), None),
    ],
)
def test_what_a_file_says(tmp_path: Path, content: bytes, value: str | None) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    assert Files().read(str(path)) == value


def test_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, tmp_path / "none", pipe, Path("/dev/zero")):
        assert Files().read(str(path)) is None
    assert Files().read("a\0b") is None


def test_a_file_that_is_half_written_leaves_the_last_value(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "key"
    write(path, GOOD)
    secrets = Secrets({})
    secret = secrets.get(Named(file=str(path)))
    for moment, content in enumerate([None, "", b"\xff".decode("latin-1")]):
        if content is None:
            path.unlink()
        else:
            path.write_text(content, encoding="latin-1")
        secrets.refresh(moment)
        assert secret.value == GOOD
    assert caplog.messages == [f"file {path} is gone or cannot be read; its last value stays in use"]
    write(path, OTHER)
    secrets.refresh(10)
    assert secret.value == OTHER


@pytest.mark.parametrize("name", ["../shadow", "/etc/shadow", "a/b", ".hidden", "", "..", "a b", "a\n"])
def test_a_secret_is_a_name_and_no_path(name: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        Named(secret=name)


@pytest.mark.parametrize(
    "row",
    [
        {"key": {"env": "A", "file": "/b"}},
        {"key": {}},
        {"key": {"command": "cat /etc/shadow"}},
        {"key": "sk-123"},
        {"keys": ["sk-123"]},
        {"key": {"env": "A"}, "keys": [{"env": "B"}]},
        {"keys": [{"env": "A"}, {"env": "A"}]},
    ],
)
def test_rows_that_are_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="key"):
        DeploymentRow.model_validate({"provider": "openai", **row})


def test_a_configuration_with_two_kinds_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "easel.yaml"
    path.write_text("version: 1\ndeployments: [{provider: openai, key: {env: A}, keys: [{env: B}]}]\n")
    with pytest.raises(ConfigError, match="has key and keys"):
        Router(path)


def test_nothing_that_is_printed_shows_a_value() -> None:
    secret = Secret.at(Named(env="KEY"), Counting())
    secret.value = BAD
    ring = Keyring("openai", [secret], Cooldown())
    assert BAD not in f"{secret!r} {ring.keys!r} {ring.pick(0)!r}"


# A burst


def test_a_burst_of_refusals_counts_once() -> None:
    secrets = Secrets({"FIRST": BAD, "SECOND": OTHER})
    ring = Keyring("openai", [secrets.get(Named(env=name)) for name in ("FIRST", "SECOND")], Cooldown(seconds=30))
    picked = [ring.pick(0) for _ in range(16)]
    assert all(ring.refused(each, 1) for each in picked if each is not None)
    assert ring.keys[0].until == 31
