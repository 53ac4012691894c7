"""Keys: what is kept of them, who gets in, and how soon a change is seen."""

import json
import re
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from easel.providers.base.clock import FixedClock
from easel.providers.base.errors import ConfigError, RequestError
from easel.providers.base.redact import redact
from easel.router.gateway import keys as keys_module
from easel.router.gateway.errors import NotAuthenticated
from easel.router.gateway.keys import CHECK_SECONDS, Keys, Made

DAY = date(2026, 11, 23)


class MovingClock(FixedClock):
    """Wall time moves with the monotonic one."""

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.monotonic())


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(DAY)


@pytest.fixture
def keys(tmp_path: Path, clock: MovingClock) -> Keys:
    return Keys(tmp_path / "keys.json", clock=clock, environment={})


def header(made: Made) -> bytes:
    return f"Bearer {made.secret}".encode()


def another(keys: Keys, clock: MovingClock) -> Keys:
    """The same file, as another process has it."""
    return Keys(keys.path, clock=clock, environment={})


def test_a_key_lets_its_caller_in(keys: Keys) -> None:
    made = keys.create("shop")
    caller = keys.authenticate(header(made))
    assert (caller.name, caller.id, caller.admin) == ("shop", made.key.id, False)
    assert keys.authenticate(header(keys.create("boss", admin=True))).admin


def test_a_key_has_256_random_bits_and_looks_like_a_key(keys: Keys) -> None:
    secret = keys.create("shop").secret
    assert re.fullmatch(r"sk-easel-[0-9a-f]{12}-[A-Za-z0-9_-]{43}", secret)
    assert secret not in redact(f"who sent {secret}?")


def test_what_is_kept_does_not_hold_the_key(keys: Keys) -> None:
    made = keys.create("shop")
    keys.authenticate(header(made))
    keys.save_uses()
    kept = {path.name: path.read_text() for path in keys.path.parent.iterdir()}
    assert set(kept) == {"keys.json", "keys.json.pepper", "keys.json.lock", "keys.json.used"}
    random_part = made.secret.rpartition(f"{made.key.id}-")[2]
    assert not any(random_part in text for text in kept.values())
    assert len(bytes.fromhex(json.loads(kept["keys.json"])["keys"][0]["hmac"])) == 32


def test_the_files_are_their_owners_alone(keys: Keys) -> None:
    keys.create("shop")
    assert {path.stat().st_mode & 0o777 for path in keys.path.parent.iterdir()} == {0o600}


def test_the_hash_depends_on_the_pepper(keys: Keys, tmp_path: Path, clock: MovingClock) -> None:
    keys.create("shop")
    with pytest.raises(ConfigError, match="another pepper"):
        Keys(keys.path, clock=clock, environment={"EASEL_KEY_PEPPER": "another pepper, long enough"})
    (tmp_path / "keys.json.pepper").unlink()
    with pytest.raises(ConfigError, match="no key can be checked"):
        another(keys, clock)


def test_a_pepper_from_the_environment_needs_no_file(tmp_path: Path, clock: MovingClock) -> None:
    peppered = {"EASEL_KEY_PEPPER": "from a secret store, long"}
    keys = Keys(tmp_path / "keys.json", clock=clock, environment=peppered)
    made = keys.create("shop")
    assert not (tmp_path / "keys.json.pepper").exists()
    assert Keys(keys.path, clock=clock, environment=peppered).authenticate(header(made)).name == "shop"
    with pytest.raises(ConfigError, match="too short"):
        Keys(keys.path, clock=clock, environment={"EASEL_KEY_PEPPER": "short"})


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Bearer ",
        b"Basic c2hvcDpzaG9w",
        b"Bearer sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
        b"Bearer sk-easel-000000000000-" + b"A" * 43,
        b"\xff\xfe Bearer",
        b"Bearer " + b"A" * 100_000,
    ],
)
def test_what_is_no_key_does_not_get_in(keys: Keys, authorization: bytes | None) -> None:
    keys.create("shop")
    with pytest.raises(NotAuthenticated):
        keys.authenticate(authorization)


def test_one_wrong_character_does_not_get_in(keys: Keys) -> None:
    secret = keys.create("shop").secret
    for place in (-1, -20, -43):
        wrong = list(secret)
        wrong[place] = "A" if wrong[place] != "A" else "B"
        with pytest.raises(NotAuthenticated, match="not known"):
            keys.authenticate(b"Bearer " + "".join(wrong).encode())


def test_an_error_does_not_repeat_what_was_sent(keys: Keys) -> None:
    made = keys.create("shop")
    keys.revoke("shop")
    for sent in (header(made), b"Bearer sk-my-other-secret", b"Bearer sk-easel-000000000000-" + b"S" * 43):
        with pytest.raises(NotAuthenticated) as refused:
            keys.authenticate(sent)
        assert sent.removeprefix(b"Bearer ").decode() not in str(refused.value)


