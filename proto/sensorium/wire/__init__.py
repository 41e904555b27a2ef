"""Dataclass to protobuf and back: the only place that knows both.

``*_to_proto`` trusts its argument, which is ours. ``*_from_proto`` trusts nothing: whatever the .proto
comments do not promise is refused with a `FieldError` that names the field's path and what would be
right, so that whoever gets a dataclass from here need not look twice.
"""

from __future__ import annotations

from sensorium.wire._delivery import (
    batch_from_proto,
    batch_to_proto,
    hello_from_proto,
    hello_to_proto,
    refusal_from_proto,
    refusal_to_proto,
    request_from_proto,
    request_to_proto,
    response_from_proto,
    response_to_proto,
    responses_from_proto,
    responses_to_proto,
    symbols_from_proto,
    symbols_to_proto,
    welcome_from_proto,
    welcome_to_proto,
)
from sensorium.wire._device import (
    connect_request_from_proto,
    connect_request_to_proto,
    connect_response_from_proto,
    connect_response_to_proto,
)
from sensorium.wire._event import (
    event_from_proto,
    event_to_proto,
    media_from_proto,
    media_to_proto,
    tensor_from_proto,
    tensor_to_proto,
)
from sensorium.wire._symbol import symbol_from_proto, symbol_to_bytes, symbol_to_proto
from sensorium.wire._window import canonical_bytes, content_hash, window_from_proto, window_to_proto

__all__ = [
    "batch_from_proto",
    "batch_to_proto",
    "canonical_bytes",
    "connect_request_from_proto",
    "connect_request_to_proto",
    "connect_response_from_proto",
    "connect_response_to_proto",
    "content_hash",
    "event_from_proto",
    "event_to_proto",
    "hello_from_proto",
    "hello_to_proto",
    "media_from_proto",
    "media_to_proto",
    "refusal_from_proto",
    "refusal_to_proto",
    "request_from_proto",
    "request_to_proto",
    "response_from_proto",
    "response_to_proto",
    "responses_from_proto",
    "responses_to_proto",
    "symbol_from_proto",
    "symbol_to_bytes",
    "symbol_to_proto",
    "symbols_from_proto",
    "symbols_to_proto",
    "tensor_from_proto",
    "tensor_to_proto",
    "welcome_from_proto",
    "welcome_to_proto",
    "window_from_proto",
    "window_to_proto",
]
