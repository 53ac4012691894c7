"""check."""

from pathlib import Path

import pytest

from .conftest import Easel


def test_what_ships_is_good_today_and_after_the_next_retirement(easel: Easel) -> None:
    for day in ("2026-11-23", "2026-12-02"):
        ended = easel("check", "--on", day)
        assert ended.code == 0, ended.out
        assert ended.out.splitlines()[-1].endswith("tests: all good")


def test_a_missing_key_is_one_line_and_no_problem(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for line in easel("check").out.splitlines() if "OPENAI_API_KEY is not set" in line]
    assert len(lines) == 2  # OpenAI's, and Azure's own
    monkeypatch.setenv("OPENAI_API_KEY", "made-up")
    assert " OPENAI_API_KEY is not set" not in easel("check").out


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ("routes:\n  - name: a\n    wen: {}\n    prefer: [openai/gpt-image-2]", "4:5", "unknown key 'wen'"),
        ("routes:\n  - name: a\n    name: b\n    prefer: [openai/gpt-image-2]", "4:5", "given twice"),
        ("routes:\n  - name: a\n    prefer: 7", "4:5", "prefer"),
        ("routes:\n  - name: a\n    prefer: [openai/gpt-image-9]", "4:14", "did you mean 'openai/gpt-image-2'?"),
        (
            "routes:\n  - {name: a, when: {background: transparent}, prefer: [bfl/flux-2-pro]}",
            "3:5",
            "no model can serve route 'a'",
        ),
        ("routes:\n  - name: a\n    prefer: [openai/dall-e-3]", "4:14", "ended on 2026-05-12"),
        (
            "routes: [{name: a, prefer: [bfl/flux-2-pro]}]\ntests: [{given: {prompt: x}, expect: {first: x/y}}]",
            "3:30",
            "expected x/y first, got bfl/flux-2-pro",
        ),
    ],
)
def test_a_problem_is_named_with_its_place(easel: Easel, home: Path, content: str, place: str, message: str) -> None:
    (home / "own.yaml").write_text(f"version: 1\n{content}\n")
    ended = easel("check", "--config", "own.yaml")
    assert ended.code == 2
    found = [line for line in ended.out.splitlines() if line.startswith(f"own.yaml:{place}: ")]
    assert any(message in line for line in found), ended.out


def test_every_problem_is_told(easel: Easel, home: Path) -> None:
    (home / "own.yaml").write_text("version: 1\nroutes:\n  - name: a\n    prefer: [openai/nope, google/nope]\n")
    ended = easel("check", "--config", "own.yaml")
    assert len([line for line in ended.out.splitlines() if line.startswith("own.yaml:4:")]) == 2
    assert "2 problems" in ended.err
