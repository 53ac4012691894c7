"""Azure OpenAI (Microsoft Foundry): a twin of its image deployments, at both of its addresses.

Sources, read 2026-11-23: MicrosoftDocs/azure-ai-docs, articles/foundry/openai/how-to/dall-e.md and the retirement
schedule of 2026-07-07; the Azure class of openai-python 3.54.0; https://github.com/BerriAI/litellm/issues/26316 for a
deployment's name in the body. What the two APIs share is in `_openai_orders` and `_openai_images`. A comment says
"unconfirmed" where no source was found.

A deployment is named like its model, or like its model with a name of its own after two hyphens
(gpt-image-2--posters). Keys and tokens begin with `sim-`; the key sim-blocked is that of a resource shut for
violations. gpt-image-2.6 is not sold here.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from typing_extensions import override

from . import _openai_images as images
from . import _openai_models as models
from . import _openai_orders as orders
from ._openai_orders import Blocked, Refusal
from .openai import find, no_such_model
from .server import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._openai_models import Model
    from .world import World

RETIRED: Final = {
    "gpt-image-1": date(2026, 10, 23),
    "gpt-image-1.5": date(2026, 12, 16),
    "gpt-image-1-mini": date(2027, 4, 7),
    "gpt-image-2": date(2027, 4, 21),  # LiteLLM has 2027-10-21
    "gpt-image-2.5-sunburst": date(2027, 9, 9),
    "gpt-image-2.5-flare": date(2027, 9, 9),
}
"""The first day without it. Launch days are taken to be OpenAI's own: unconfirmed but for gpt-image-2."""
DEPLOYABLE: Final = {
    model.id: replace(
        model, shutdown=RETIRED[model.id], formats=("png", "jpeg"), input_types=("image/jpeg", "image/png")
    )
    for model in models.MODELS
    if model.id in RETIRED
}
FIRST_VERSION: Final = date(2025, 4, 1)
"""The api-version that brought the GPT image models to the deployments address."""
FLOATING_VERSIONS: Final = {"", "preview", "latest", "v1"}
VERSION: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(-preview)?")
SAFE: Final = {"filtered": False, "severity": "safe"}


class AzureRefusal(Refusal):
    """An answer in Azure's own, shorter envelope: what fails before or behind OpenAI's code."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, status=status, code=code, headers=headers)

    @override
    def error(self) -> dict[str, object]:
        return {"code": self.code, "message": self.message}


class Azure:
    name = "azure"

    def answer(self, request: Request, world: World) -> Answer:
        """POST /openai/v1/images/generations|edits, the deployment's name in the body, and
        /openai/deployments/<name>/images/generations|edits?api-version=…, its name in the path."""
        request_id = str(uuid.uuid4())
        try:
            answer = route(request, world, request_id)
        except Blocked as blocked:
            answer = filtered(request, blocked)
        except Refusal as refusal:
            answer = Answer.json({"error": refusal.error()}, status=refusal.status, headers=refusal.headers)
        # which of the two ids comes, and the region's header, are unconfirmed
        ids = {"apim-request-id": request_id, "x-request-id": request_id, "x-ms-region": "Sweden Central"}
        return replace(answer, headers=ids | dict(answer.headers))


def route(request: Request, world: World, request_id: str) -> Answer:
    found = re.fullmatch(r"/openai/(?:v1|deployments/([^/]+))/images/(generations|edits)", unquote(request.path))
    if found is None or request.method != "POST":
        raise not_found()
    check_key(request, world)
    deployment = found[1]
    check_version(request.query.get("api-version", ""), dated=deployment is not None)

    def choose(body: Mapping[str, object]) -> Model:
        model = named_in_body(body, world.today) if deployment is None else named_in_path(deployment, body, world.today)
        check_service(world, request.query.get("api-version", "v1"))
        return model

    operation = "generation" if found[2] == "generations" else "edit"
    sent = orders.read_body(request, operation, json_edits=False)
    return images.fulfil(orders.read_order(sent, operation, choose, world), world, request_id)


def not_found() -> AzureRefusal:
    """unconfirmed: the code and the text."""
    return AzureRefusal(404, "404", "Resource not found")


def check_key(request: Request, world: World) -> None:
    """unconfirmed: the code and the text of a bad key. Those of a resource that is shut were seen in 2026."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    key = request.headers.get("api-key") or token
    if not key.startswith("sim-") or world.fault == "bad_key":
        raise AzureRefusal(
            401,
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for "
            "an active subscription and use a correct regional API endpoint for your resource.",
        )
    if key == "sim-blocked":
        raise AzureRefusal(
            403,
            "Forbidden",
            "Your resource has been temporarily blocked because we detected behavior that may violate our content "
            "policy.",
        )


