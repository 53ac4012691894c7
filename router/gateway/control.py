"""The control plane: all that is not painting. Models, decisions without sending, metrics, and the interface's own
description; and, on a port of their own, the admin routes.

FastAPI serves and describes it. The Images API, which does not pass through here, is described here too.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, time
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from typing_extensions import override

from ...providers.base.capabilities import Model
from ...providers.base.errors import EaselError
from ...providers.base.images import DATA_URL_PREFIX
from .. import report
from ..deployments import Deployment, Deployments
from ..report import Json
from ..settings import By, RouteRow, Weighted
from . import body as bodies
from . import files, order, shapes
from .body import Place
from .docs import page
from .errors import INVALID, NotAuthenticated, Refused, answer, envelope
from .hosts import is_loopback
from .openapi import describe, failures
from .standing import HEALTHZ, READYZ, probe

if TYPE_CHECKING:
    from ...providers.base.response import Decision
    from ..router import Router
    from .app import Application, Gateway
    from .keys import Keys

PICTURES = ("image", "images", "reference", "references", "mask")
OWN_MEMBERS = frozenset({"caller", "key_id", "team", "project"})
"""Fields of a request that are the door's to fill in."""
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""The pages of this door load nothing."""
Handler = Callable[[Request], Awaitable[Response]]
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class JsonAnswer(Response):
    media_type = "application/json"

    @override
    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")


def application(gateway: Gateway) -> Application:
    """Everything but the Images API."""
    control = _Control(gateway)
    app = _app("Easel", "One door to the image models of many vendors. It speaks OpenAI's Images API.")
    route = _Routes(app)
    route.get("/v1/models", control.models, shapes.ModelList, 401, summary="List every name for `model`")
    route.get("/v1/models/{model:path}", control.model, shapes.ModelEntry, 401, 404, summary="Look at one of them")
    route.upload("/v1/files", control.upload, shapes.FileForm, shapes.FileEntry, summary="Send a picture to name later")
    about = "List the files that were sent with this key"
    route.get("/v1/files", control.files, shapes.FileList, 400, 401, 404, 503, summary=about, asked=shapes.FilePage)
    route.get("/v1/files/{file_id}", control.file, shapes.FileEntry, 401, 404, 503, summary="Look at one of them")
    route.delete("/v1/files/{file_id}", control.delete_file, shapes.FileDeleted, 401, 404, 503, summary="Delete one")
    about = "What would be done with a request, and why; nothing is sent"
    route.post("/v1/easel/explain", control.explain, shapes.Request, shapes.Decision, summary=about)
    about = "What a request would cost; nothing is sent"
    route.post("/v1/easel/estimate", control.estimate, shapes.Request, shapes.EstimateAnswer, summary=about)
    _probes(route, control)
    text = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    route.plain("/metrics", control.metrics, {200: text, **failures(401, 404)}, summary="Counts, for Prometheus")
    describe(app)
    route.unlisted("/openapi.json", control.openapi(app))
    route.unlisted("/docs", control.docs(app))
    return cast("Application", app)


def admin(gateway: Gateway, keys: Keys | None) -> Application:
    """For operators. Needs an admin's key, or to be asked from this machine itself."""
    control = _Admin(gateway, keys)
    app = _app("Easel's admin routes", "Needs a key made with `--admin`, or to be asked from the machine itself.")
    route = _Routes(app)
    _probes(route, control)
    route.get("/admin/version", control.version, shapes.Version, 401, 403, summary="What runs, and with which rules")
    about = "Read the configuration again; 409: it cannot be used, and the last good one stays"
    route.post("/admin/reload", control.reload, None, shapes.Reloaded, summary=about, conflict=shapes.Reloaded)
    about = "Deployments that are set aside after failures, as this process sees it"
    route.get("/admin/cooldowns", control.cooldowns, shapes.Cooldowns, 401, 403, summary=about)
    route.get("/admin/keys", control.key_list, shapes.KeyList, 401, 403, summary="All keys, without their secrets")
    text = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    route.plain("/metrics", control.metrics, {200: text, **failures(401, 403, 404)}, summary="Counts, for Prometheus")
    route.unlisted("/openapi.json", control.openapi(app))
    route.unlisted("/docs", control.docs(app))
    return cast("Application", app)


