"""The agent's own service: other devices connect, over gRPC, and become a sensor.

A thin shell: `sensorium_agent.capture.companion` decides, this moves bytes. Messages are taken as bytes and
parsed here, so that one that is none is refused like any other wrong input, and its stream lives on.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from sensorium import wire
from sensorium.clock import Clock
from sensorium.delivery import INVALID_ARGUMENT
from sensorium.device import Acceptance, ConnectRefusal, Introduction, Request, Response
from sensorium.errors import FieldError, SensoriumError
from sensorium.v1 import device_pb2
from sensorium_agent._app.settings import Companion as Table
from sensorium_agent.capture.companion import Companion, Visit

log = logging.getLogger(__name__)

SERVICE: Final = "sensorium.v1.DeviceService"
_MOST_BYTES: Final = 1 << 20
_STREAMS: Final = 16
_INTRODUCTION_S: Final = 10.0
_STOP_S: Final = 0.5
_LAST_PORT: Final = 65_535
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 4 * _MOST_BYTES),  # so that we can refuse a large one and keep the stream
    ("grpc.so_reuseport", 0),  # two agents on one port would share the devices between them
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
)

_Context = Any
"""grpc.aio's ServicerContext; its stubs know no raw bytes."""


class ApiError(SensoriumError):
    """The service for other devices cannot be offered."""


class ApiMisset(ApiError):
    """The settings ask for what cannot be, or should not."""

    exit_code = 2


class DeviceService:
    """The handlers of `sensorium.v1.DeviceService`.

    Args:
        companion: takes what the devices send.
        clock: the agent's.
        token: what a device has to know; empty for nothing.
        software: name and version of the agent.
    """

    def __init__(self, companion: Companion, clock: Clock, *, token: str = "", software: str = "") -> None:
        self._companion, self._clock = companion, clock
        self._token, self._software = token.encode(), software
        self._streams = 0

    def handlers(self) -> grpc.GenericRpcHandler[bytes, bytes]:
        """What to add to a `grpc.aio` server."""
        methods = {"Connect": grpc.stream_stream_rpc_method_handler(self.connect)}
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def connect(self, requests: AsyncIterator[bytes], context: _Context) -> None:
        """One stream, from its introduction until the device leaves."""
        if not self._knows_token(context):
            reason = "the metadata's authorization is to be 'Bearer ' and the agent's companion token"
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, reason)
        if self._streams >= _STREAMS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{_STREAMS} devices are connected already")
        self._streams += 1
        try:
            await self._visited(requests, _Voice(context), context)
        finally:
            self._streams -= 1

    def _knows_token(self, context: _Context) -> bool:
        said = dict(context.invocation_metadata() or ()).get("authorization", "")
        # Whether they are equal is found in the same time wherever they differ.
        return not self._token or hmac.compare_digest(str(said).encode(), b"Bearer " + self._token)

    async def _visited(self, requests: AsyncIterator[bytes], voice: _Voice, context: _Context) -> None:
        try:
            async with asyncio.timeout(_INTRODUCTION_S):
                visit = await self._introduced(requests, voice)
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"no introduction for {_INTRODUCTION_S:g} s")
        if visit is not None:
            await self._converse(visit, requests, voice)

    async def _introduced(self, requests: AsyncIterator[bytes], voice: _Voice) -> Visit | None:
        """Who has come; None if the stream ends before anybody said."""
        async for raw in requests:
            request = parsed(raw)
            if not isinstance(request, Introduction):
                await voice.say(_not_yet(request))
                continue
            try:
                visit = self._companion.greet(request, self._clock.now_ns())
            except FieldError as error:
                await voice.say(ConnectRefusal.of(error))
                continue
            log.info("companion.connected device=%s sources=%d", request.device_id, len(request.sources))
            await voice.say(Acceptance(_MOST_BYTES, self._software))
            return visit
        return None

    async def _converse(self, visit: Visit, requests: AsyncIterator[bytes], voice: _Voice) -> None:
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(self._ask(visit, voice))
            async for raw in requests:
                now_ns = self._clock.now_ns()
                for answer in visit.hear(parsed(raw), now_ns):
                    await voice.say(answer)
            asking.cancel()

    async def _ask(self, visit: Visit, voice: _Voice) -> None:
        """Ask for the device's clock whenever that is due."""
        while True:
            wait_ns = visit.questions.due_ns - self._clock.now_ns()
            await asyncio.sleep(max(wait_ns, 0) / 1e9)
            await voice.say(lambda: visit.questions.ask(self._clock.now_ns()))


