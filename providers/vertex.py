"""Google's image models (Nano Banana) on Vertex AI, through generateContent.

Sources: google-genai 3.4.0 (_api_client.py, types.py), google-auth 2.63 (oauth2/_client.py), read 2026-11-23.

The key is one of these:

- an access token, sent as it is: `gcloud auth print-access-token`, for a service account with
  `--impersonate-service-account=NAME`. It is good for an hour;
- the JSON that `gcloud auth application-default login` writes, which is exchanged for access tokens;
- without a `project`: an API key of Vertex AI's express mode.

A service account's own JSON cannot be used: it would take an RSA signature to exchange it.

`provider_options: {vertex: …}` takes the API's own names, in camel case, and `base/gemini.py` says where they go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, cast
from urllib.parse import quote, urlencode

from .base import Call, ImageRequest, Node, Reply, Token, errors
from .base.gemini import GenerateContent

HOST = "aiplatform.googleapis.com"
PUBLISHER = "publishers/google"
MULTI_REGIONS = frozenset({"us", "eu"})
OAUTH_URL = "https://oauth2.googleapis.com/token"
EXCHANGED = "authorized_user"
"""The type of credentials that hold a refresh token."""


class Vertex(GenerateContent):
    """`project` is the cloud project that pays, and `location` where it paints: global, us, eu or a region.

    `token_url`: where credentials are exchanged, if not at Google's.
    """

    name = "vertex"
    default_base_url = f"https://{HOST}/v1/{PUBLISHER}"
    settings = frozenset({"location", "project", "token_url"})
    wire: ClassVar[Mapping[str, str]] = {**GenerateContent.wire, "imageOutputOptions": "output_format"}
    codes: ClassVar[Mapping[str, type[errors.ProviderError]]] = {
        **GenerateContent.codes,
        "invalid_client": errors.AuthenticationFailed,
        "invalid_grant": errors.AuthenticationFailed,
        "unauthorized_client": errors.AuthenticationFailed,
    }
    key_hosts = ("oauth2.googleapis.com",)
    image_fields = frozenset({"personGeneration", "prominentPeople"})

    def __init__(self, *, base_url: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        given = settings or {}
        project, location = given.get("project"), given.get("location", "global")
        if project and base_url is None:
            place = f"projects/{quote(project)}/locations/{quote(location)}"
            base_url = f"https://{_host(location)}/v1/{place}/{PUBLISHER}"
        super().__init__(base_url=base_url, settings=settings)
        self._is_express = "/projects/" not in self.base_url

    def auth(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key} if self._is_express else {"authorization": f"Bearer {key}"}

    def login(self, key: str, now: datetime) -> Call | None:
        """Raises AuthenticationFailed for credentials of a kind that cannot be exchanged here."""
        if not key.lstrip().startswith("{"):
            return None
        credentials = _credentials(key)
        fields = {"grant_type": "refresh_token"}
        fields |= {name: str(credentials.get(name, "")) for name in ("client_id", "client_secret", "refresh_token")}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return Call("POST", self.options.get("token_url", OAUTH_URL), headers, urlencode(fields).encode())

    def token(self, reply: Reply, key: str) -> Token:
        answer = reply.json()
        return Token(answer["access_token"].text, float(answer["expires_in"].decimal))

    def image_config(self, request: ImageRequest) -> dict[str, object]:
        output: dict[str, object] = {}
        if request.output_format is not None:
            output["mimeType"] = f"image/{request.output_format}"
        if request.output_compression is not None:
            output["compressionQuality"] = request.output_compression
        return {**super().image_config(request), "imageOutputOptions": output or None}

    def error_code(self, body: Node) -> str | None:
        """Where tokens are given, `error` is the code itself."""
        return body.text_at("error") or super().error_code(body)

    def error_message(self, body: Node) -> str | None:
        return body.text_at("error_description") or super().error_message(body)


def _host(location: str) -> str:
    if location == "global":
        return HOST
    return f"aiplatform.{location}.rep.googleapis.com" if location in MULTI_REGIONS else f"{location}-{HOST}"


def _credentials(key: str) -> dict[str, object]:
    try:
        value: object = json.loads(key)
    except ValueError as error:
        raise errors.AuthenticationFailed("the key is neither a token nor whole JSON") from error
    credentials = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    kind = credentials.get("type")
    if kind != EXCHANGED:
        raise errors.AuthenticationFailed(
            f"credentials of type {kind!r} cannot be exchanged here; give a token: "
            "gcloud auth print-access-token --impersonate-service-account=NAME"
        )
    return credentials


ADAPTER = Vertex