def check_version(version: str, *, dated: bool) -> None:
    """The v1 address takes no date, the other one nothing else. unconfirmed: the texts."""
    if not dated:
        if version not in FLOATING_VERSIONS:
            raise AzureRefusal(400, "BadRequest", "API version not supported")
        return
    found = VERSION.fullmatch(version)
    if found is None:
        raise not_found()
    try:
        day = date.fromisoformat(found[1])
    except ValueError as error:
        raise not_found() from error
    if day < FIRST_VERSION:
        raise AzureRefusal(400, "BadRequest", "API version not supported")


def named_in_body(body: Mapping[str, object], today: date) -> Model:
    name = body.get("model")
    if not isinstance(name, str):
        # raises the refusal OpenAI's code gives to a body without a model, or with one that is no text
        return find(body, today)
    return deployed(name, today)


def named_in_path(deployment: str, body: Mapping[str, object], today: date) -> Model:
    """A model in the body is taken for OpenAI's name of it, so that a deployment's own name there does not exist."""
    model = deployed(deployment, today)
    if "model" in body:
        name = body["model"]
        if not isinstance(name, str):
            return find(body, today)
        if name not in models.roster(DEPLOYABLE.values()):
            raise no_such_model(name)
    return model


def deployed(name: str, today: date) -> Model:
    """The code is documented. unconfirmed: the text, and what a retired deployment answers (here it is gone)."""
    model = DEPLOYABLE.get(name.partition("--")[0])
    if model is None or not model.is_live(today):
        raise AzureRefusal(
            404,
            "DeploymentNotFound",
            "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
            "minutes, please wait a moment and try again.",
        )
    return model


def check_service(world: World, version: str) -> None:
    """Limits and outages. unconfirmed for images: codes and texts, modelled on other operations'."""
    match world.fault:
        case "rate_limit":
            raise AzureRefusal(
                429,
                "RateLimitReached",
                f"Requests to the Images_Generate Operation under Azure OpenAI API version {version} have exceeded "
                "rate limit of your current OpenAI S0 pricing tier. Please retry after 12 seconds.",
                {"retry-after": "12", "retry-after-ms": "12000"},
            )
        case "quota":
            raise AzureRefusal(
                429,
                "insufficient_quota",
                "You exceeded your current quota, please check your plan and billing details.",
            )
        case "unavailable":
            raise AzureRefusal(503, "ServiceUnavailable", "The service is temporarily unable to process your request.")
        case "server_error":
            raise AzureRefusal(500, "InternalServerError", "The server had an error while processing your request.")
        case _:
            return


def filtered(request: Request, blocked: Blocked) -> Answer:
    """The content filter in its two documented shapes. unconfirmed: which address gives which, and the status."""
    if request.path.startswith("/openai/v1/"):
        message = (
            "Your task failed as a result of our safety system."
            if blocked.stage == "input"
            else "Generated image was filtered as a result of our safety system."
        )
        return Answer.json(
            {"created": int(time.time()), "error": {"code": "contentFilter", "message": message}}, status=400
        )
    results: dict[str, object] = dict.fromkeys(("hate", "self_harm", "sexual"), SAFE)
    results["violence"] = {"filtered": True, "severity": "medium"}
    return Answer.json(
        {
            "error": {
                "code": "content_policy_violation",
                "message": "Your request was rejected as a result of our safety system. Your prompt may contain text "
                "that is not allowed by our safety system.",
                "type": orders.USER_ERROR,
                "param": None,
                "inner_error": {"code": "ResponsibleAIPolicyViolation", "content_filter_results": results},
            }
        },
        status=400,
    )


TWIN = Azure