class _Voice:
    """Says one thing at a time: gRPC takes no second message before the first is off."""

    def __init__(self, context: _Context) -> None:
        self._context = context
        self._turn = asyncio.Lock()

    async def say(self, what: Response | Callable[[], Response]) -> None:
        """Send it; a question is made only when it can leave, so that its stamp is true."""
        async with self._turn:
            response = what() if callable(what) else what
            await self._context.write(wire.connect_response_to_proto(response).SerializeToString())


def parsed(raw: bytes) -> Request | ConnectRefusal:
    """What a device's bytes say, or why that is nothing."""
    if len(raw) > _MOST_BYTES:
        return ConnectRefusal(INVALID_ARGUMENT, "", f"at most {_MOST_BYTES} bytes a message, not {len(raw)}")
    try:
        return wire.connect_request_from_proto(device_pb2.ConnectRequest.FromString(raw))
    except DecodeError:
        return ConnectRefusal(INVALID_ARGUMENT, "", "not a sensorium.v1.ConnectRequest")
    except FieldError as error:
        return ConnectRefusal.of(error)


def _not_yet(request: Request | ConnectRefusal) -> ConnectRefusal:
    """Why a first message is none."""
    if isinstance(request, ConnectRefusal):
        return request
    return ConnectRefusal(INVALID_ARGUMENT, "introduction", "missing: it is the first message of a stream")


# --- the server ------------------------------------------------------------------------


@asynccontextmanager
async def serving(table: Table, companion: Companion, clock: Clock, *, software: str = "") -> AsyncIterator[str]:
    """Serve other devices at the address this gives, until the block is left.

    Raises:
        ApiError: the address is taken or not this machine's, a key cannot be used, or anybody could come in.
    """
    if not table.token and not _is_loopback(table.listen):
        raise ApiMisset(f"companion.listen: {table.listen} is open to the network: set SENSORIUM_COMPANION_TOKEN")
    server = grpc.aio.server(options=_OPTIONS)
    address = _bind(server, table)
    service = DeviceService(companion, clock, token=table.token, software=software)
    server.add_generic_rpc_handlers([service.handlers()])
    await server.start()
    log.info("companion.listening address=%s tls=%s", address, bool(table.certificate))
    try:
        yield address
    finally:
        await server.stop(_STOP_S)


def _is_loopback(listen: str) -> bool:
    return listen.rpartition(":")[0] in ("127.0.0.1", "[::1]", "localhost")


def _bind(server: grpc.aio.Server, table: Table) -> str:
    """The address, with the port that was found where 0 was asked for."""
    host, _, wanted = table.listen.rpartition(":")
    if int(wanted) > _LAST_PORT:  # gRPC would take its last 16 bits
        raise ApiMisset(f"companion.listen: {table.listen}: ports end at {_LAST_PORT}")
    try:
        if table.certificate or table.key:
            port = server.add_secure_port(table.listen, _credentials(table))
        else:
            port = server.add_insecure_port(table.listen)
    except RuntimeError as error:
        raise ApiError(
            f"companion.listen: cannot listen on {table.listen}; is another agent running, or the address not ours?"
        ) from error
    return f"{host}:{port}"


def _credentials(table: Table) -> grpc.ServerCredentials:
    if not (table.certificate and table.key):
        missing = "key" if table.certificate else "certificate"
        raise ApiMisset(f"companion.{missing} is missing: TLS needs both certificate and key")
    read: dict[str, bytes] = {}
    for name, path in (("certificate", table.certificate), ("key", table.key)):
        try:
            read[name] = Path(path).read_bytes()
        except OSError as error:
            raise ApiMisset(f"companion.{name}: {path}: {error.strerror}; name a PEM file that is there") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(table.certificate, table.key, password=lambda: b"")
    except ssl.SSLError as error:
        raise ApiMisset(f"companion.key: {table.key}: not the key of {table.certificate}; both in PEM") from error
    return grpc.ssl_server_credentials([(read["key"], read["certificate"])])