def _app(title: str, about: str) -> Any:
    from fastapi import FastAPI

    return FastAPI(
        title=title,
        description=about,
        version=version("easel-images"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={EaselError: _failed, HTTPException: _not_served, Exception: _failed},
    )


def _probes(route: _Routes, control: _Door) -> None:
    route.get(HEALTHZ, control.probe, shapes.Health, summary="Is the process alive?", open_to_all=True)
    draining = {503: {"model": shapes.Readiness, "description": "It ends, and takes nothing new."}}
    ready = {200: {"model": shapes.Readiness}, **draining}
    route.plain(READYZ, control.probe, ready, summary="May it be sent requests?", open_to_all=True)


class _Routes:
    """Adds routes to an application, each with every answer that it may give."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def get(
        self,
        path: str,
        handler: Handler,
        found: type[BaseModel],
        *failed: int,
        summary: str,
        open_to_all: bool = False,
        asked: type[BaseModel] | None = None,
    ) -> None:
        """`asked`: what may be in the query."""
        extra: Json = {"security": []} if open_to_all else {}
        if asked is not None:
            extra["parameters"] = [
                {"name": name, "in": "query", "required": False, "schema": schema}
                for name, schema in asked.model_json_schema()["properties"].items()
            ]
        self._add(path, handler, "GET", {200: {"model": found}, **failures(*failed)}, summary, extra)

    def delete(self, path: str, handler: Handler, found: type[BaseModel], *failed: int, summary: str) -> None:
        self._add(path, handler, "DELETE", {200: {"model": found}, **failures(*failed)}, summary, {})

    def upload(
        self, path: str, handler: Handler, asked: type[BaseModel], found: type[BaseModel], *, summary: str
    ) -> None:
        content = {"multipart/form-data": {"schema": asked.model_json_schema()}}
        responses = {200: {"model": found}, **failures(400, 401, 404, 408, 413, 415, 503)}
        self._add(path, handler, "POST", responses, summary, {"requestBody": {"required": True, "content": content}})

    def post(
        self,
        path: str,
        handler: Handler,
        asked: type[BaseModel] | None,
        found: type[BaseModel],
        *,
        summary: str,
        conflict: type[BaseModel] | None = None,
    ) -> None:
        responses = {200: {"model": found}, **failures(400, 401, 408, 413, 503)}
        extra: Json = {}
        if asked is not None:
            content = {"application/json": {"schema": asked.model_json_schema()}}
            extra["requestBody"] = {"required": True, "content": content}
        if conflict is not None:
            responses = {200: {"model": found}, 409: {"model": conflict}, **failures(401, 403)}
        self._add(path, handler, "POST", responses, summary, extra)

    def plain(
        self,
        path: str,
        handler: Handler,
        responses: Mapping[int, Any],
        *,
        summary: str,
        open_to_all: bool = False,
    ) -> None:
        self._add(path, handler, "GET", responses, summary, {"security": []} if open_to_all else {})

    def unlisted(self, path: str, handler: Handler) -> None:
        self._app.add_route(path, handler, methods=["GET"])

    def _add(
        self, path: str, handler: Handler, method: str, responses: Mapping[int, Any], summary: str, extra: Json
    ) -> None:
        self._app.add_api_route(
            path,
            handler,
            methods=[method],
            response_model=None,
            responses=dict(responses),
            summary=summary,
            openapi_extra=extra or None,
        )


async def _failed(request: Request, error: Exception) -> Response:
    failure = answer(error)
    headers = {name.decode(): value.decode() for name, value in failure.headers}
    return Response(failure.body, failure.status, headers, media_type="application/json")


async def _not_served(request: Request, error: Exception) -> Response:
    """What Starlette itself turns away: no such path, or not by this method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    said = {404: "there is nothing at this address", 405: "this address does not take that method"}
    codes = {404: "not_found", 405: "method_not_allowed"}
    content = envelope(said.get(status, "it cannot be served"), INVALID, codes.get(status))
    return Response(content, status, headers, media_type="application/json")


class _Door(ABC):
    """What both applications answer."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @abstractmethod
    def admit(self, request: Request) -> None:
        """Raises NotAuthenticated or Refused."""

    async def probe(self, request: Request) -> Response:
        status, content = probe(self._gateway.standing, request.url.path)
        return Response(content, status, media_type="application/json")

    async def metrics(self, request: Request) -> Response:
        self.admit(request)
        counts = self._gateway.standing.metrics
        if counts is None:
            raise Refused("nothing is counted here: `easel serve` does", status=404, code="not_found")
        return Response(counts.scrape(), headers={"content-type": METRICS_TYPE})

    def openapi(self, app: Any) -> Handler:
        @cache
        def whole() -> bytes:
            return json.dumps(app.openapi()).encode()

        async def show(request: Request) -> Response:
            return Response(whole(), media_type="application/json")

        return show

    def docs(self, app: Any) -> Handler:
        @cache
        def whole() -> str:
            return page(app.openapi())

        async def show(request: Request) -> Response:
            return HTMLResponse(whole(), headers={"content-security-policy": POLICY})

        return show


class _Control(_Door):
    @override
    def admit(self, request: Request) -> None:
        self._gateway.caller(_authorization(request))

    async def models(self, request: Request) -> Response:
        self.admit(request)
        return JsonAnswer({"object": "list", "data": list(_entries(self._gateway.router).values())})

    async def model(self, request: Request) -> Response:
        self.admit(request)
        name = str(request.path_params["model"])
        found = _entries(self._gateway.router).get(name)
        if found is None:
            message = f"The model {name[:200]!r} does not exist; /v1/models lists those that do"
            raise Refused(message, field="model", status=404, code="model_not_found")
        return JsonAnswer(found)

    async def explain(self, request: Request) -> Response:
        return JsonAnswer(report.decision(await self._decided(request)))

    async def estimate(self, request: Request) -> Response:
        found = await self._decided(request)
        first = found.plan[0].deployment if found.plan else None
        candidates = [{"deployment": each.deployment, "estimate": report.plain(each.estimate)} for each in found.plan]
        return JsonAnswer(
            {
                "request_id": found.request_id,
                "rule": found.rule,
                "deployment": first,
                "estimate": report.plain(found.estimate),
                "candidates": candidates,
                "rules_hash": found.rules_hash,
            }
        )

    async def _decided(self, request: Request) -> Decision:
        gateway = self._gateway
        caller = gateway.caller(_authorization(request))
        place = gateway.load.admit()
        try:
            fields = await _fields(request, place)
            with gateway.using() as router:
                found = await router.explain({**fields, "caller": caller})
                return report.with_keys(found, router.deployments)
        finally:
            place.leave()

    # Files

    async def upload(self, request: Request) -> Response:
        owner, gateway = self._owner(request), self._gateway
        place = gateway.load.admit()
        try:
            return JsonAnswer(await files.received(gateway, owner, request.receive, _headers(request), place))
        finally:
            place.leave()

    async def files(self, request: Request) -> Response:
        return JsonAnswer(await files.listed(self._gateway, self._owner(request), request.query_params))

    async def file(self, request: Request) -> Response:
        owner = self._owner(request)
        return JsonAnswer(await files.one(self._gateway, owner, str(request.path_params["file_id"])))

    async def delete_file(self, request: Request) -> Response:
        owner = self._owner(request)
        return JsonAnswer(await files.deleted(self._gateway, owner, str(request.path_params["file_id"])))

    def _owner(self, request: Request) -> str:
        return self._gateway.caller(_authorization(request)) or ""


def _headers(request: Request) -> Mapping[bytes, bytes]:
    return dict(request.scope["headers"])


def _authorization(request: Request) -> bytes | None:
    return next((value for name, value in request.scope["headers"] if name == b"authorization"), None)


async def _fields(request: Request, place: Place) -> dict[str, object]:
    """The body's fields. A picture must be in it: a caller's path means nothing here, and must not be read."""
    declared = request.headers.get("content-length")
    raw = await bodies.read(request.receive, declared.encode("latin-1") if declared is not None else None, place)
    fields = dict(bodies.parse_json(raw).fields)
    for name in OWN_MEMBERS & fields.keys():
        raise Refused(f"{name} is not the caller's to say", field=name, code="unknown_parameter")
    for name in PICTURES:
        value = fields.get(name)
        for each in cast("list[object]", value) if isinstance(value, list) else (value,):
            if each is not None and not (isinstance(each, str) and each.startswith(DATA_URL_PREFIX)):
                raise Refused(f"{name}: give a data URL, such as data:image/png;base64,…", field=name)
    return fields


# Models


@lru_cache(maxsize=1)
def _entries(router: Router) -> dict[str, Json]:
    """Every name that `model` may have: routes, deployments, aliases, models. If two have the same, the first counts.

    Worked out once for the configuration in force.
    """
    deployments = router.deployments
    found: dict[str, Json] = {}
    for entry in (*_route_entries(router), *_deployment_entries(deployments)):
        found.setdefault(str(entry["id"]), entry)
    for alias, target in order.ALIASES.items():
        found.setdefault(alias, {**found[target], "id": alias, "kind": "alias", "replacement": target})
    for entry in _model_entries(deployments):
        found.setdefault(str(entry["id"]), entry)
    return found


def _route_entries(router: Router) -> Iterable[Json]:
    everything = list(router.deployments)
    yield _entry("auto", "route", "easel", everything)
    for row in router.settings.routes:
        named = [each for name in _preferred(row) if (each := router.deployments.by_name.get(name)) is not None]
        yield _entry(row.name, "route", "easel", named or everything, named=bool(named))


def _preferred(row: RouteRow) -> tuple[str, ...]:
    match row.prefer:
        case By(among=among):
            return among.deployments or ()
        case Weighted(weights=weights):
            return tuple(weights)
        case names:
            return names


def _deployment_entries(deployments: Deployments) -> Iterable[Json]:
    for each in deployments:
        yield _entry(each.name, "deployment", each.provider, [each]) | _facts(each.model)


def _model_entries(deployments: Deployments) -> Iterable[Json]:
    by_id: dict[str, list[Deployment]] = {}
    for each in deployments:
        by_id.setdefault(each.model.id, []).append(each)
    for model_id, ways in by_id.items():
        first = ways[0]
        yield _entry(model_id, "model", first.provider, ways) | _facts(first.model)


def _entry(name: str, kind: str, owner: str, ways: Iterable[Deployment], *, named: bool = True) -> Json:
    ways = list(ways)
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": owner,
        "kind": kind,
        "deployments": [each.name for each in ways] if named and name != "auto" else [],
        "ready": any(each.lacking is None for each in ways),
    }


def _facts(model: Model) -> Json:
    launched = model.lifecycle.launched.value
    created = int(datetime.combine(launched, time(), UTC).timestamp()) if launched is not None else 0
    facts = {"capabilities": report.capabilities(model), "price": report.price(model), **report.life(model)}
    return {"created": created, **facts}


# The admin routes


class _Admin(_Door):
    def __init__(self, gateway: Gateway, keys: Keys | None) -> None:
        super().__init__(gateway)
        self._keys = keys

    @override
    def admit(self, request: Request) -> None:
        authorization = _authorization(request)
        if authorization is not None and self._keys is not None:
            if not self._keys.authenticate(authorization).admin:
                message = "this key is no admin's; make one with `easel keys create NAME --admin`"
                raise Refused(message, status=403, code="not_an_admin")
        elif not _is_local(request):
            raise NotAuthenticated("send an admin's key, or ask from this machine itself")

    async def version(self, request: Request) -> Response:
        self.admit(request)
        standing = self._gateway.standing
        return JsonAnswer(
            {
                "version": version("easel-images"),
                "rules_hash": self._gateway.router.rules_hash,
                "loaded_at": report.plain(standing.loaded_at),
                "draining": standing.draining,
                "problems": report.plain(standing.problems),
            }
        )

    async def reload(self, request: Request) -> Response:
        self.admit(request)
        reload = self._gateway.standing.reload
        problems = await reload() if reload is not None else ()
        rules_hash = self._gateway.router.rules_hash
        said = {"reloaded": not problems, "rules_hash": rules_hash, "problems": report.plain(problems)}
        return JsonAnswer(said, 409 if problems else 200)

    async def cooldowns(self, request: Request) -> Response:
        self.admit(request)
        found = self._gateway.router.cooldowns()
        return JsonAnswer({"data": [{"deployment": name, "seconds": round(left, 3)} for name, left in found.items()]})

    async def key_list(self, request: Request) -> Response:
        self.admit(request)
        listed = self._keys.list() if self._keys is not None else ()
        return JsonAnswer({"data": [each.public() for each in listed]})


def _is_local(request: Request) -> bool:
    """Asked from this machine, by a name that is its own: not through a proxy, and not by a web page."""
    client = request.client
    if client is None or not is_loopback(client.host) or not is_loopback(request.url.hostname or ""):
        return False
    return "origin" not in request.headers and not any(name in request.headers for name in FORWARDED)
