"""The gateway's connections, as uvicorn has them, but bounded: whoever says nothing or reads nothing costs little.

What a client may make the service keep is limited here; what it may ask for, in `access`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame

SILENCE_S: Final = 10.0
"""How long a connection may take to ask for something: as long as a device has to say Hello."""
_PIECES: Final = 1024
"""Of one WebSocket message: empty ones add nothing to its size, and could go on for ever."""


class HttpConnection(H11Protocol):
    """Ends when nobody asks for anything, however slowly they begin to.

    It is h11 that reads, also where httptools is installed: that would collect headers without end.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._watching.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        self._watching = asyncio.get_running_loop().call_later(SILENCE_S, self._look, self.cycle)

    def _look(self, before: Any) -> None:
        """Close if what was asked last is answered, and was the last thing asked a while ago too."""
        if self.transport.get_protocol() is not self:  # it is a WebSocket by now
            return
        if self.cycle is before and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
        else:
            self._watch()


class SocketConnection(WebSocketsSansIOProtocol):
    """Owes one answer to pings at most (RFC 6455, section 5.5.3), and takes no message in endless pieces."""

    _pong = b""

    def handle_ping(self) -> None:
        """Answer at once, or as soon as the client reads again."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self._pong = (self.conn.data_to_send() or [self._pong])[-1]

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._pong:
            self.transport.write(self._pong)
            self._pong = b""

    def send_receive_event_to_app(self) -> None:
        """Hand a message on; one that is no text ends the connection, unless its goodbye came with it."""
        with contextlib.suppress(InvalidState):
            super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        """Add a piece to the message."""
        if len(self.frames) < _PIECES:
            super().handle_cont(event)
        else:
            self.frames = []
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, f"a message of more than {_PIECES} pieces")
            self.handle_parser_exception()
