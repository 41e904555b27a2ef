"""The messages of a Fuse stream as protobuf."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sensorium.delivery import Ack, Hello, Refusal, Request, Response, SequencedSymbol, SequencedWindow, Welcome
from sensorium.errors import FieldError
from sensorium.limits import ANSWERS_PER_MESSAGE, WINDOWS_PER_MESSAGE
from sensorium.symbol import Symbol
from sensorium.v1 import fusion_pb2 as pb
from sensorium.window import Window
from sensorium.wire._checks import at_least, at_most, each, label, name, part, text, within
from sensorium.wire._concept import concept_to_proto, taught_from_proto
from sensorium.wire._symbol import symbol_from_proto, symbol_to_proto
from sensorium.wire._window import message_hash, window_from_proto, window_to_proto

_STATUS_CODES = range(1, 17)
"""Every gRPC status but OK."""


# --- what a device says ----------------------------------------------------------------


def request_to_proto(request: Hello | Sequence[SequencedWindow]) -> pb.FuseRequest:
    """A device's message: a greeting, or windows."""
    if isinstance(request, Hello):
        return pb.FuseRequest(hello=hello_to_proto(request))
    windows = [
        pb.SequencedWindow(sequence=s.sequence, window=window_to_proto(s.window), patience_ms=s.patience_ms)
        for s in request
    ]
    return pb.FuseRequest(windows=pb.WindowBatch(windows=windows))


def request_from_proto(message: pb.FuseRequest) -> Request:
    """A device's greeting, or its windows in order, each of them good or refused for itself.

    Raises:
        FieldError: the message as a whole is not what the contract promises.
    """
    match message.WhichOneof("kind"):
        case "hello":
            return part("hello", message, hello_from_proto)
        case "windows":
            windows = message.windows.windows
            at_most(WINDOWS_PER_MESSAGE, "windows", windows)
            return tuple(_window_or_refusal(i, window) for i, window in enumerate(windows[:]))
        case _:
            raise FieldError("kind", "missing: hello or windows")


def _window_or_refusal(index: int, message: pb.SequencedWindow) -> SequencedWindow | Refusal:
    """One bad window refuses itself alone."""
    try:
        return _sequenced_window(message)
    except FieldError as error:
        return Refusal.of(error.inside(f"windows[{index}]"), message.sequence)


def _sequenced_window(message: pb.SequencedWindow) -> SequencedWindow:
    sequence = at_least(1, "sequence", message.sequence)
    whole = message.window  # held: whoever lets go of a part of a message has it wrapped anew
    window = part("window", message, window_from_proto)
    return SequencedWindow(sequence, window, message.patience_ms, message_hash(whole))


def hello_to_proto(hello: Hello) -> pb.Hello:
    """The greeting's message."""
    return pb.Hello(
        device_id=hello.device_id,
        spool_id=hello.spool_id,
        boot_id=hello.boot_id,
        wall_offset_ns=hello.wall_offset_ns,
        wall_error_ns=hello.wall_error_ns,
        software=hello.software,
        taught=[concept_to_proto(concept) for concept in hello.taught],
        takes_several=hello.takes_several,
    )


def hello_from_proto(message: pb.Hello) -> Hello:
    """The message's greeting.

    Raises:
        FieldError: a value is not what the contract promises.
    """
    return Hello(
        device_id=name("device_id", message.device_id),
        spool_id=name("spool_id", message.spool_id),
        boot_id=label("boot_id", message.boot_id),
        wall_offset_ns=message.wall_offset_ns,
        wall_error_ns=at_least(0, "wall_error_ns", message.wall_error_ns),
        software=label("software", message.software),
        taught=taught_from_proto(message.taught),
        takes_several=message.takes_several,
    )


# --- what the service says -------------------------------------------------------------


def response_to_proto(response: Response) -> pb.FuseResponse:
    """A service's message."""
    match response:
        case Welcome():
            return pb.FuseResponse(welcome=welcome_to_proto(response))
        case Ack():
            return pb.FuseResponse(ack=pb.Ack(through=response.through))
        case SequencedSymbol(sequence, symbol):
            return pb.FuseResponse(symbol=pb.SequencedSymbol(sequence=sequence, symbol=symbol_to_proto(symbol)))
        case _:
            return pb.FuseResponse(refusal=refusal_to_proto(response))


