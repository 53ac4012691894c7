"""Lettering: how often the patterns are right, which words they see, and that no prompt can hold them up."""

# ruff: noqa: RUF001 - curly quotes are among the hostile prompts

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from easel.router.lettering import asks_for_text, words_asked_for

Part = Literal["development", "held_out"]
LONGEST_PROMPT = 32_000
SUBPROCESS_SECONDS = 60  # all hostile prompts together take about a second; quadratic work would take many minutes


@dataclass(frozen=True)
class Case:
    prompt: str
    asks: bool
    language: str
    words: tuple[str, ...] | None


def read(part: Part) -> list[Case]:
    listed = yaml.safe_load((Path(__file__).parent / "lettering_prompts.yaml").read_text(encoding="utf-8"))[part]
    return [
        Case(each["prompt"], each["asks"], each["language"], tuple(each["words"]) if "words" in each else None)
        for each in listed
    ]


def precision_and_recall(cases: list[Case]) -> tuple[float, float]:
    asked = [case for case in cases if asks_for_text(case.prompt)]
    right = sum(case.asks for case in asked)
    wanted = sum(case.asks for case in cases)
    return round(right / len(asked), 3) if asked else 1.0, round(right / wanted, 3) if wanted else 1.0


# The figures reached, not a target: a pattern that moves one of them, up or down, moves the figure here too.
# A language that is not named has both at 1.0, on a handful of prompts: read "all", and read it as an upper bound,
# because one person wrote the prompts and the patterns.
REACHED: dict[Part, dict[str, tuple[float, float]]] = {
    "development": {"all": (0.99, 0.99), "en": (0.98, 0.98)},
    "held_out": {"all": (1.0, 0.979), "en": (1.0, 0.944)},
}


@pytest.mark.parametrize("part", ["development", "held_out"])
def test_precision_and_recall_are_the_figures_reached(part: Part) -> None:
    cases = read(part)
    figures = {"all": precision_and_recall(cases)}
    for language in sorted({case.language for case in cases}):
        figures[language] = precision_and_recall([case for case in cases if case.language == language])
    for name, (precision, recall) in figures.items():
        count = len(cases) if name == "all" else sum(case.language == name for case in cases)
        print(f"{part:12} {name:4} {count:4} prompts  precision {precision:.3f}  recall {recall:.3f}")
    for case in cases:
        if part == "development" and asks_for_text(case.prompt) is not case.asks:
            print(f"{part:12} wrong, should be {case.asks}: {case.prompt}")
    perfect = {name for name, reached in figures.items() if reached == (1.0, 1.0)}
    assert {name: figures[name] for name in figures.keys() - perfect} == REACHED[part]


def test_the_list_is_varied_and_its_parts_are_apart() -> None:
    development, held_out = read("development"), read("held_out")
    both = development + held_out
    assert len({case.prompt for case in both}) == len(both) >= 160
    assert len({case.language for case in both}) >= 12
    assert 0.4 < sum(case.asks for case in both) / len(both) < 0.6
    assert 0.25 < len(held_out) / len(both) < 0.4


@pytest.mark.parametrize("part", ["development", "held_out"])
def test_words_are_found_as_listed(part: Part) -> None:
    listed = [case for case in read(part) if case.words is not None]
    assert len(listed) >= 25
    assert [case.prompt for case in listed if words_asked_for(case.prompt) != case.words] == []


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", ()),
        ("a quiet harbour", ()),
        ('a sign: "OPEN", a cake: "Mia"', ("OPEN", "Mia")),
        ('"SALE" on the left and "SALE" on the right', ("SALE",)),
        ("a neon sign saying OPEN 24 HOURS in the rain", ("OPEN 24 HOURS",)),
        ('a sign that says CLOSED above a cake with "Mia"', ("CLOSED", "Mia")),
        ("a sign that says welcome home", ()),
        ('change the text from "Monday" to "Friday"', ("Friday",)),
        ('remove "DRAFT" and write "FINAL"', ("FINAL",)),
        ("a mug that says 'Don't panic'", ("Don't panic",)),
        ('a poster, title "GRAND\nOPENING"', ("GRAND\nOPENING",)),
        ("Schild „Zu verkaufen“ und «À vendre»", ("Zu verkaufen", "À vendre")),
        ('the words " " and "!"', ()),
        ('a fence 6" high with a sign "Keep out"', ("Keep out",)),
        ('a poster of a scene from "Alien"', ()),
        ('a poster for the film "Alien"', ("Alien",)),
        ('a poster for the film "Alien", no text', ()),
        ('{"caption": "Hello", "mood": "calm"}', ("Hello",)),
        ('{red|blue} car, on the door "Taxi"', ("Taxi",)),
        ("x" * 31_000 + ' with the words "THE END"', ("THE END",)),
    ],
)
def test_words_asked_for(prompt: str, words: tuple[str, ...]) -> None:
    assert words_asked_for(prompt) == words


@given(st.text(max_size=400) | st.text(alphabet="\"'“”„«»「」《》{}:, \nAat0İß文字글자نصलिखा", max_size=400))
def test_any_prompt_is_answered_and_words_imply_asking(prompt: str) -> None:
    words = words_asked_for(prompt)
    assert asks_for_text(prompt) or not words
    assert all(word and word in prompt for word in words)


CUE_WORDS = ("no", "text", "with", "the words", "sign", "that says", '"', "'", ",", ":", "A", "except", "reads", '"A"')


@given(st.lists(st.sampled_from(CUE_WORDS)))
def test_any_run_of_cue_words_is_answered(words: list[str]) -> None:
    prompt = " ".join(words)
    assert isinstance(asks_for_text(prompt), bool)
    assert all(word in prompt for word in words_asked_for(prompt))


HOSTILE = """
import sys
from easel.router.lettering import asks_for_text, words_asked_for
for unit in sys.argv[2:]:
    prompt = (unit * int(sys.argv[1]))[: int(sys.argv[1])]
    asks_for_text(prompt), words_asked_for(prompt)
print("done")
"""


def test_hostile_prompts_of_the_longest_kind_are_finished() -> None:
    units = [
        *('"', "'", ' "a', "'a ", "“", "„", "«a", "`", "《", '"a" ', '\\"', "'a'b", "‘a’b", '"a":', '{"text":"a",'),
        *("a", "A", " ", "\n", "AA ", "says A", "says AA-", "no ", "no text ", "no, ", "no text and ", "no text, or "),
        *("with ", "with a ", "sign a, ", "design create ", "the word ", "text ", 'replace "a" ', 'called "A" '),
        *(
            "without text except ",
            "negative:",
            "remove the ",
            "文字",
            "文字や",
            "不要",
            "글자나 ",
            "نص ",
            "बिना ",
            "İ",
            "\u0301",
        ),
    ]
    finished = subprocess.run(
        [sys.executable, "-c", HOSTILE, str(LONGEST_PROMPT), *units],
        capture_output=True,
        text=True,
        timeout=SUBPROCESS_SECONDS,
        check=False,
    )
    assert finished.stdout == "done\n", finished.stderr
