"""The wire carries everything unchanged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any, get_args

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import strategies
from shared.examples import SESSION, a_symbol, a_window, an_event

from sensorium import delivery, event, symbol, window, wire
from sensorium.delivery import Ack, Hello, Refusal, SequencedSymbol, SequencedWindow, Welcome
from sensorium.event import DType, Event, Media, Modality, Tensor
from sensorium.symbol import Entropy, Evidence, Hypothesis, ModelRef, Provenance, Share, Stage, Symbol
from sensorium.v1 import symbol_pb2
from sensorium.window import Presence, Slot, Window

# --- everything crosses unchanged ------------------------------------------------------


def carried(one: Any, to_proto: Callable[[Any], Message], from_proto: Callable[[Any], Any]) -> Any:
    """``one`` after a journey as bytes."""
    message = to_proto(one)
    return from_proto(type(message).FromString(message.SerializeToString()))


def in_response(one: Any) -> Any:
    return carried(one, wire.response_to_proto, wire.response_from_proto)


def in_request(one: Any) -> Any:
    return carried(one, wire.request_to_proto, wire.request_from_proto)


def in_symbol(field: str) -> Callable[[Any], Any]:
    """Carry a part of a symbol inside one; repeated parts in a tuple."""

    def carry(one: Any) -> Any:
        many = isinstance(getattr(a_symbol(), field), tuple)
        whole = replace(a_symbol(), **{field: (one,) if many else one})
        back = getattr(carried(whole, wire.symbol_to_proto, wire.symbol_from_proto), field)
        return back[0] if many else back

    return carry


def model_in_symbol(one: ModelRef) -> ModelRef:
    return in_symbol("provenance")(Provenance("", "", (one,))).models[0]


def slot_in_window(one: Slot) -> Slot:
    sessions = {e.session_id for e in one.events} or {SESSION}
    session = sessions.pop()
    whole = replace(a_window(), id=f"{session}.7", session_id=session, slots=(one,))
    return carried(whole, wire.window_to_proto, wire.window_from_proto).slots[0]


JOURNEYS: dict[type, tuple[st.SearchStrategy[Any], Callable[[Any], Any]]] = {
    Tensor: (strategies.tensors(), lambda one: carried(one, wire.tensor_to_proto, wire.tensor_from_proto)),
    Media: (strategies.media(), lambda one: carried(one, wire.media_to_proto, wire.media_from_proto)),
    Event: (strategies.events(), lambda one: carried(one, wire.event_to_proto, wire.event_from_proto)),
    Slot: (strategies.slots(st.just(SESSION)), slot_in_window),
    Window: (strategies.windows(), lambda one: carried(one, wire.window_to_proto, wire.window_from_proto)),
    Hypothesis: (strategies.hypotheses(), in_symbol("alternatives")),
    Share: (strategies.shares(), in_symbol("shares")),
    Entropy: (strategies.entropies(), in_symbol("entropy")),
    Stage: (strategies.stages(), in_symbol("latency")),
    Evidence: (strategies.evidence(), in_symbol("timeline")),
    ModelRef: (strategies.model_refs(), model_in_symbol),
    Provenance: (strategies.provenances(), in_symbol("provenance")),
    Symbol: (strategies.symbols(), lambda one: carried(one, wire.symbol_to_proto, wire.symbol_from_proto)),
    Hello: (strategies.hellos(), in_request),
    SequencedWindow: (strategies.sequenced_windows(), lambda one: in_request([one])[0]),
    Welcome: (strategies.welcomes(), in_response),
    Ack: (strategies.acks(), in_response),
    SequencedSymbol: (strategies.sequenced_symbols(), in_response),
    Refusal: (strategies.refusals(), in_response),
}
NEVER_SENT = {event.Frame, event.Sound, event.Text, event.Touch, event.Pulse}
NEVER_SENT |= {event.Intervals, event.Conductance, event.Labelled, event.Sample}
"""Raw samples stay on the device."""


def test_every_dataclass_of_the_contract_has_a_journey() -> None:
    def own(module: ModuleType) -> set[type]:
        return {
            kind
            for kind in vars(module).values()
            if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
        }

    assert set(JOURNEYS) == (own(event) | own(window) | own(symbol) | own(delivery)) - NEVER_SENT


@pytest.mark.parametrize("kind", JOURNEYS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_crosses_unchanged(kind: type, data: st.DataObject) -> None:
    strategy, journey = JOURNEYS[kind]
    one = data.draw(strategy)

    assert journey(one) == one


@given(st.lists(strategies.windows(), max_size=3), st.lists(strategies.symbols(), max_size=3))
@settings(max_examples=30, deadline=None)
def test_a_batch_crosses_in_its_order(some_windows: list[Window], some_symbols: list[Symbol]) -> None:
    assert carried(some_windows, wire.batch_to_proto, wire.batch_from_proto) == tuple(some_windows)
    assert carried(some_symbols, wire.symbols_to_proto, wire.symbols_from_proto) == tuple(some_symbols)


@given(st.sampled_from(DType), st.lists(st.floats(-60_000, 60_000, width=16), min_size=1, max_size=20))
def test_whatever_a_device_packs_may_travel(dtype: DType, values: list[float]) -> None:
    tensor = Tensor.of(values, dtype)

    assert carried(tensor, wire.tensor_to_proto, wire.tensor_from_proto) == tensor


def test_every_response_kind_is_carried() -> None:
    assert set(get_args(delivery.Response)) == {Welcome, Ack, SequencedSymbol, Refusal}


# --- what two windows have in common ---------------------------------------------------


def test_the_order_of_metadata_leaves_the_canonical_bytes_alone() -> None:
    def with_metadata(*items: tuple[str, str]) -> Window:
        slot = Slot(Modality.GESTURE, Presence.PRESENT, (an_event(metadata=dict(items)),), 0, 0)
        return replace(a_window(), slots=(slot,))

    there, back = with_metadata(("a", "1"), ("b", "2"), ("é", "3")), with_metadata(("é", "3"), ("b", "2"), ("a", "1"))

    assert wire.canonical_bytes(there) == wire.canonical_bytes(back)


def test_when_a_window_was_given_out_is_not_in_its_hash() -> None:
    assert wire.content_hash(a_window()) == wire.content_hash(replace(a_window(), closed_at_ns=1))


def test_minus_zero_hashes_as_the_zero_it_equals() -> None:
    def scored(score: float) -> Window:
        return replace(
            a_window(), slots=(Slot(Modality.TEXT, Presence.PRESENT, (an_event(Modality.TEXT, score=score),)),)
        )

    assert scored(-0.0) == scored(0.0)
    assert wire.content_hash(scored(-0.0)) == wire.content_hash(scored(0.0))


@given(strategies.windows(), strategies.INSTANTS, st.integers(0, 1))
@settings(max_examples=60, deadline=None)
def test_canonical_bytes_differ_exactly_where_windows_do(one: Window, closed_at_ns: int, change: int) -> None:
    other = replace(one, closed_at_ns=closed_at_ns, revision=one.revision ^ change)

    assert (wire.canonical_bytes(one) == wire.canonical_bytes(other)) is (change == 0)


@given(strategies.windows())
@settings(max_examples=60, deadline=None)
def test_the_hash_survives_the_journey(one: Window) -> None:
    there = carried(one, wire.window_to_proto, wire.window_from_proto)

    assert wire.content_hash(there) == wire.content_hash(one)


@given(strategies.windows())
@settings(max_examples=60, deadline=None)
def test_the_hash_of_a_window_is_that_of_its_message(one: Window) -> None:
    (item,) = wire.request_from_proto(wire.request_to_proto([SequencedWindow(1, one)]))

    assert isinstance(item, SequencedWindow)
    assert item.content == wire.content_hash(one)


def test_the_hash_is_the_same_in_every_process_and_version() -> None:
    assert wire.content_hash(a_window()) == "82d52d234ceb4c10e051019f875713986ecfac8828b5795f125b7401cb7a6bdf"


def test_a_symbols_bytes_say_what_its_message_says() -> None:
    symbol = a_symbol()

    assert symbol_pb2.Symbol.FromString(wire.symbol_to_bytes(symbol)) == wire.symbol_to_proto(symbol)
