"""The FastAPI application: routes, health, and errors as HTTP."""

from __future__ import annotations

import logging
import re
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from red_align import __version__
from red_align.errors import InvalidRequest, NotReady, RedAlignError
from red_align.formats.schema import SCHEMA_NAMES, schema_bytes
from red_align.names import unknown
from service.api.errors import http_body, http_status
from service.api.info import info_values
from service.api.rest.align import router
from service.api.schemas import ErrorModel, InfoModel, StateModel
from service.dataplane import DataPlane
from service.observability.logs import REQUEST_ID_HEADER
from service.observability.metrics import CONTENT_TYPE
from service.observability.tracing import trace_app
from service.web.pages import page_router

log = logging.getLogger(__name__)
SCHEMAS = {name: schema_bytes(name) for name in SCHEMA_NAMES}
_NO_SCHEMA: dict[int | str, dict[str, Any]] = {404: {"model": ErrorModel, "description": "There is no such schema."}}
_RETRY = {"Retry-After": "1"}
_HEADERS = {408: {"Connection": "close"}, 429: _RETRY, 503: _RETRY, 401: {"WWW-Authenticate": "Bearer"}}


def create_app(dataplane: DataPlane, *routers: APIRouter) -> FastAPI:
    """The application over a data plane that is started and closed by its owner.

    Args:
        dataplane: The data plane.
        routers: What else it serves, such as WebSockets.
    """
    pages = "/docs" if dataplane.settings.shows_web else None
    summary = "Facial landmarks in video."
    described = "/openapi.json" if pages else None
    app = FastAPI(
        title="RED Align",
        version=__version__,
        summary=summary,
        docs_url=pages,
        openapi_url=described,
        redoc_url=None,
    )
    app.state.dataplane = dataplane
    app.include_router(router)
    for each in routers:
        app.include_router(each)
    _add_health(app, dataplane)
    if pages:
        app.include_router(page_router())
    _add_schemas(app)
    if not pages and dataplane.auth.asks:
        _describe_to_tenants(app, dataplane)
    app.add_exception_handler(RedAlignError, _domain_error)
    app.add_exception_handler(RequestValidationError, _invalid_query)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _client_gone)
    app.add_exception_handler(Exception, _unexpected)
    _admit_origins(app, dataplane.settings.cors_origins)
    trace_app(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _admit_origins(app: FastAPI, origins: str) -> None:
    """Let these sites' pages call; callers show who they are by key or token, never by cookies."""
    named = [origin.strip() for origin in origins.split(",") if origin.strip()]
    if named:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=named,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "X-API-Key", REQUEST_ID_HEADER],
            expose_headers=["X-Red-Complete", "Retry-After", REQUEST_ID_HEADER],
        )


def _add_health(app: FastAPI, dataplane: DataPlane) -> None:
    @app.get("/healthz", response_model=StateModel, summary="The process runs.")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    not_ready: dict[int | str, dict[str, Any]] = {503: {"model": ErrorModel, "description": "Not ready."}}

    @app.get("/readyz", response_model=StateModel, responses=not_ready, summary="Real sequences were served.")
    async def readyz() -> dict[str, str]:
        if not dataplane.ready:
            raise NotReady("the service is not ready")
        if not dataplane.peers_ready:
            raise NotReady("another process of the service is not ready")
        return {"status": "ready"}

    @app.get("/metrics", response_class=Response, summary="Prometheus metrics.", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        dataplane.auth.tenant(request.headers)
        return Response(dataplane.metrics.text(), headers={"content-type": CONTENT_TYPE})

    asked: dict[int | str, dict[str, Any]] = {401: {"model": ErrorModel, "description": "No valid key or token."}}

    @app.get("/v1/info", response_model=InfoModel, responses=asked, summary="Versions, model, scheme, limits.")
    async def info(request: Request) -> dict[str, Any]:
        dataplane.auth.tenant(request.headers)
        return info_values(dataplane)


def _add_schemas(app: FastAPI) -> None:
    """The JSON Schemas of answers: files of the library, which describe nothing that a key would hide."""

    @app.get("/v1/schema/{name}", summary="JSON Schema of answers: align, or ndjson (one line).", responses=_NO_SCHEMA)
    async def schema(name: str) -> Response:
        if name not in SCHEMAS:
            raise HTTPException(404, unknown("schema", name, SCHEMAS))
        return Response(SCHEMAS[name], media_type="application/schema+json")


def _describe_to_tenants(app: FastAPI, dataplane: DataPlane) -> None:
    """OpenAPI where no pages are shown: for those with a key."""

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> JSONResponse:
        dataplane.auth.tenant(request.headers)
        return JSONResponse(app.openapi())


def _answer(request: Request, error: RedAlignError) -> JSONResponse:
    dataplane: DataPlane = request.app.state.dataplane
    dataplane.metrics.rejects.labels(error.reason).inc()
    status = http_status(error)
    return JSONResponse(http_body(error), status_code=status, headers=_HEADERS.get(status))


async def _domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RedAlignError)
    return _answer(request, error)


async def _invalid_query(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(request, InvalidRequest("; ".join(map(_wrong_value, error.errors()))))


def _wrong_value(error: dict[str, Any]) -> str:
    """What is wrong with a query parameter; of one that takes words the nearest of them."""
    name = ".".join(str(part) for part in error["loc"][1:])
    words = re.findall(r"'(\w+)'", error["ctx"]["expected"]) if error["type"] == "literal_error" else []
    return unknown(name, str(error["input"]), words) if words else f"{name}: {error['msg']}"


async def _http_error(_: Request, error: Exception) -> Response:
    """Unknown paths and methods, in our shape."""
    assert isinstance(error, HTTPException)
    code = {404: "NOT_FOUND", 405: "UNIMPLEMENTED"}.get(error.status_code, "INVALID_ARGUMENT")
    body = {"error": {"code": code, "reason": f"HTTP_{error.status_code}", "message": error.detail, "metadata": {}}}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # Nobody reads it; the log shows it.


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return _answer(request, RedAlignError("internal error"))


def _openapi(app: FastAPI) -> dict[str, Any]:
    """OpenAPI without the 422 that FastAPI adds by itself: wrong queries are answered with 400 in our shape."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        for path in schema["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            schema.get("components", {}).get("schemas", {}).pop(name, None)
        app.openapi_schema = schema
    return app.openapi_schema
