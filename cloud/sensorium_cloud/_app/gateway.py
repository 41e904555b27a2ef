"""The gateway: sessions over WebSocket and HTTP, for browsers, scripts, load balancers and Prometheus.

`build` makes the application; `Hall` does the work. Bodies are read by msgspec, which is also where their schemas
come from, so that a message has one definition.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final

import msgspec
from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from msgspec import Meta
from starlette.exceptions import HTTPException

from sensorium.errors import FieldError
from sensorium_cloud._app.batch_job import Batch
from sensorium_cloud._app.described import ABOUT, EXAMPLE, KITCHEN, LINE, REFUSED
from sensorium_cloud._app.live import MEDIA_TYPE as LIVE
from sensorium_cloud._app.live import Live
from sensorium_cloud._app.pages import FORBIDDEN, add_doorkeeper, hang_up
from sensorium_cloud._app.parts import Parts
from sensorium_cloud._app.scrape import MEDIA_TYPE
from sensorium_cloud._app.visit import MAX_MESSAGE, Visit
from sensorium_cloud.access import Access, Crowded, Grant, Right
from sensorium_cloud.rooms.room import Name
from sensorium_cloud.state.history import EPISODE, START, SYMBOL, Entry, is_id

_MAX_HISTORY: Final = 10_000
_UNDERSTOOD: Final = (SYMBOL, EPISODE)
_BAD: Final = 4400
_FULL: Final = 4429
_LATER_MS: Final = 1000
_BODY_S: Final = 30.0
"""How long a body may take to come."""
_names = itertools.count()
_session_name: Final[msgspec.json.Decoder[Name]] = msgspec.json.Decoder(Name)


class Batches(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /api/multimodal/batch``."""

    batches: Annotated[tuple[Batch, ...], Meta(min_length=1, max_length=64)]


_batches: Final[msgspec.json.Decoder[Batches]] = msgspec.json.Decoder(Batches)


class _RefusedError(Exception):
    """A request that is answered with a status and one line."""

    def __init__(self, status: int, reason: str, field: str = "", retry_after_ms: int = 0) -> None:
        super().__init__(reason)
        self.status, self.reason, self.field, self.retry_after_ms = status, reason, field, retry_after_ms


def build(parts: Parts) -> FastAPI:
    """The application."""
    app = FastAPI(
        title="Sensorium gateway",
        version=parts.software.partition("/")[2] or "0",
        description=ABOUT,
        docs_url="/docs",
        redoc_url=None,
    )

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, _RefusedError)
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        if error.retry_after_ms:
            headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
        return JSONResponse({"field": error.field, "reason": error.reason}, error.status, headers)

    app.add_exception_handler(_RefusedError, refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _no_way)
    add_doorkeeper(app, parts.origins)
    _add_health(app, parts)
    _add_batch(app, parts)
    _add_history(app, parts)
    _add_socket(app, parts)
    described = _described(app)
    app.openapi = lambda: described  # type: ignore[method-assign]  # as its documentation asks to
    return app


