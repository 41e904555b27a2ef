from sensorium.v1 import event_pb2 as _event_pb2
from sensorium.v1 import symbol_pb2 as _symbol_pb2
from sensorium.v1 import window_pb2 as _window_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Hello(_message.Message):
    __slots__ = ("device_id", "spool_id", "boot_id", "wall_offset_ns", "wall_error_ns", "software", "taught", "takes_several")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    SPOOL_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    WALL_OFFSET_NS_FIELD_NUMBER: _ClassVar[int]
    WALL_ERROR_NS_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    TAUGHT_FIELD_NUMBER: _ClassVar[int]
    TAKES_SEVERAL_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    spool_id: str
    boot_id: str
    wall_offset_ns: int
    wall_error_ns: int
    software: str
    taught: _containers.RepeatedCompositeFieldContainer[TaughtConcept]
    takes_several: bool
    def __init__(self, device_id: _Optional[str] = ..., spool_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., wall_offset_ns: _Optional[int] = ..., wall_error_ns: _Optional[int] = ..., software: _Optional[str] = ..., taught: _Optional[_Iterable[_Union[TaughtConcept, _Mapping]]] = ..., takes_several: bool = ...) -> None: ...

class TaughtConcept(_message.Message):
    __slots__ = ("name", "description", "paraphrases", "labels")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAPHRASES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    paraphrases: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.RepeatedCompositeFieldContainer[TaughtLabel]
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., paraphrases: _Optional[_Iterable[str]] = ..., labels: _Optional[_Iterable[_Union[TaughtLabel, _Mapping]]] = ...) -> None: ...

class TaughtLabel(_message.Message):
    __slots__ = ("modality", "label", "strength")
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    modality: _event_pb2.Modality
    label: str
    strength: float
    def __init__(self, modality: _Optional[_Union[_event_pb2.Modality, str]] = ..., label: _Optional[str] = ..., strength: _Optional[float] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("resume_after", "max_in_flight", "max_message_bytes", "software")
    RESUME_AFTER_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    resume_after: int
    max_in_flight: int
    max_message_bytes: int
    software: str
    def __init__(self, resume_after: _Optional[int] = ..., max_in_flight: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., software: _Optional[str] = ...) -> None: ...

class SequencedWindow(_message.Message):
    __slots__ = ("sequence", "window", "patience_ms")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_MS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    window: _window_pb2.Window
    patience_ms: int
    def __init__(self, sequence: _Optional[int] = ..., window: _Optional[_Union[_window_pb2.Window, _Mapping]] = ..., patience_ms: _Optional[int] = ...) -> None: ...

class FuseRequest(_message.Message):
    __slots__ = ("hello", "windows")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    windows: WindowBatch
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., windows: _Optional[_Union[WindowBatch, _Mapping]] = ...) -> None: ...

class WindowBatch(_message.Message):
    __slots__ = ("windows", "sent_ns")
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    SENT_NS_FIELD_NUMBER: _ClassVar[int]
    windows: _containers.RepeatedCompositeFieldContainer[SequencedWindow]
    sent_ns: int
    def __init__(self, windows: _Optional[_Iterable[_Union[SequencedWindow, _Mapping]]] = ..., sent_ns: _Optional[int] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("through",)
    THROUGH_FIELD_NUMBER: _ClassVar[int]
    through: int
    def __init__(self, through: _Optional[int] = ...) -> None: ...

class SequencedSymbol(_message.Message):
    __slots__ = ("sequence", "symbol")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    symbol: _symbol_pb2.Symbol
    def __init__(self, sequence: _Optional[int] = ..., symbol: _Optional[_Union[_symbol_pb2.Symbol, _Mapping]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("sequence", "code", "field", "reason", "retry_after_ms")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    code: int
    field: str
    reason: str
    retry_after_ms: int
    def __init__(self, sequence: _Optional[int] = ..., code: _Optional[int] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...

class FuseResponse(_message.Message):
    __slots__ = ("welcome", "ack", "symbol", "refusal", "answers")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    ack: Ack
    symbol: SequencedSymbol
    refusal: Refusal
    answers: Answers
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., symbol: _Optional[_Union[SequencedSymbol, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ..., answers: _Optional[_Union[Answers, _Mapping]] = ...) -> None: ...

class Answers(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[FuseResponse]
    def __init__(self, answers: _Optional[_Iterable[_Union[FuseResponse, _Mapping]]] = ...) -> None: ...

class FuseBatchRequest(_message.Message):
    __slots__ = ("windows",)
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    windows: _containers.RepeatedCompositeFieldContainer[_window_pb2.Window]
    def __init__(self, windows: _Optional[_Iterable[_Union[_window_pb2.Window, _Mapping]]] = ...) -> None: ...

class FuseBatchResponse(_message.Message):
    __slots__ = ("symbols",)
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedCompositeFieldContainer[_symbol_pb2.Symbol]
    def __init__(self, symbols: _Optional[_Iterable[_Union[_symbol_pb2.Symbol, _Mapping]]] = ...) -> None: ...
