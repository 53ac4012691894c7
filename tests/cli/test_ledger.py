"""ledger: where requests are written down, and how they are read again."""

from pathlib import Path

import pytest

from easel.router.cli.place import ledger_place

from .conftest import Easel

PAINT = ("generate", "a poster", "--text", "OPEN", "--simulate", "-o", "p.png", "--force")


def test_what_was_asked_is_listed_and_told(easel: Easel) -> None:
    assert easel(*PAINT, "--ledger", "l.db", "--request-id", "one").code == 0
    refused = ("generate", "forbidden-prompt", "--model", "openai/gpt-image-2", "--simulate")
    assert easel(*refused, "--ledger", "l.db", "--request-id", "two").code == 3
    rows = easel("ledger", "--ledger", "l.db", "--json").json
    assert [(each["id"], each["outcome"]) for each in rows] == [("two", "refused"), ("one", "done")]
    done = easel("ledger", "--ledger", "l.db", "--outcome", "done", "--limit", "1", "--since", "2020-01-01", "--json")
    assert [each["id"] for each in done.json] == ["one"]
    assert easel("ledger", "--ledger", "l.db", "--deployment", "bfl/flux-2-pro", "--json").json == []
    told = easel("ledger", "show", "one", "--ledger", "l.db")
    assert told.code == 0
    assert "openai/gpt-image-2 done" in told.out
    story = easel("ledger", "show", "one", "--ledger", "l.db", "--json").json
    assert [each["outcome"] for each in story["attempts"]] == ["done"]
    listed = easel("ledger", "--ledger", "l.db")
    assert "one" in listed.out
    assert "two" in listed.out


def test_the_same_id_is_not_sent_again(easel: Easel) -> None:
    assert easel(*PAINT, "--ledger", "l.db", "--request-id", "one").code == 0
    ended = easel(*PAINT, "--ledger", "l.db", "--request-id", "one", "--json")
    assert ended.code == 2
    assert ended.json["error"]["kind"] == "already_sent"


def test_an_unknown_id_and_an_empty_ledger(easel: Easel) -> None:
    ended = easel("ledger", "show", "nope", "--ledger", "l.db")
    assert ended.code == 2
    assert "no request 'nope'" in ended.err
    assert easel("ledger", "--ledger", "l.db", "--json").json == []
    assert easel("ledger", "--ledger", "none").code == 2
    assert not Path("l.db").exists()


def test_the_file_is_the_one_asked_for_then_the_variables_then_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "data" / "easel" / "easel.db"
    assert ledger_place(None) == own
    assert own.parent.is_dir()
    monkeypatch.setenv("EASEL_LEDGER", "team.db")
    assert ledger_place(None) == Path("team.db")
    assert ledger_place("l.db") == Path("l.db")
    assert ledger_place("none") is None
    monkeypatch.setenv("EASEL_LEDGER", "none")
    assert ledger_place(None) is None


def test_simulated_requests_are_written_down_only_when_asked(
    easel: Easel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EASEL_LEDGER", str(tmp_path / "team.db"))
    assert easel(*PAINT).code == 0
    assert not (tmp_path / "team.db").exists()
    assert easel(*PAINT, "--ledger", str(tmp_path / "team.db")).code == 0
    assert (tmp_path / "team.db").exists()
