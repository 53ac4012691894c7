"""demo: whose folder it writes into, and that it never pays unasked."""

from pathlib import Path

import pytest

from easel.router.cli import page

from .conftest import Easel


def test_files_of_others_are_not_written_over(easel: Easel, home: Path) -> None:
    out = home / "mine"
    out.mkdir()
    (out / "poster.png").write_bytes(b"mine")
    ended = easel("demo", "-o", "mine")
    assert ended.code == 2
    assert "has other files in it" in ended.err
    assert (out / "poster.png").read_bytes() == b"mine"


def test_an_earlier_demo_is_replaced(easel: Easel, home: Path) -> None:
    out = home / "demo-output"
    out.mkdir()
    (out / "index.html").write_text(page.render("an earlier one", []))
    ended = easel("demo")
    assert ended.code == 0
    assert (out / "fallback.png").exists()
    assert "an earlier one" not in (out / "index.html").read_text()


def test_live_without_keys_says_what_to_do(easel: Easel) -> None:
    ended = easel("demo", "--live", "--yes")
    assert ended.code == 2
    assert "easel demo" in ended.err


def test_live_shows_the_worst_cost_and_does_not_pay_unasked(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "made-up")
    ended = easel("demo", "--live")
    assert ended.code == 2
    assert "at worst $" in ended.out
    assert "--yes" in ended.err


def test_the_page_shows_words_as_words() -> None:
    assert "<script>" not in page.render("<script>", [])
