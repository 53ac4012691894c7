"""Azure OpenAI (Microsoft Foundry): the Images API behind a resource of one's own, with Azure's content filter.

Source: MicrosoftDocs/azure-ai-docs articles/foundry/openai/how-to/dall-e.md (2026-04-17); the filter's envelopes also
from BerriAI/litellm 1.109.1 litellm/llms/azure and its issue 26316 (`model` in the body breaks gpt-image-2 on the
deployments URL), read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from .base import Call, ImageRequest, Model, Node
from .base.errors import ConfigError, Problem
from .base.images_api import ImagesApi

UNDATED = ("v1", "preview", "latest")
DATED = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")
MODELS_VERSION = "2024-10-21"  # learn.microsoft.com/rest/api/azureopenai/models/list, read 2026-11-23
INNER = ("inner_error", "innererror")
PASSED = ("content_filter_results", "prompt_filter_results")
RESULTS = ("content_filter_result", "content_filter_results")


class AzureOpenAI(ImagesApi):
    """`base_url` is the resource (`https://name.openai.azure.com`); `model.wire` is the deployment's name there.

    `api_version`: none, v1, preview or latest go to the v1 URL; a date, such as 2025-04-01-preview, to the older URL
    that names the deployment in its path.
    """

    name = "azure_openai"
    settings = frozenset({"api_version"})
    check_hint = "whether the deployment's name is right only a picture tells"
    request_id_headers = ("apim-request-id", "x-request-id")  # unconfirmed: which of them Azure sends for images

    def __init__(self, *, base_url: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(base_url=base_url, settings=settings)
        self.base_url = self.base_url.removesuffix("/openai/v1").removesuffix("/openai")
        version = self.options.get("api_version", "")
        self._dated = DATED.fullmatch(version) is not None
        self._query = f"?api-version={version}" if version else ""
        if version and not self._dated and version not in UNDATED:
            message = f"api_version {version!r} is neither a date such as 2025-04-01-preview nor {', '.join(UNDATED)}"
            raise ConfigError([Problem(self.name, message)])

    def auth(self, key: str) -> dict[str, str]:
        return {"api-key": key}

    def check(self, model: Model) -> Call:
        """Lists what could be deployed, not what is: it proves the key and the address."""
        return Call.get(f"/openai/models?api-version={MODELS_VERSION}")

    def url(self, path: str, model: Model) -> str:
        place = f"deployments/{quote(model.wire, safe='')}" if self._dated else "v1"
        return f"/openai/{place}{path}{self._query}"

    def fields(self, request: ImageRequest, model: Model) -> dict[str, object]:
        whole = super().fields(request, model)
        return {**whole, "model": None} if self._dated else whole

    def moderation(self, body: Node) -> str | None:
        """What the filter saw in the prompt and in the pictures, and let pass: `violence low`; `safe` for nothing."""
        verdicts = [
            (category, severity)
            for holder in (body, *body["data"].items())
            for results in (holder.at(name) for name in PASSED)
            for category, verdict in members(results)
            if (severity := verdict.text_at("severity"))
        ]
        notable = sorted({f"{category} {severity}" for category, severity in verdicts if severity != "safe"})
        return ", ".join(notable) or ("safe" if verdicts else None)

    def inner_code(self, error: Node) -> str | None:
        return next((code for name in INNER if (code := error.text_at(name, "code"))), None)

    def categories(self, error: Node) -> tuple[str, ...]:
        filtered = [
            category
            for name in INNER
            for results in RESULTS
            for category, verdict in members(error.at(name, results))
            if (flag := verdict.at("filtered")) is not None and flag.value is True
        ]
        return super().categories(error) + tuple(filtered)


def members(results: Node | None) -> list[tuple[str, Node]]:
    """Of an object, by name; none of anything else, such as the list that prompts have in some API versions."""
    if results is None or not isinstance(results.value, dict):
        return []
    names = results.keys()
    return [(name, each) for name in names if (each := results.get(name)) is not None]


ADAPTER = AzureOpenAI
