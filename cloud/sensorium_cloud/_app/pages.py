"""Web pages at the gateway: a browser lets any page talk to whatever it can reach, and says where the page is from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware

from sensorium_cloud.access import Origins

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

_CLOSED: Final = 4403
_ASK: Final = ("Authorization", "Content-Type", "Last-Event-ID")
_TOLD: Final = ("Retry-After",)


def add_doorkeeper(app: FastAPI, origins: Origins) -> None:
    """Refuse pages that may not, and tell browsers that the others may (fetch standard: CORS)."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins.named,
        allow_origin_regex=origins.pattern,
        allow_methods=("GET", "POST"),
        allow_headers=_ASK,
        expose_headers=_TOLD,
    )
    app.add_middleware(_Doorkeeper, origins=origins)


class _Doorkeeper:
    """Before everything else, on the way in."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app, self._origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = None if scope["type"] == "lifespan" else self._refused(Headers(scope=scope))
        if refused is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await _hang_up(*refused, receive, send)
        else:
            field, reason = refused
            await JSONResponse({"field": field, "reason": reason}, 403)(scope, receive, send)

    def _refused(self, headers: Headers) -> tuple[str, str] | None:
        """What header is wrong, and why; None if it may come in."""
        origin, host = headers.get("origin"), headers.get("host")
        if not self._origins.allows(origin):
            return "origin", f"pages of {origin!a} may not use this gateway; name it in gateway.origins"
        if not self._origins.serves(host):
            way_out = "name its http:// or https:// address in gateway.origins, or set up tokens"
            return "host", f"this gateway is not known as {host!a}; {way_out}"
        return None


async def _hang_up(field: str, reason: str, receive: Receive, send: Send) -> None:
    """With a word: a browser does not tell its page why a connection could not be opened."""
    told: dict[str, Any] = {"type": "refusal", "field": field, "reason": reason, "retry_after_ms": 0}
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps(told)})
    await send({"type": "websocket.close", "code": _CLOSED, "reason": reason[:120]})