def responses_to_proto(responses: Iterable[Response]) -> pb.FuseResponse:
    """Several of a service's messages in one."""
    return pb.FuseResponse(answers=pb.Answers(answers=map(response_to_proto, responses)))


def responses_from_proto(message: pb.FuseResponse) -> tuple[Response, ...]:
    """What a service said to a device that takes several answers in one message.

    Raises:
        FieldError: a value is not what the contract promises.
    """
    if message.WhichOneof("kind") != "answers":
        return (response_from_proto(message),)
    several = message.answers.answers
    at_most(ANSWERS_PER_MESSAGE, "answers", several)
    return within("answers", several, lambda them: each("answers", them, response_from_proto))


def response_from_proto(message: pb.FuseResponse) -> Response:
    """The one thing that a service said.

    Raises:
        FieldError: a value is not what the contract promises.
    """
    match message.WhichOneof("kind"):
        case "welcome":
            return part("welcome", message, welcome_from_proto)
        case "ack":
            return Ack(message.ack.through)
        case "symbol":
            return part("symbol", message, _sequenced_symbol)
        case "refusal":
            return part("refusal", message, refusal_from_proto)
        case _:
            raise FieldError("kind", "missing: welcome, ack, symbol or refusal")


def welcome_to_proto(welcome: Welcome) -> pb.Welcome:
    """The answer's message."""
    return pb.Welcome(
        resume_after=welcome.resume_after,
        max_in_flight=welcome.max_in_flight,
        max_message_bytes=welcome.max_message_bytes,
        software=welcome.software,
    )


def welcome_from_proto(message: pb.Welcome) -> Welcome:
    """The message's answer.

    Raises:
        FieldError: a value is not what the contract promises.
    """
    return Welcome(
        resume_after=message.resume_after,
        max_in_flight=at_least(1, "max_in_flight", message.max_in_flight),
        max_message_bytes=at_least(1, "max_message_bytes", message.max_message_bytes),
        software=label("software", message.software),
    )


def _sequenced_symbol(message: pb.SequencedSymbol) -> SequencedSymbol:
    sequence = at_least(1, "sequence", message.sequence)
    return SequencedSymbol(sequence, part("symbol", message, symbol_from_proto))


def refusal_to_proto(refusal: Refusal) -> pb.Refusal:
    """The refusal's message."""
    return pb.Refusal(
        sequence=refusal.sequence,
        code=refusal.code,
        field=refusal.field,
        reason=refusal.reason,
        retry_after_ms=refusal.retry_after_ms,
    )


def refusal_from_proto(message: pb.Refusal) -> Refusal:
    """The message's refusal.

    Raises:
        FieldError: a value is not what the contract promises.
    """
    if message.code not in _STATUS_CODES:
        raise FieldError("code", f"a gRPC status from 1 to 16, not {message.code}")
    return Refusal(
        sequence=message.sequence,
        code=message.code,
        field=text("field", message.field),
        reason=text("reason", message.reason),
        retry_after_ms=message.retry_after_ms,
    )


# --- a batch at once -------------------------------------------------------------------


def batch_to_proto(windows: Iterable[Window]) -> pb.FuseBatchRequest:
    """A request to fuse ``windows`` at once."""
    return pb.FuseBatchRequest(windows=[window_to_proto(window) for window in windows])


def batch_from_proto(message: pb.FuseBatchRequest) -> tuple[Window, ...]:
    """The windows to fuse at once.

    Raises:
        FieldError: too many, or the first that is not what the contract promises.
    """
    at_most(WINDOWS_PER_MESSAGE, "windows", message.windows)
    return each("windows", message.windows, window_from_proto)


def symbols_to_proto(symbols: Iterable[Symbol]) -> pb.FuseBatchResponse:
    """The answer to a batch, in its order."""
    return pb.FuseBatchResponse(symbols=[symbol_to_proto(symbol) for symbol in symbols])


def symbols_from_proto(message: pb.FuseBatchResponse) -> tuple[Symbol, ...]:
    """The symbols of a batch.

    Raises:
        FieldError: the first that is not what the contract promises.
    """
    return each("symbols", message.symbols, symbol_from_proto)
