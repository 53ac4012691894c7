"""Rules: what each condition means, that the index never changes an answer, and what CEL may not do."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from easel.providers.base.errors import RequestError
from easel.providers.base.images import input_image
from easel.providers.base.request import AspectRatio, ImageRequest, Size
from easel.router.rules import Rules, View
from easel.router.settings import RouteRow, When

PICTURE = input_image(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc00000030101"
        "00c9fe92ef0000000049454e44ae426082"
    ),
    field="image",
)


Given = dict[str, Any]


def row(name: str = "r", **given: Any) -> RouteRow:
    return RouteRow.model_validate({"name": name, "prefer": ["a/b"], **given})


def matches(request: ImageRequest, **given: Any) -> bool:
    return bool(list(Rules([row(**given)]).matching(View(request))))


FULL = ImageRequest(
    prompt='a poster that says "SALE"',
    operation="edit",
    text=("SALE", "50 %"),
    needs=("typography", "vector"),
    images=(PICTURE,),
    n=3,
    size=Size(1024, 1536),
    quality="high",
    background="transparent",
    output_format="png",
    style="vivid",
    seed=7,
    user="u",
    metadata={"team": "shop"},
    max_cost_usd=Decimal("0.10"),
    region="eu",
    caller="app",
    tags=("beta", "eu"),
)
RATIO = ImageRequest(prompt="a heron", aspect_ratio=AspectRatio.parse("21:9"), resolution="2K")
BARE = ImageRequest(prompt="a heron")


@pytest.mark.parametrize(
    ("request_", "when", "expected"),
    [
        (FULL, {}, True),
        (FULL, {"operation": "edit"}, True),
        (FULL, {"operation": ["generate", "edit"]}, True),
        (FULL, {"operation": "generate"}, False),
        (FULL, {"background": "transparent", "quality": "high"}, True),
        (FULL, {"background": "transparent", "quality": "draft"}, False),
        (FULL, {"needs": "vector"}, True),
        (FULL, {"needs": ["photorealism"]}, False),
        (FULL, {"tags": ["gamma", "beta"]}, True),
        (FULL, {"caller": ["app", "other"], "region": "eu", "user": "u", "stream": False}, True),
        (FULL, {"stream": True}, False),
        (FULL, {"style": "vivid"}, True),
        (FULL, {"metadata": {"team": "shop"}}, True),
        (FULL, {"metadata": {"team": ["shop", "lab"]}}, True),
        (FULL, {"metadata": {"team": "lab"}}, False),
        (FULL, {"text": "present", "images": "present", "mask": "absent", "seed": "present"}, True),
        (FULL, {"references": "present"}, False),
        (FULL, {"n": {"at_least": 3, "at_most": 3}}, True),
        (FULL, {"n": {"at_least": 4}}, False),
        (FULL, {"input_images": {"at_most": 0}}, False),
        (FULL, {"size": {"width": {"at_most": 1024}, "height": {"at_least": 1536}}}, True),
        (FULL, {"size": {"pixels": {"at_most": 1}}}, False),
        (FULL, {"max_cost_usd": {"at_most": "0.10"}}, True),
        (FULL, {"prompt": {"contains": ["POSTER"]}}, True),
        (FULL, {"prompt": {"asks_for_text": True}}, True),
        (FULL, {"prompt": {"characters": {"at_most": 10}}}, False),
        (FULL, {"any": [{"quality": "draft"}, {"tags": "beta"}]}, True),
        (FULL, {"any": []}, False),
        (FULL, {"all": [{"quality": "high"}, {"tags": "beta"}]}, True),
        (FULL, {"not": {"quality": "high"}}, False),
        (RATIO, {"aspect_ratio": "21:9"}, True),
        (RATIO, {"aspect_ratio": ["1:1", "7:3"], "resolution": "2K"}, True),
        (RATIO, {"aspect_ratio": "16:9"}, False),
        (BARE, {"prompt": {"asks_for_text": False}}, True),
    ],
)
def test_a_condition_means_what_it_says(request_: ImageRequest, when: Mapping[str, object], expected: object) -> None:
    assert matches(request_, when=when) is expected


# What a request does not have


@pytest.mark.parametrize(
    "when",
    [
        {"quality": "high"},
        {"not": {"quality": "high"}},
        {"metadata": {"team": "shop"}},
        {"size": {"width": {"at_least": 1}}},
        {"not": {"max_cost_usd": {"at_least": 1}}},
        {"any": [{"quality": "high"}, {"n": {"at_least": 9}}]},
        {"all": [{"quality": "high"}, {"n": {"at_least": 1}}]},
    ],
)
def test_what_is_missing_is_a_declared_outcome(when: Mapping[str, object]) -> None:
    assert not matches(BARE, when=when)
    assert matches(BARE, when=when, missing="match")
    with pytest.raises(RequestError, match="route 'r' asks about something that this request does not have"):
        matches(BARE, when=when, missing="refuse")


def test_a_plain_no_is_stronger_than_what_is_missing() -> None:
    when = {"quality": "high", "n": {"at_least": 9}}
    assert not matches(BARE, when=when, missing="match")
    assert not matches(BARE, when=when, missing="refuse")
    assert matches(BARE, when={"any": [{"quality": "high"}, {"n": {"at_least": 1}}]}, missing="refuse")


def test_a_ratio_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'wide' is not WIDTH:HEIGHT"):
        Rules([row(when={"aspect_ratio": "wide"})])


@pytest.mark.parametrize("when", [{"qualty": "high"}, {"operation": "paint"}, {"text": "yes"}, {"n": {"over": 1}}])
def test_what_no_condition_knows_is_refused(when: Mapping[str, object]) -> None:
    with pytest.raises(ValidationError):
        When.model_validate(when)


# Order and names


def test_rules_match_in_the_order_of_the_file() -> None:
    rules = Rules([row("a", when={"tags": "eu"}), row("b"), row("c", when={"quality": "high"}), row("d", expr="n > 9")])
    assert [rule.name for rule in rules.matching(View(FULL))] == ["a", "b", "c"]
    assert [rule.name for rule in rules.matching(View(BARE))] == ["b"]
    found = rules.named("c")
    assert found is not None
    assert found.place == 2
    assert rules.named("nobody") is None


# The index

WORDS = st.sampled_from(["x", "y", "z"])
QUALITIES = st.sampled_from(["draft", "high"])
PRESENCES = st.sampled_from(["present", "absent"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "quality": st.lists(QUALITIES, min_size=1, max_size=2),
    "caller": st.lists(WORDS, min_size=1, max_size=2),
    "tags": st.lists(WORDS, min_size=1, max_size=2),
    "needs": st.sampled_from(["vector", "typography"]),
    "metadata": st.sampled_from([{"team": "x"}, {"team": ["y", "z"]}, {}]),
    "background": st.sampled_from(["auto", "transparent"]),
    "stream": st.booleans(),
    "seed": PRESENCES,
    "text": PRESENCES,
    "aspect_ratio": st.sampled_from(["21:9", "7:3", "1:1"]),
    "n": st.sampled_from([{"at_least": 2}, {"at_most": 2}, {}]),
    "prompt": st.sampled_from([{"asks_for_text": True}, {"asks_for_text": False}, {"contains": "heron"}]),
    "size": st.sampled_from([{"width": {"at_least": 1}}, {"width": {"at_least": 1000}}]),
}
LEAVES: st.SearchStrategy[Given] = st.one_of([st.fixed_dictionaries({name: each}) for name, each in VALUES.items()])


def trees(inner: st.SearchStrategy[Given]) -> st.SearchStrategy[Given]:
    several = st.lists(inner, max_size=3)
    joined: st.SearchStrategy[Given] = st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1])
    return joined | st.one_of(
        st.fixed_dictionaries({"any": several}),
        st.fixed_dictionaries({"all": several}),
        st.fixed_dictionaries({"not": inner}),
    )


WHENS = st.recursive(LEAVES, trees, max_leaves=6)
ROWS = st.builds(row, when=WHENS, missing=st.sampled_from(["no_match", "no_match", "match", "refuse"]))
REQUESTS = st.builds(
    ImageRequest,
    prompt=st.sampled_from(["a heron", 'a sign that says "OPEN"', ""]),
    quality=st.none() | QUALITIES,
    caller=st.none() | WORDS,
    tags=st.lists(WORDS, max_size=2).map(tuple),
    needs=st.sampled_from([(), ("vector",), ("typography", "vector")]),
    metadata=st.sampled_from([{}, {"team": "x"}, {"team": "q"}, {"other": "x"}]),
    background=st.sampled_from(["auto", "transparent"]),
    stream=st.booleans(),
    seed=st.none() | st.integers(0, 1),
    text=st.sampled_from([(), ("OPEN",)]),
    aspect_ratio=st.none() | st.sampled_from([AspectRatio(7, 3), AspectRatio(1, 1)]),
    n=st.integers(1, 3),
    size=st.none() | st.builds(Size, st.sampled_from([5, 2000]), st.just(5)),
)


def answers(rules: Rules, request: ImageRequest, *, indexed: bool) -> list[int] | str:
    view = View(request)
    try:
        if indexed:
            return [rule.place for rule in rules.matching(view)]
        return [rule.place for rule in rules.all if rule.matches(view)]
    except RequestError as error:
        return str(error)


@given(rows=st.lists(ROWS, max_size=8), requests=st.lists(REQUESTS, min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_the_index_gives_the_answer_of_asking_every_rule(rows: list[RouteRow], requests: list[ImageRequest]) -> None:
    rules = Rules(rows)
    for request in requests:
        assert answers(rules, request, indexed=True) == answers(rules, request, indexed=False)


def test_rules_for_others_are_not_asked() -> None:
    rules = Rules([row(f"r{place}", when={"caller": f"app-{place}"}) for place in range(1000)])
    assert rules._possible(View(ImageRequest(caller="app-7"))) == [7]
    assert rules._possible(View(BARE)) == []


# Expressions


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("n == 3 && background == 'transparent'", True),
        ("size.width * size.height > 1000000", True),
        ("'beta' in tags", True),
        ("prompt.contains('poster') || false", True),
        ("prompt.matches('^a .*SALE.*$')", True),
        ("metadata.team == 'shop'", True),
        ("metadata['team'].startsWith('sh')", True),
        ("max_cost_usd < 0.11", True),
        ("asks_for_text ? n > 2 : n > 5", True),
        ("size(text) == 2", True),
        ("caller != 'app'", False),
        ("prompt == 'see https://a.example // not a comment'", False),
        ("1 / 0 == 1", False),
    ],
)
def test_an_expression_is_asked(expr: str, expected: object) -> None:
    assert matches(FULL, expr=expr) is expected


def test_an_expression_and_a_condition_must_both_hold() -> None:
    assert matches(FULL, when={"quality": "high"}, expr="n == 3")
    assert not matches(FULL, when={"quality": "draft"}, expr="n == 3")
    assert not matches(FULL, when={"quality": "high"}, expr="n == 4")


@pytest.mark.parametrize("expr", ["size.width > 3", "metadata.team == 'shop'", "max_cost_usd < 1.0", "n > 'a'"])
def test_an_expression_about_what_is_missing_is_a_declared_outcome(expr: str) -> None:
    assert not matches(BARE, expr=expr)
    assert matches(BARE, expr=expr, missing="match")
    with pytest.raises(RequestError):
        matches(BARE, expr=expr, missing="refuse")


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("tags.exists(t, t == 'a')", r"may not use exists\(\)"),
        ("tags . all ( n , true )", r"may not use all\(\)"),
        ("tags.exists // hidden\n (n, n == 1)", r"may not use exists\(\)"),
        ("tags. // hidden\n filter(n, true) == []", r"may not use filter\(\)"),
        ("[1, 2].map(n, n * 2) == [2]", r"may not use map\(\)"),
        ("tags.exists_one(n, true)", r"may not use exists_one\(\)"),
        ("has(size.width)", r"may not use has\(\)"),
        ("has // hidden\n(size.width)", r"may not use has\(\)"),
        ("cel.bind(n, 1, n == 1)", "names 'cel'|may not call bind"),
        ("promt == 'a'", "names 'promt', which a request does not have; did you mean 'prompt'"),
        ("duration('1s') > duration('2s')", r"may not call duration\(\); possible: contains"),
        ("n + 1", "must say yes or no, and for a plain request it says 2"),
        ("prompt", "must say yes or no"),
        ("n ==", "is not CEL"),
        ("", "is not CEL"),
    ],
)
def test_an_expression_that_could_loop_or_means_nothing_is_refused(expr: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Rules([row(expr=expr)])


def test_a_long_expression_is_refused() -> None:
    with pytest.raises(ValidationError):
        row(expr="n == 1 || " * 100 + "n == 2")


@given(request=REQUESTS)
@settings(deadline=None)
def test_no_request_breaks_an_expression(request: ImageRequest) -> None:
    view = View(request)
    for rule in EXPRESSIONS.all:
        assert rule.matches(view) in {True, False}


EXPRESSIONS = Rules(
    row(f"r{place}", expr=expr)
    for place, expr in enumerate(
        ["size.width / n > 1", "tags[5] == 'a'", "int(quality) > 1", "prompt.matches(quality)", "seed % 0 == 1"]
    )
)
