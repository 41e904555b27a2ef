"""Hypothesis strategies for every dataclass of the contract: anything the wire must carry unchanged.

Tests elsewhere import them as ``from strategies import windows``.
"""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np
from hypothesis import strategies as st

from sensorium import delivery
from sensorium.event import DType, Event, Media, Modality, Tensor
from sensorium.symbol import (
    Entropy,
    Evidence,
    Hypothesis,
    ModelRef,
    Provenance,
    Reason,
    Revision,
    Share,
    Stage,
    Symbol,
)
from sensorium.window import Presence, Slot, Window

MODALITIES = st.sampled_from(Modality)
CHARACTERS = st.characters(codec="utf-8")
NAMES = st.text(CHARACTERS, min_size=1, max_size=20)
LABELS = st.text(CHARACTERS, max_size=20)
TEXTS = st.text(CHARACTERS, max_size=80)
PARTS_OF_1 = st.floats(0.0, 1.0)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
INSTANTS = st.integers(-(2**63), 2**63 - 1)
SPANS = st.integers(0, 2**63 - 1)
SEQUENCES = st.integers(1, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
SHAPES = st.lists(st.integers(0, 6), max_size=4).map(tuple)


@st.composite
def tensors(draw: st.DrawFn, shapes: st.SearchStrategy[tuple[int, ...]] = SHAPES) -> Tensor:
    """Finite numbers of any shape and type, also after scaling."""
    shape, dtype = draw(shapes), draw(st.sampled_from(DType))
    count = math.prod(shape)
    if dtype is DType.I8:
        stored = draw(st.lists(st.integers(-128, 127), min_size=count, max_size=count))
        return Tensor(np.array(stored, "<i1").tobytes(), shape, dtype, draw(st.floats(1e-30, 1e30)))
    width = 16 if dtype is DType.F16 else 32
    numbers = st.floats(width=width, allow_nan=False, allow_infinity=False)
    stored_floats = draw(st.lists(numbers, min_size=count, max_size=count))
    scale = draw(st.floats(1e-30, 1.0) if width == 32 else st.floats(1e-30, 1e30))
    return Tensor(np.array(stored_floats, f"<f{width // 8}").tobytes(), shape, dtype, scale)


def media() -> st.SearchStrategy[Media]:
    return st.builds(Media, NAMES, st.binary(max_size=64))


def events(
    session_id: st.SearchStrategy[str] = NAMES, modality: st.SearchStrategy[Modality] = MODALITIES
) -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        modality=modality,
        stream_id=NAMES,
        sequence=U64,
        session_id=session_id,
        at_ns=INSTANTS,
        at_error_ns=SPANS,
        span_ns=SPANS,
        label=st.none() | LABELS,
        score=PARTS_OF_1,
        quality=PARTS_OF_1,
        features=st.none() | tensors(st.tuples(st.integers(0, 40))),
        text=st.none() | TEXTS,
        media=st.none() | media(),
        metadata=st.dictionaries(LABELS, TEXTS, max_size=4).map(MappingProxyType),
    )


@st.composite
def slots(
    draw: st.DrawFn, session_id: st.SearchStrategy[str] = NAMES, modality: st.SearchStrategy[Modality] = MODALITIES
) -> Slot:
    """A modality's place, its events in keeping with its presence, or kept at home."""
    whose, presence = draw(modality), draw(st.sampled_from(Presence))
    if presence is Presence.ABSENT:
        return Slot(whose, presence)
    most = 1 if presence is Presence.STALE else 3
    inside = draw(st.lists(events(session_id, st.just(whose)), max_size=most))
    age = draw(st.none() | SPANS)
    return Slot(whose, presence, tuple(inside), age, None if presence is Presence.STALE else draw(st.none() | SPANS))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """A window of some modalities; all its events are of its session."""
    session_id, index = draw(NAMES), draw(st.integers(-(2**63), 2**63 - 1))
    start = draw(st.integers(-(2**63), 2**63 - 2))
    return Window(
        id=f"{session_id}.{index}",
        session_id=session_id,
        index=index,
        revision=draw(U32),
        start_ns=start,
        end_ns=draw(st.integers(start + 1, 2**63 - 1)),
        closed_at_ns=draw(INSTANTS),
        slots=tuple(
            draw(slots(st.just(session_id), st.just(modality)))
            for modality in draw(st.lists(MODALITIES, unique=True, max_size=6))
        ),
    )


