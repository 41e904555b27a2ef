"""Where a window's time went, as OpenTelemetry spans: on the device and in the cloud, joined by the window's id.

A symbol tells how long each stage took; so the spans of a window and of its stages are made when it is there, and
nothing is measured twice. Trace and span ids are hashes of the window's id: device and cloud come to the same trace
without a byte more on the wire, and the cloud's span hangs below the device's. Needs the extra ``trace``; its packages
are imported only where it is on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from sensorium.errors import SensoriumError
from sensorium.symbol import Revision, Symbol

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_TOTAL = "total"


class TraceUnavailable(SensoriumError):
    """The packages that send spans are not installed."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, by a wall clock.

    Attributes:
        name: of the stage; ``window.edge`` or ``window.cloud`` for all of it.
        span_id: 64 bits.
        parent_id: 0 for none.
        start_ns, end_ns: since 1970.
    """

    name: str
    span_id: int
    parent_id: int
    start_ns: int
    end_ns: int


def trace_id(symbol: Symbol) -> int:
    """128 bits, the same on the device and in the cloud."""
    return _hashed(symbol, "", 16)


def spans(symbol: Symbol, end_ns: int) -> Iterator[Span]:
    """The window's span, which ends at ``end_ns``, and one for each stage, back to back in their order."""
    stages = [stage for stage in symbol.latency if stage.name != _TOTAL]
    lengths = [round(stage.ms * 1e6) for stage in stages]
    at_ns = end_ns - sum(lengths)
    own = _hashed(symbol, symbol.revision, 8)
    above = _hashed(symbol, Revision.EDGE, 8) if symbol.revision is Revision.CLOUD else 0
    yield Span(f"window.{symbol.revision}", own, above, at_ns, end_ns)
    for stage, length_ns in zip(stages, lengths, strict=True):
        yield Span(stage.name, _hashed(symbol, f"{symbol.revision}/{stage.name}", 8), own, at_ns, at_ns + length_ns)
        at_ns += length_ns


def _hashed(symbol: Symbol, what: str, size: int) -> int:
    name = "\0".join((symbol.session_id, symbol.id, str(symbol.window_revision), symbol.boot_id, what))
    return int.from_bytes(blake2b(name.encode(), digest_size=size).digest(), "big") or 1


class Trace:
    """Sends the spans of symbols, from a thread of its own; what the collector does not take is dropped.

    Args:
        exporter: where they go, see `to_collector`.
        service: ``sensorium`` or ``sensorium-cloud``.
        wall_ns: wall time.
        boot_id: of symbols that name none: the device's own, which the cloud has from its windows.

    Raises:
        TraceUnavailable: install the extra ``trace``.
    """

    def __init__(self, exporter: SpanExporter, service: str, wall_ns: Callable[[], int], *, boot_id: str = "") -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._sink = BatchSpanProcessor(exporter)
        self._resource = Resource.create({"service.name": service})
        self._wall_ns = wall_ns
        self._boot_id = boot_id

    def tell(self, symbol: Symbol) -> None:
        """A symbol is there; returns at once."""
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, TraceFlags

        symbol = replace(symbol, boot_id=symbol.boot_id or self._boot_id)
        trace, flags = trace_id(symbol), TraceFlags(TraceFlags.SAMPLED)
        told = {"sensorium.window": symbol.id, "sensorium.concept": symbol.concept or f"({symbol.abstained})"}
        for span in spans(symbol, self._wall_ns()):
            above = SpanContext(trace, span.parent_id, is_remote=True) if span.parent_id else None
            context = SpanContext(trace, span.span_id, is_remote=False, trace_flags=flags)
            readable = ReadableSpan(
                span.name,
                context,
                above,
                self._resource,
                told,
                start_time=span.start_ns,
                end_time=span.end_ns,
            )
            self._sink.on_end(readable)

    def close(self) -> None:
        """Send what is left."""
        self._sink.shutdown()  # type: ignore[no-untyped-call]


def to_collector(endpoint: str) -> SpanExporter:
    """To an OpenTelemetry collector over gRPC, ``http://HOST:4317`` (in the clear) or ``https://``.

    Raises:
        TraceUnavailable: install the extra ``trace``.
    """
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise TraceUnavailable('traces need packages that are missing: pip install "sensorium[trace]"') from error
    return OTLPSpanExporter(endpoint=endpoint)