def test_digests_are_compared_in_constant_time(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key that has the form of one is compared, by the comparison that does not stop early, known id or not."""
    compared: list[int] = []
    constant_time = keys_module.hmac.compare_digest

    def counting(a: bytes, b: bytes) -> bool:
        compared.append(len(b))
        return constant_time(a, b)

    made = keys.create("shop")
    monkeypatch.setattr(keys_module.hmac, "compare_digest", counting)
    keys.authenticate(header(made))
    with pytest.raises(NotAuthenticated):
        keys.authenticate(b"Bearer sk-easel-000000000000-" + b"A" * 43)
    assert compared == [32, 32]


def test_a_key_expires(keys: Keys, clock: MovingClock) -> None:
    made = keys.create("shop", expires_at=clock.now() + timedelta(hours=1))
    clock.advance(3599)
    keys.authenticate(header(made))
    clock.advance(1)
    with pytest.raises(NotAuthenticated, match="expired"):
        keys.authenticate(header(made))
    assert not keys.any_good()
    keys.create("shop")  # the name is free again


def test_a_revoked_key_is_refused_within_a_second_by_every_process(keys: Keys, clock: MovingClock) -> None:
    made = keys.create("shop")
    serving = another(keys, clock)
    serving.authenticate(header(made))
    keys.revoke("shop")
    clock.advance(CHECK_SECONDS)
    with pytest.raises(NotAuthenticated, match="revoked"):
        serving.authenticate(header(made))
    with pytest.raises(RequestError, match="no key 'shop' in use"):
        keys.revoke("shop")


def test_a_new_key_is_known_within_a_second(keys: Keys, clock: MovingClock) -> None:
    serving = another(keys, clock)
    assert not serving.any_good()
    made = keys.create("shop")
    clock.advance(CHECK_SECONDS)
    assert serving.authenticate(header(made)).name == "shop"


def test_the_hot_path_does_not_touch_the_disk(keys: Keys, clock: MovingClock) -> None:
    made = keys.create("shop")
    serving = another(keys, clock)
    keys.path.unlink()
    assert serving.authenticate(header(made)).name == "shop"
    assert serving.problem is None


@pytest.mark.parametrize("wreck", ["{", '{"version": 2, "pepper": "", "keys": []}', None])
def test_a_wrecked_file_leaves_the_last_good_keys(
    keys: Keys, clock: MovingClock, wreck: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    made = keys.create("shop")
    good = keys.path.read_text()
    serving = another(keys, clock)
    keys.path.unlink() if wreck is None else keys.path.write_text(wreck)
    for _ in range(3):
        clock.advance(CHECK_SECONDS)
        assert serving.authenticate(header(made)).name == "shop"
    assert serving.problem is not None
    assert len([each for each in caplog.records if "stay in force" in each.message]) == 1
    keys.path.write_text(good)
    clock.advance(CHECK_SECONDS)
    serving.authenticate(header(made))
    assert serving.problem is None


def test_rotating_gives_a_new_key_and_ends_the_old_one_after_its_grace(keys: Keys, clock: MovingClock) -> None:
    old = keys.create("shop", admin=True)
    new = keys.rotate("shop", grace=timedelta(minutes=5))
    assert new.secret != old.secret
    assert keys.authenticate(header(new)).name == keys.authenticate(header(old)).name == "shop"
    assert keys.authenticate(header(new)).admin
    clock.advance(300)
    with pytest.raises(NotAuthenticated):
        keys.authenticate(header(old))
    keys.authenticate(header(new))
    assert len(keys.list()) == 2


def test_a_rotated_key_lives_as_long_as_the_old_one_did(keys: Keys, clock: MovingClock) -> None:
    keys.create("shop", expires_at=clock.now() + timedelta(days=90))
    clock.advance(86_400 * 30)
    new = keys.rotate("shop")
    assert new.key.expires_at == clock.now() + timedelta(days=90)


def test_when_a_key_was_last_used_outlives_the_process(keys: Keys, clock: MovingClock) -> None:
    made = keys.create("shop")
    keys.create("idle")
    clock.advance(60)
    serving = another(keys, clock)
    serving.authenticate(header(made))
    serving.save_uses()
    used = {each.key.name: each.last_used_at for each in another(keys, clock).list()}
    assert used == {"shop": datetime(2026, 11, 23, 12, 1, tzinfo=UTC), "idle": None}


def test_names_are_checked(keys: Keys) -> None:
    keys.create("shop")
    for name in ("shop", "", "a b", "x" * 65, "-x", "a\nb"):
        with pytest.raises(RequestError):
            keys.create(name)


def test_a_file_that_others_can_write_is_refused(keys: Keys, clock: MovingClock) -> None:
    keys.create("shop")
    keys.path.chmod(0o666)
    with pytest.raises(ConfigError, match="written by others"):
        another(keys, clock)
    keys.path.chmod(0o600)
    keys.path.with_name("keys.json.pepper").chmod(0o644)
    with pytest.raises(ConfigError, match="open to others"):
        another(keys, clock)


def test_writers_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    def work(number: int) -> None:
        for each in range(5):
            Keys(path, environment={}).create(f"w{number}-{each}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(Keys(path, environment={}).list()) == 20
