"""Documents: values as written, and for everything that is wrong a place and what would be right."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from easel.providers.base.errors import ConfigError
from easel.router import document


def parse(text: str | bytes) -> object:
    return document.parse(text.encode() if isinstance(text, str) else text, "a.yaml").data


def wrong(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse(text)
    return [str(problem) for problem in raised.value.problems]


# Values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", 1),
        ("a: -12", -12),
        ("a: 1.50", 1.5),
        ("a: 2e3", 2000.0),
        ("a: true", True),
        ("a: null", None),
        ("a:", None),
        ("a: ''", ""),
        ("a: '1'", "1"),
        ('a: "true"', "true"),
        ("a: on", "on"),
        ("a: no", "no"),
        ("a: 16:9", "16:9"),
        ("a: 1_000", "1_000"),
        ("a: 2026-11-23", date(2026, 11, 23)),
        ("a: '2026-11-23'", "2026-11-23"),
        ("a: |\n  1\n", "1\n"),
        ("a: [1, x, {b: 2}]", [1, "x", {"b": 2}]),
        ("a: &x [1]\nb: *x", [1]),
        ("\ufeffa: 1", 1),
    ],
)
def test_a_value_is_what_is_written(text: str, value: object) -> None:
    found = parse(text)
    assert isinstance(found, dict)
    assert found["a"] == value
    assert type(found["a"]) is type(value)


def test_keys_are_text_and_an_empty_file_is_empty() -> None:
    assert parse("1: a\ntrue: b\n2026-11-23: c\n<<: {d: e}") == {
        "1": "a",
        "true": "b",
        "2026-11-23": "c",
        "<<": {"d": "e"},
    }
    assert parse("") == parse("# nothing\n") == {}


# What cannot be read


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a: 1\nb: 2\n  a: 3", ["a.yaml:3:4: mapping values are not allowed in this context"]),
        ("a: [1", ["a.yaml:2:1: did not find expected ',' or ']'"]),
        ("a: 1\n---\nb: 2", ["a.yaml:2:1: but found another document"]),
        ("a:\n\t- b", ["a.yaml:2:1: found character that cannot start any token"]),
        ("a: *nowhere", ["a.yaml:1:4: found undefined alias"]),
        (
            "a: 1\nb: {c: 1, d: 2,\n    c: 3}\na: 4",
            [
                "a.yaml:3:5: 'c' is given twice; the first is at line 2",
                "a.yaml:4:1: 'a' is given twice; the first is at line 1",
            ],
        ),
        ("? [a]\n: 1", ["a.yaml:1:3: a key must be text"]),
        ("a: 2026-02-30", ["a.yaml:1:4: 2026-02-30 is not a date: day is out of range for month"]),
        ("a: caf\xe9".encode("latin-1"), ["a.yaml: is not UTF-8 (unexpected end of data at byte 6)"]),
        ("a: 1".encode("utf-16"), ["a.yaml: is not UTF-8 (invalid start byte at byte 0)"]),
        ("a: &a [*a]", ["a.yaml:1:4: is too large or too deeply nested"]),
        ("- " * 60 + "x", ["a.yaml:1:103: is too large or too deeply nested"]),
        (b" " * 5_000_001, ["a.yaml: has 5,000,001 bytes; the limit is 5,000,000"]),
        ("a: !env HOME", ["a.yaml:1:4: the tag !env means nothing here; write the value"]),
        (
            "a: !!python/object/apply:os.system [echo]",
            ["a.yaml:1:4: the tag !!python/object/apply:os.system means nothing here; write the value"],
        ),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str | bytes, problems: list[str]) -> None:
    assert wrong(text) == problems


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "{a: " * 100_000, "a: \0", "a: \x07", 'a: "\\ud800"', "%YAML 9.9\n---\na"]
)
def test_hostile_text_is_one_problem(text: str) -> None:
    assert len(wrong(text)) == 1


def test_aliases_of_aliases_do_not_grow_without_end() -> None:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 20)]
    (problem,) = wrong("\n".join(lines))
    assert problem.endswith("is too large or too deeply nested")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read: No such file or directory"):
        document.read(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        document.read(tmp_path)


@given(st.text() | st.binary())
@example("? ? ? ?")
@example("!<")
@example("&a &b c")
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    try:
        document.parse(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"), "a.yaml")
    except ConfigError as error:
        assert error.problems  # noqa: PT017 (some of these are read, so nothing can be expected to be raised)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), "1:1"),
        (("a",), "1:1"),
        (("a", 1), "1:8"),
        (("a", 1, "c"), "1:15"),
        (("a", 7), "1:1"),
        (("a", 1, "gone", "deeper"), "1:8"),
        (("a", "b"), "1:1"),
        (("d", 0), "2:8"),
        (("e", 0), "2:8"),  # where it is written, not where it is repeated
    ],
)
def test_a_problem_stands_at_the_nearest_place_that_the_file_has(path: tuple[str | int, ...], place: str) -> None:
    content = document.parse(b"a: [1, {b: 2, c: 3}]\nd: &d [x]\ne: *d\n", "a.yaml")
    assert str(content.problem(path, "wrong")) == f"a.yaml:{place}: wrong"


# What does not fit


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Square(Strict):
    kind: Literal["square"]
    edge: int


class Circle(Strict):
    kind: Literal["circle"]
    radius: float


class Picture(Strict):
    name: str
    quality: Literal["draft", "standard", "high"] = "draft"
    made: date | None = None
    shapes: tuple[Annotated[Square | Circle, Field(discriminator="kind")], ...] = ()
    named: dict[str, Square] = {}
    bright: bool = False


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("quality: high", ["a.yaml:1:1: name is missing"]),
        ("nane: x\nname: y", ["a.yaml:1:1: unknown key 'nane'; did you mean 'name'?"]),
        ("name: 7", ["a.yaml:1:1: name must be text (quote it), not 7"]),
        (
            "name: x\nquality: hihg",
            [
                "a.yaml:2:1: quality is 'hihg'; it must be 'draft', 'standard' or 'high'; did you mean 'high'?",
            ],
        ),
        ("name: x\nmade: soon", ["a.yaml:2:1: made must be a date, such as 2026-11-23, not 'soon'"]),
        (
            "name: x\nshapes:\n  - {kind: square, edge: 3}\n  - {kind: circle, radiu: 3}",
            [
                "a.yaml:4:5: shapes.1.radius is missing",
                "a.yaml:4:20: unknown key 'radiu'; did you mean 'radius'?",
            ],
        ),
        (
            "name: x\nnamed:\n  a: {kind: square, edge: big}",
            ["a.yaml:3:21: named.a.edge must be a whole number, not 'big'"],
        ),
        ("name: x\nshapes: 5", ["a.yaml:2:1: shapes must be a list, not 5"]),
        ("[a]", ["a.yaml:1:1: the file must be a mapping, not ['a']"]),
    ],
)
def test_what_does_not_fit_is_said_with_what_would(text: str, problems: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        document.validate(document.parse(text.encode(), "a.yaml"), Picture)
    assert [str(problem) for problem in raised.value.problems] == problems


def test_every_problem_is_found_in_the_order_of_the_file() -> None:
    text = "bright: 3\nquality: x\nsize: 1\nname: [1]"
    with pytest.raises(ConfigError) as raised:
        document.validate(document.parse(text.encode(), "a.yaml"), Picture)
    assert [problem.line for problem in raised.value.problems] == [1, 2, 3, 4]