async def _invalid(_: Request, error: Exception) -> Response:
    """What FastAPI finds wrong itself, in the words of all other refusals."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    said = str(first["msg"])
    return JSONResponse({"field": str(first["loc"][-1]), "reason": said[:1].lower() + said[1:]}, 422)


async def _no_way(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = f"{str(error.detail).lower()}; /docs describes what there is"
    return JSONResponse({"field": "", "reason": reason}, error.status_code, error.headers)


# --- who may ---------------------------------------------------------------------------


def _bearer(headers: Any, query: Any) -> str | None:
    scheme, _, token = str(headers.get("authorization", "")).partition(" ")
    found: str | None = token if scheme.lower() == "bearer" else query.get("token")
    return found


def _known(access: Access, token: str | None) -> Grant:
    grant = access.grant(token)
    if grant is None:
        raise _RefusedError(401, "send Authorization: Bearer TOKEN, with a token that was given out here")
    return grant


def _granted(access: Access, token: str | None, session: str, right: Right) -> Grant:
    grant = _known(access, token)
    _check_name(session)
    if not grant.allows(session, right):
        raise _RefusedError(403, f"this token does not allow to {right} session {session!r}")
    return grant


def _metered(parts: Parts, tenant: str, requests: int = 1) -> None:
    wait_ms = parts.limits.requests.take(tenant, parts.clock.now_ns(), requests)
    if wait_ms:
        raise _RefusedError(429, f"too many requests; try again in {wait_ms} ms", retry_after_ms=wait_ms)


def _check_name(session: str) -> None:
    try:
        _session_name.decode(json.dumps(session))
    except msgspec.ValidationError:
        reason = "1 to 60 letters, digits and any of _ . : -"
        raise _RefusedError(422, reason, "session_id") from None


# --- health ----------------------------------------------------------------------------


def _add_health(app: FastAPI, parts: Parts) -> None:
    @app.get("/healthz", response_class=PlainTextResponse, summary="Is the process alive?", tags=["health"])
    async def healthz() -> str:
        return "ok\n"

    @app.get(
        "/readyz",
        response_class=PlainTextResponse,
        summary="Does it take new work?",
        tags=["health"],
        responses={503: {"description": "it is stopping, or has too much to do"}},
    )
    async def readyz() -> Response:
        ready = parts.ready()
        return PlainTextResponse("ready\n" if ready else "not now\n", 200 if ready else 503)

    if (metrics := parts.metrics) is None:
        return

    @app.get("/metrics", summary="Metrics for Prometheus", tags=["health"], response_class=PlainTextResponse)
    async def told() -> Response:
        return Response(metrics(), media_type=MEDIA_TYPE)


# --- batches ---------------------------------------------------------------------------


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the schemas of the bodies that msgspec reads."""
    told = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    _, ours = msgspec.json.schema_components([Batches], ref_template="#/components/schemas/{name}")
    told.setdefault("components", {}).setdefault("schemas", {}).update(ours)
    return told


def _add_batch(app: FastAPI, parts: Parts) -> None:
    @app.post(
        "/api/multimodal/batch",
        summary="Understand recorded events",
        tags=["sessions"],
        responses={
            **REFUSED,
            200: {
                "description": "by session, its symbols and episodes, as docs/jsonl.md describes them",
                "content": {"application/json": {"example": {"sessions": [KITCHEN]}}},
            },
            408: {"description": "it took too long to come; send less at once"},
            413: {"description": "too large; send less at once"},
            429: {"description": "too much is waiting; try again after `Retry-After`"},
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Batches"}, "example": EXAMPLE}
                },
            }
        },
    )
    async def batch(request: Request) -> Response:
        """Events of one or several sessions, with times on one clock a session; each session by itself."""
        token = _bearer(request.headers, request.query_params)
        _known(parts.access, token)  # before a megabyte is read
        asked = await _read_batches(request)
        grants = [_granted(parts.access, token, one.session_id, Right.WRITE) for one in asked.batches]
        _metered(parts, grants[0].tenant, len(grants))
        pairs = zip(asked.batches, grants, strict=True)
        told = [await _answered(parts, number, *pair) for number, pair in enumerate(pairs)]
        return Response(msgspec.json.encode({"sessions": told}, enc_hook=str), media_type="application/json")


async def _answered(parts: Parts, number: int, batch: Batch, grant: Grant) -> dict[str, Any]:
    """What one session's batch means."""
    try:
        told = await parts.job.answer(grant.session_id(batch.session_id), batch)
    except FieldError as error:
        placed_error = error.inside(f"batches[{number}]")
        raise _RefusedError(422, placed_error.reason, placed_error.field) from None
    if told.retry_after_ms:
        raise _RefusedError(429, "too much is waiting", retry_after_ms=told.retry_after_ms)
    return {"session_id": batch.session_id, "lines": told.lines}


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_MESSAGE:
                    raise _RefusedError(413, f"at most {MAX_MESSAGE} bytes; send less at once")
    except TimeoutError:
        raise _RefusedError(408, f"not here within {_BODY_S:g} s; send less at once") from None
    return bytes(body)


