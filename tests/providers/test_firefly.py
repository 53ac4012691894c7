"""Firefly's login: where the key goes when no deployment says otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from easel.providers.firefly import IMS_URL, SCOPE, Firefly


def test_the_key_is_exchanged_at_adobes() -> None:
    login = Firefly().login("client-1:hush", datetime(2026, 11, 23, tzinfo=UTC))
    assert login.url == IMS_URL
    assert (urlsplit(login.url).hostname or "").endswith(Firefly.key_hosts)
    assert parse_qs((login.body or b"").decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["client-1"],
        "client_secret": ["hush"],
        "scope": [SCOPE],
    }
