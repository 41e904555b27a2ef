"""Web pages at the gateway: a browser lets any page talk to whatever it can reach, and says where the page is from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from fastapi import WebSocket
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware

from sensorium_cloud.access import Origins

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

FORBIDDEN: Final = 4403
"""Close code of a WebSocket, as 403 is a status."""
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
            return
        field, reason = refused
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            await socket.accept()
            await hang_up(socket, FORBIDDEN, reason, field)
        else:
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


async def hang_up(socket: WebSocket, code: int, reason: str, field: str = "", retry_after_ms: int = 0) -> None:
    """Close ``socket``, which was accepted, with a word: browsers tell pages nothing of what they could not open."""
    told = {"type": "refusal", "field": field, "reason": reason, "retry_after_ms": retry_after_ms}
    await socket.send_text(json.dumps(told))
    await socket.close(code, reason[:120])