async def _read_batches(request: Request) -> Batches:
    body = await _read_body(request)
    try:
        return _batches.decode(body)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        raise _RefusedError(422, what[:1].lower() + what[1:], path.strip("`.")) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _RefusedError(422, f"not JSON: {error}") from None


# --- history ---------------------------------------------------------------------------


def _add_history(app: FastAPI, parts: Parts) -> None:
    @app.get(
        "/api/sessions/{session_id}/symbols",
        summary="What was understood, and what is",
        tags=["sessions"],
        responses={
            **REFUSED,
            429: {"description": "too many requests or connections; try again after `Retry-After`"},
            200: {
                "description": "the last hour's symbols and episodes, oldest first; new ones as server-sent events",
                "content": {
                    "application/json": {"example": KITCHEN | {"next": "1795447200000-0"}},
                    LIVE: {"example": f"id: 1795447200000-0\nevent: symbol\ndata: {json.dumps(LINE)}\n\n"},
                },
            },
        },
    )
    async def symbols(request: Request, session_id: str, after: str = START, limit: int = 1000) -> Response:
        """Symbols and episodes after an id (`next` of an earlier answer).

        With `Accept: text/event-stream` they go on coming; `Last-Event-ID` says where to go on.
        """
        grant = _granted(parts.access, _bearer(request.headers, request.query_params), session_id, Right.READ)
        _metered(parts, grant.tenant)
        if not 1 <= limit <= _MAX_HISTORY:
            raise _RefusedError(422, f"from 1 to {_MAX_HISTORY}", "limit")
        after = request.headers.get("last-event-id", after)
        if not is_id(after):
            raise _RefusedError(422, "the `next` of an earlier answer, or nothing", "after")
        kept = grant.session_id(session_id)
        if LIVE in request.headers.get("accept", ""):
            return Live(_understood(parts.history.follow(kept, after)), parts.limits.connections, grant.tenant)
        found = await parts.history.read(kept, after, limit)
        # In a thread: ten thousand symbols would keep everybody else waiting for a second.
        body = await asyncio.to_thread(_page, session_id, found, found[-1].id if found else after)
        return Response(body, media_type="application/json")


def _page(session_id: str, found: Sequence[Entry], onward: str) -> bytes:
    """What was understood, of what was found; and where to go on."""
    lines = [msgspec.Raw(entry.data) for entry in found if entry.stream_type in _UNDERSTOOD]
    return msgspec.json.encode({"session_id": session_id, "lines": lines, "next": onward})


async def _understood(entries: AsyncIterator[Entry]) -> AsyncIterator[Entry]:
    async for entry in entries:
        if entry.stream_type in _UNDERSTOOD:
            yield entry


# --- live sessions ---------------------------------------------------------------------


def _add_socket(app: FastAPI, parts: Parts) -> None:
    @app.websocket("/ws/multimodal/{session_id}")
    async def socket(socket: WebSocket, session_id: str) -> None:
        await socket.accept()
        try:
            grant = _granted(parts.access, _bearer(socket.headers, socket.query_params), session_id, Right.WRITE)
        except _RefusedError as error:
            await hang_up(socket, _BAD if error.status == 422 else FORBIDDEN, error.reason)
            return
        try:
            with parts.limits.connections.joined(grant.tenant):
                await _visit(parts, socket, session_id, grant)
        except Crowded as error:
            await hang_up(socket, _FULL, str(error), retry_after_ms=_LATER_MS)


async def _visit(parts: Parts, socket: WebSocket, session_id: str, grant: Grant) -> None:
    kept = grant.session_id(session_id)
    try:
        member = parts.hall.enter(kept, f"ws{next(_names)}", hears=grant.allows(session_id, Right.READ))
    except FieldError as error:
        await hang_up(socket, _FULL, str(error), retry_after_ms=_LATER_MS)
        return
    try:
        await Visit(parts, socket, kept, session_id, member).run()
    finally:
        parts.hall.leave(kept, member)
