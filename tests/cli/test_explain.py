"""explain: the same options, nothing sent, everything said."""

from pathlib import Path

import pytest

from .conftest import Easel

DECISION = {"request_id", "rule", "plan", "dropped", "relaxations", "estimate", "rules_hash"}
CANDIDATE = {"deployment", "model", "rule", "why", "estimate", "calls", "adaptations", "warnings"}
DROPPED = {"deployment", "unmet", "requirement", "fact", "source", "as_of", "status"}


def test_json_is_one_object_of_a_known_shape(easel: Easel) -> None:
    found = easel("explain", "a badge", "--background", "transparent", "--on", "2026-12-02", "--json").json
    assert set(found) == DECISION
    assert all(set(each) == CANDIDATE for each in found["plan"])
    assert all(set(each) == DROPPED for each in found["dropped"])
    assert set(found["estimate"]) == {"low", "expected", "worst", "unpriced"}
    assert found["estimate"] == found["plan"][0]["estimate"]


def test_words_to_spell_go_to_gpt_image_2(easel: Easel) -> None:
    assert easel("explain", "a shop", "--text", "SALE", "--json").json["plan"][0]["deployment"] == "openai/gpt-image-2"


def test_both_wishes_go_to_a_model_that_can_do_both(easel: Easel) -> None:
    found = easel("explain", "a sticker", "--text", "SALE", "--background", "transparent", "--json").json
    assert found["rule"] == "transparent-lettering"
    assert found["plan"]


def test_the_table_gives_fact_source_and_date(easel: Easel) -> None:
    ended = easel("explain", "a badge", "--background", "transparent", "--on", "2026-12-02")
    assert ended.code == 0
    lines = [line.strip() for line in ended.out.splitlines()]
    place = next(index for index, line in enumerate(lines) if line.startswith("ended on 2026-12-01"))
    assert "openai/gpt-image-1.5" in lines[place]
    assert lines[place + 1].startswith("2026-12-01 · https://")
    assert "read 2026-" in lines[place + 1]


def test_that_nobody_can_is_an_answer_with_its_own_code(easel: Easel) -> None:
    ended = easel("explain", "a kite", "--background", "transparent", "--model", "bfl/flux-2-pro", "--json")
    assert ended.code == 4
    assert set(ended.json) == DECISION
    assert ended.json["plan"] == []
    assert [each["field"] for each in ended.json["relaxations"]] == ["model", "background"]
    told = easel("explain", "a kite", "--background", "transparent", "--model", "bfl/flux-2-pro")
    assert told.code == 4
    assert "would help" in told.out


def test_a_ceiling_below_every_price_has_its_own_code(easel: Easel) -> None:
    assert easel("explain", "a kite", "--max-cost", "0.0001").code == 6


def test_a_candidate_without_its_key_says_so(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    def warnings() -> list[str]:
        found = easel("explain", "a shop", "--text", "SALE", "--json").json["plan"][0]["warnings"]
        return [each for each in found if "OPENAI_API_KEY" in each]

    assert len(warnings()) == 1
    monkeypatch.setenv("OPENAI_API_KEY", "made-up")
    assert warnings() == []


def test_it_takes_every_option_of_generate_and_writes_nothing(easel: Easel, home: Path) -> None:
    ended = easel("explain", "a kite", "-o", "kite.webp", "--simulate", "--force", "--ledger", "l.db", "--json")
    assert ended.code == 0
    assert list(home.iterdir()) == []


def test_the_ending_of_the_name_asks_for_the_format(easel: Easel) -> None:
    ended = easel("explain", "a badge", "--background", "transparent", "-o", "badge.jpg")
    assert ended.code == 2
    assert "jpeg" in ended.err
