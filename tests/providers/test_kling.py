"""The token that is made of a key, held against what OpenSSL makes of the same claims; and which keys are for that."""

from __future__ import annotations

from datetime import UTC, datetime

from easel.providers.base import Call
from easel.providers.kling import Kling, token

NOW = 1795392000
EXPECTED = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJpc3MiOiJhY2Nlc3MiLCJleHAiOjE3OTUzOTM4MDAsIm5iZiI6MTc5NTM5MTk5NX0."
    "9-Ss_lw_nUYG6MtG5IlhkddEACP0dmv0VdhWKyIG5HU"
)


def headers(key: str) -> dict[str, str]:
    kling = Kling()
    return kling.sign(Call.get("/"), f"{kling.base_url}/", key, datetime.fromtimestamp(NOW, tz=UTC))


def test_the_token_holds_from_a_little_before_now_for_half_an_hour() -> None:
    assert token("access", "secret", NOW) == EXPECTED


def test_a_key_of_two_parts_makes_a_token() -> None:
    assert headers("access:secret") == {"authorization": f"Bearer {EXPECTED}"}


def test_a_key_of_one_part_is_sent_as_it_is() -> None:
    assert headers("test-key") == {"authorization": "Bearer test-key"}
