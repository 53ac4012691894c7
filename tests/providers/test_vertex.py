"""Vertex AI: where it is, by project and location, and which keys are exchanged for tokens."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from easel.providers.base.errors import AuthenticationFailed
from easel.providers.vertex import OAUTH_URL, Vertex

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CREDENTIALS = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "1//r"}


@pytest.mark.parametrize(
    ("settings", "base_url"),
    [
        ({}, "https://aiplatform.googleapis.com/v1/publishers/google"),
        (
            {"project": "kites"},
            "https://aiplatform.googleapis.com/v1/projects/kites/locations/global/publishers/google",
        ),
        (
            {"project": "kites", "location": "eu"},
            "https://aiplatform.eu.rep.googleapis.com/v1/projects/kites/locations/eu/publishers/google",
        ),
        (
            {"project": "kites", "location": "us-central1"},
            "https://us-central1-aiplatform.googleapis.com/v1/projects/kites/locations/us-central1/publishers/google",
        ),
    ],
    ids=["express", "global", "multi-region", "region"],
)
def test_a_project_and_a_location_make_the_address(settings: dict[str, str], base_url: str) -> None:
    assert Vertex(settings=settings).base_url == base_url


def test_an_express_key_is_no_token() -> None:
    assert Vertex().auth("key") == {"x-goog-api-key": "key"}
    assert Vertex(settings={"project": "kites"}).auth("token") == {"authorization": "Bearer token"}


def test_credentials_are_exchanged_at_googles() -> None:
    login = Vertex(settings={"project": "kites"}).login(json.dumps(CREDENTIALS), NOW)
    assert login is not None
    assert login.url == OAUTH_URL
    assert Vertex().login("ya29.token", NOW) is None


@pytest.mark.parametrize("key", ['{"type": "service_account"}', "{}", '{"type": "authorized'])
def test_other_credentials_are_refused_by_name(key: str) -> None:
    with pytest.raises(AuthenticationFailed, match="token"):
        Vertex().login(key, NOW)


def test_the_key_may_go_where_it_is_exchanged() -> None:
    assert (urlsplit(OAUTH_URL).hostname or "").endswith(Vertex.key_hosts)
