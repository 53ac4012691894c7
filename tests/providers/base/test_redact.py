"""Redaction: what a message may not carry out of the process."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.providers.base.redact import LONGEST_MESSAGE, SHORTEST_SECRET, redact


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Incorrect API key provided: sk-proj-abc123DEF456", "Incorrect API key provided: [key]"),
        ("Incorrect API key provided: sk-proj-********wxyz.", "Incorrect API key provided: [key]."),
        ("key AIzaSyA1234567890-abc_defGHI is not valid", "key [key] is not valid"),
        ("Authorization: Bearer eyJhbGciOi.eyJz+dWI/iOiI=", "Authorization: [key]"),
        ("authorization: BEARER   abcdefgh123", "authorization: [key]"),
        ("token r8_Abcdef123456 and xai-abcdef123456", "token [key] and [key]"),
        (
            "the task, the risk-free keyboard and a bearer of news",
            "the task, the risk-free keyboard and a bearer of news",
        ),
    ],
)
def test_what_looks_like_a_key_is_taken_out(message: str, shown: str) -> None:
    assert redact(message) == shown


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_picture_data_is_taken_out(encode: Callable[[bytes], bytes]) -> None:
    picture = encode(bytes(range(256))).decode()
    assert redact(f"invalid image data:image/png;base64,{picture}!") == "invalid image data:image/png;base64,[data]!"


def test_a_prompt_is_taken_out_also_as_json_writes_it() -> None:
    prompt = 'a café\nwith a sign "OPEN"'
    for quoted in (prompt, 'a caf\\u00e9\\nwith a sign \\"OPEN\\"', 'a café\\nwith a sign \\"OPEN\\"'):
        assert redact(f"refused: {quoted}.", secrets=(prompt,)) == "refused: [redacted]."


def test_a_secret_within_another_does_not_save_the_rest_of_it() -> None:
    assert redact("saw a heron at dawn", secrets=("heron", "a heron at dawn")) == "saw [redacted]"


def test_a_long_message_is_cut() -> None:
    assert len(redact("very long. " * 1000)) == LONGEST_MESSAGE


@given(before=st.text(), secret=st.text(min_size=SHORTEST_SECRET, max_size=80), after=st.text())
def test_a_secret_never_shows(before: str, secret: str, after: str) -> None:
    shown = redact(before + secret + after, secrets=(secret,))
    for marker in ("[redacted]", "[key]", "[data]"):
        shown = shown.replace(marker, "\0")
    assert secret not in shown or set(secret) <= set("\0")
