from sensorium.v1 import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kept(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KEPT_UNSPECIFIED: _ClassVar[Kept]
    KEPT_WHOLE: _ClassVar[Kept]
    KEPT_LIKENESS: _ClassVar[Kept]
    KEPT_NOTHING: _ClassVar[Kept]
    KEPT_LOST: _ClassVar[Kept]

class TouchPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOUCH_PHASE_UNSPECIFIED: _ClassVar[TouchPhase]
    TOUCH_PHASE_DOWN: _ClassVar[TouchPhase]
    TOUCH_PHASE_MOVE: _ClassVar[TouchPhase]
    TOUCH_PHASE_UP: _ClassVar[TouchPhase]

class SeriesKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SERIES_KIND_UNSPECIFIED: _ClassVar[SeriesKind]
    SERIES_KIND_PULSE: _ClassVar[SeriesKind]
    SERIES_KIND_INTERVALS: _ClassVar[SeriesKind]
    SERIES_KIND_CONDUCTANCE: _ClassVar[SeriesKind]
KEPT_UNSPECIFIED: Kept
KEPT_WHOLE: Kept
KEPT_LIKENESS: Kept
KEPT_NOTHING: Kept
KEPT_LOST: Kept
TOUCH_PHASE_UNSPECIFIED: TouchPhase
TOUCH_PHASE_DOWN: TouchPhase
TOUCH_PHASE_MOVE: TouchPhase
TOUCH_PHASE_UP: TouchPhase
SERIES_KIND_UNSPECIFIED: SeriesKind
SERIES_KIND_PULSE: SeriesKind
SERIES_KIND_INTERVALS: SeriesKind
SERIES_KIND_CONDUCTANCE: SeriesKind

class Touch(_message.Message):
    __slots__ = ("pointer", "phase", "x", "y", "pressure")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    PRESSURE_FIELD_NUMBER: _ClassVar[int]
    pointer: int
    phase: TouchPhase
    x: float
    y: float
    pressure: float
    def __init__(self, pointer: _Optional[int] = ..., phase: _Optional[_Union[TouchPhase, str]] = ..., x: _Optional[float] = ..., y: _Optional[float] = ..., pressure: _Optional[float] = ...) -> None: ...

class Series(_message.Message):
    __slots__ = ("kind", "values", "rate_hz")
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    kind: SeriesKind
    values: _containers.RepeatedScalarFieldContainer[float]
    rate_hz: float
    def __init__(self, kind: _Optional[_Union[SeriesKind, str]] = ..., values: _Optional[_Iterable[float]] = ..., rate_hz: _Optional[float] = ...) -> None: ...

class Labelled(_message.Message):
    __slots__ = ("label", "score", "quality", "span_ns")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    SPAN_NS_FIELD_NUMBER: _ClassVar[int]
    label: str
    score: float
    quality: float
    span_ns: int
    def __init__(self, label: _Optional[str] = ..., score: _Optional[float] = ..., quality: _Optional[float] = ..., span_ns: _Optional[int] = ...) -> None: ...

class Sample(_message.Message):
    __slots__ = ("modality", "source", "sequence", "at_ns", "at_error_ns", "arrived_ns", "kept", "line", "touch", "series", "labelled")
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AT_NS_FIELD_NUMBER: _ClassVar[int]
    AT_ERROR_NS_FIELD_NUMBER: _ClassVar[int]
    ARRIVED_NS_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    TOUCH_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    modality: _event_pb2.Modality
    source: str
    sequence: int
    at_ns: int
    at_error_ns: int
    arrived_ns: int
    kept: Kept
    line: str
    touch: Touch
    series: Series
    labelled: Labelled
    def __init__(self, modality: _Optional[_Union[_event_pb2.Modality, str]] = ..., source: _Optional[str] = ..., sequence: _Optional[int] = ..., at_ns: _Optional[int] = ..., at_error_ns: _Optional[int] = ..., arrived_ns: _Optional[int] = ..., kept: _Optional[_Union[Kept, str]] = ..., line: _Optional[str] = ..., touch: _Optional[_Union[Touch, _Mapping]] = ..., series: _Optional[_Union[Series, _Mapping]] = ..., labelled: _Optional[_Union[Labelled, _Mapping]] = ...) -> None: ...

class Heard(_message.Message):
    __slots__ = ("modality", "events", "reached_ns")
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    REACHED_NS_FIELD_NUMBER: _ClassVar[int]
    modality: _event_pb2.Modality
    events: int
    reached_ns: int
    def __init__(self, modality: _Optional[_Union[_event_pb2.Modality, str]] = ..., events: _Optional[int] = ..., reached_ns: _Optional[int] = ...) -> None: ...

class Turn(_message.Message):
    __slots__ = ("sequence", "now_ns", "heard", "last")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    NOW_NS_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    now_ns: int
    heard: _containers.RepeatedCompositeFieldContainer[Heard]
    last: bool
    def __init__(self, sequence: _Optional[int] = ..., now_ns: _Optional[int] = ..., heard: _Optional[_Iterable[_Union[Heard, _Mapping]]] = ..., last: bool = ...) -> None: ...

class ClockReading(_message.Message):
    __slots__ = ("at_ns", "wall_offset_ns", "wall_error_ns", "boot_id")
    AT_NS_FIELD_NUMBER: _ClassVar[int]
    WALL_OFFSET_NS_FIELD_NUMBER: _ClassVar[int]
    WALL_ERROR_NS_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    at_ns: int
    wall_offset_ns: int
    wall_error_ns: int
    boot_id: str
    def __init__(self, at_ns: _Optional[int] = ..., wall_offset_ns: _Optional[int] = ..., wall_error_ns: _Optional[int] = ..., boot_id: _Optional[str] = ...) -> None: ...

class Losses(_message.Message):
    __slots__ = ("lost",)
    class LostEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    LOST_FIELD_NUMBER: _ClassVar[int]
    lost: _containers.ScalarMap[str, int]
    def __init__(self, lost: _Optional[_Mapping[str, int]] = ...) -> None: ...
