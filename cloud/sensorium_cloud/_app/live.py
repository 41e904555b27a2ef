"""Server-sent events (HTML standard, section 9.2) of who follows a session, until it hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from fastapi.responses import JSONResponse, Response

from sensorium_cloud.access import Crowd, Crowded
from sensorium_cloud.state.history import Entry

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

MEDIA_TYPE: Final = "text/event-stream"
_BEAT_S: Final = 15.0
"""Between signs of life: proxies end a connection that is silent for long, and who is gone is found by writing."""


class Live(Response):
    """Entries as they come.

    Args:
        entries: what is told.
        crowd: the connections of all clients; this is one while it lasts.
        client: whose it is.
    """

    media_type = MEDIA_TYPE

    def __init__(self, entries: AsyncIterator[Entry], crowd: Crowd, client: str) -> None:
        super().__init__(headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._entries, self._crowd, self._client = entries, crowd, client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell until the client hangs up, or is one too many."""
        try:
            with self._crowd.joined(self._client):
                await self._run(receive, send)
        except Crowded as error:
            answer = JSONResponse({"field": "", "reason": str(error)}, 429, {"Retry-After": "1"})
            await answer(scope, receive, send)

    async def _run(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with asyncio.TaskGroup() as group:
            telling = [group.create_task(self._tell(send)), group.create_task(_beat(send))]
            while (await receive())["type"] != "http.disconnect":
                pass
            for task in telling:
                task.cancel()

    async def _tell(self, send: Send) -> None:
        async for entry in self._entries:
            told = b"id: %s\nevent: %s\ndata: %s\n\n" % (entry.id.encode(), entry.stream_type.encode(), entry.data)
            await send({"type": "http.response.body", "body": told, "more_body": True})


async def _beat(send: Send) -> None:
    while True:
        await asyncio.sleep(_BEAT_S)
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
