"""Forms: whatever is put into one comes out again, and what is none is refused."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as some

from easel.router.gateway.body import Limits, parse_form
from easel.router.gateway.errors import Refused

from .raw import BOUNDARY, form, part

FILES = frozenset({"image"})
LIMITS = Limits()
PARAMETERS = f"; boundary={BOUNDARY.decode()}"
NEARLY = some.sampled_from([b"\r\n--", b"--", BOUNDARY, b"\r\n--" + BOUNDARY[:-1], b"\r\n", b"\r", b"\n", b"\0"])
CONTENT = some.lists(NEARLY | some.binary(max_size=40), max_size=8).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(contents=some.lists(CONTENT, min_size=1, max_size=5))
def test_files_come_out_as_they_went_in(contents: list[bytes]) -> None:
    contents = [each for each in contents if BOUNDARY not in each] or [b"a"]
    found = parse_form(
        form([part(b'name="image"; filename="a"', each) for each in contents]), PARAMETERS, LIMITS, files=FILES
    )
    assert [each.data for each in found.files] == contents


@settings(max_examples=150, deadline=None)
@given(
    body=some.lists(NEARLY | some.binary(max_size=20) | some.just(part(b'name="a"', b"")), max_size=12).map(b"".join)
)
def test_anything_else_is_read_or_refused(body: bytes) -> None:
    with suppress(Refused):  # and nothing but that
        parse_form(body, PARAMETERS, LIMITS, files=FILES)


def test_objects_and_lists() -> None:
    body = form(
        [
            part(b'name="easel[text][]"', b"OPEN"),
            part(b'name="easel[text][]"', b"LATE"),
            part(b'name="easel[policy][size]"', b"strict"),
            part(b'name="svg[model]"', b"gpt"),
            part(b'name="n"', b"2"),
            part(b'name="n"', b"3"),
            part(b'name="size"', b""),
        ]
    )
    assert parse_form(body, PARAMETERS, LIMITS, files=FILES).fields == {
        "easel": {"text": ["OPEN", "LATE"], "policy": {"size": "strict"}},
        "svg": {"model": "gpt"},
        "n": "3",
    }