def hypotheses() -> st.SearchStrategy[Hypothesis]:
    return st.builds(Hypothesis, NAMES, PARTS_OF_1)


def shares(modality: st.SearchStrategy[Modality] = MODALITIES) -> st.SearchStrategy[Share]:
    return st.builds(
        Share,
        modality=modality,
        presence=st.sampled_from(Presence),
        label=st.none() | LABELS,
        reliability=PARTS_OF_1,
        weight=PARTS_OF_1,
        contribution=FINITE,
        attention=PARTS_OF_1,
        offset_ns=st.none() | SPANS,
        age_ns=st.none() | SPANS,
    )


def entropies() -> st.SearchStrategy[Entropy]:
    return st.builds(Entropy, FINITE, FINITE, FINITE, FINITE, FINITE)


def stages() -> st.SearchStrategy[Stage]:
    return st.builds(Stage, NAMES, st.floats(0.0, 1e9))


def evidence() -> st.SearchStrategy[Evidence]:
    return st.builds(Evidence, MODALITIES, st.none() | LABELS, PARTS_OF_1, INSTANTS, SPANS, st.none() | TEXTS)


def model_refs() -> st.SearchStrategy[ModelRef]:
    return st.builds(ModelRef, NAMES, st.binary(min_size=32, max_size=32).map(bytes.hex))


def provenances() -> st.SearchStrategy[Provenance]:
    return st.builds(Provenance, LABELS, LABELS, st.lists(model_refs(), max_size=3).map(tuple))


@st.composite
def symbols(draw: st.DrawFn) -> Symbol:
    """A symbol that names a concept or says why not."""
    session_id = draw(NAMES)
    start = draw(st.integers(-(2**63), 2**63 - 2))
    abstained = draw(st.none() | st.sampled_from(Reason))
    modalities = draw(st.lists(MODALITIES, unique=True, max_size=6))
    return Symbol(
        id=f"{session_id}.{draw(U32)}",
        session_id=session_id,
        revision=draw(st.sampled_from(Revision)),
        window_revision=draw(U32),
        start_ns=start,
        end_ns=draw(st.integers(start + 1, 2**63 - 1)),
        concept=draw(NAMES) if abstained is None else None,
        content=draw(TEXTS),
        abstained=abstained,
        confidence=draw(PARTS_OF_1),
        alternatives=tuple(draw(st.lists(hypotheses(), max_size=3))),
        domains=tuple(draw(st.lists(LABELS, max_size=3))),
        shares=tuple(draw(shares(st.just(modality))) for modality in modalities),
        entropy=draw(entropies()),
        latency=tuple(draw(st.lists(stages(), max_size=3))),
        timeline=tuple(draw(st.lists(evidence(), max_size=3))),
        provenance=draw(provenances()),
    )


def hellos() -> st.SearchStrategy[delivery.Hello]:
    return st.builds(delivery.Hello, NAMES, NAMES, LABELS, INSTANTS, SPANS, LABELS)


def welcomes() -> st.SearchStrategy[delivery.Welcome]:
    return st.builds(delivery.Welcome, U64, st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1), LABELS)


def acks() -> st.SearchStrategy[delivery.Ack]:
    return st.builds(delivery.Ack, U64)


def refusals() -> st.SearchStrategy[delivery.Refusal]:
    return st.builds(delivery.Refusal, U64, st.integers(1, 16), TEXTS, TEXTS, U32)


def sequenced_windows() -> st.SearchStrategy[delivery.SequencedWindow]:
    return st.builds(delivery.SequencedWindow, SEQUENCES, windows())


def sequenced_symbols() -> st.SearchStrategy[delivery.SequencedSymbol]:
    return st.builds(delivery.SequencedSymbol, SEQUENCES, symbols())
