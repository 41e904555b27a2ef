from sensorium.v1 import event_pb2 as _event_pb2
from sensorium.v1 import recording_pb2 as _recording_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Introduction(_message.Message):
    __slots__ = ("device_id", "boot_id", "sources")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    boot_id: str
    sources: _containers.RepeatedCompositeFieldContainer[Source]
    def __init__(self, device_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., sources: _Optional[_Iterable[_Union[Source, _Mapping]]] = ...) -> None: ...

class Source(_message.Message):
    __slots__ = ("name", "modality", "period_ns", "resolution_ns")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    PERIOD_NS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_NS_FIELD_NUMBER: _ClassVar[int]
    name: str
    modality: _event_pb2.Modality
    period_ns: int
    resolution_ns: int
    def __init__(self, name: _Optional[str] = ..., modality: _Optional[_Union[_event_pb2.Modality, str]] = ..., period_ns: _Optional[int] = ..., resolution_ns: _Optional[int] = ...) -> None: ...

class Reading(_message.Message):
    __slots__ = ("source", "sequence", "stamp_ns", "line", "touch", "series", "labelled")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STAMP_NS_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    TOUCH_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    source: str
    sequence: int
    stamp_ns: int
    line: str
    touch: _recording_pb2.Touch
    series: _recording_pb2.Series
    labelled: _recording_pb2.Labelled
    def __init__(self, source: _Optional[str] = ..., sequence: _Optional[int] = ..., stamp_ns: _Optional[int] = ..., line: _Optional[str] = ..., touch: _Optional[_Union[_recording_pb2.Touch, _Mapping]] = ..., series: _Optional[_Union[_recording_pb2.Series, _Mapping]] = ..., labelled: _Optional[_Union[_recording_pb2.Labelled, _Mapping]] = ...) -> None: ...

class Readings(_message.Message):
    __slots__ = ("readings",)
    READINGS_FIELD_NUMBER: _ClassVar[int]
    readings: _containers.RepeatedCompositeFieldContainer[Reading]
    def __init__(self, readings: _Optional[_Iterable[_Union[Reading, _Mapping]]] = ...) -> None: ...

class ClockAnswer(_message.Message):
    __slots__ = ("number", "received_ns", "answered_ns")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_NS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_NS_FIELD_NUMBER: _ClassVar[int]
    number: int
    received_ns: int
    answered_ns: int
    def __init__(self, number: _Optional[int] = ..., received_ns: _Optional[int] = ..., answered_ns: _Optional[int] = ...) -> None: ...

class ConnectRequest(_message.Message):
    __slots__ = ("introduction", "readings", "answer")
    INTRODUCTION_FIELD_NUMBER: _ClassVar[int]
    READINGS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    introduction: Introduction
    readings: Readings
    answer: ClockAnswer
    def __init__(self, introduction: _Optional[_Union[Introduction, _Mapping]] = ..., readings: _Optional[_Union[Readings, _Mapping]] = ..., answer: _Optional[_Union[ClockAnswer, _Mapping]] = ...) -> None: ...

class Acceptance(_message.Message):
    __slots__ = ("max_message_bytes", "software")
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    max_message_bytes: int
    software: str
    def __init__(self, max_message_bytes: _Optional[int] = ..., software: _Optional[str] = ...) -> None: ...

class ClockQuestion(_message.Message):
    __slots__ = ("number",)
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    number: int
    def __init__(self, number: _Optional[int] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("source", "through")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    THROUGH_FIELD_NUMBER: _ClassVar[int]
    source: str
    through: int
    def __init__(self, source: _Optional[str] = ..., through: _Optional[int] = ...) -> None: ...

class ConnectRefusal(_message.Message):
    __slots__ = ("code", "field", "reason")
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    code: int
    field: str
    reason: str
    def __init__(self, code: _Optional[int] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ConnectResponse(_message.Message):
    __slots__ = ("acceptance", "question", "receipt", "refusal")
    ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    acceptance: Acceptance
    question: ClockQuestion
    receipt: Receipt
    refusal: ConnectRefusal
    def __init__(self, acceptance: _Optional[_Union[Acceptance, _Mapping]] = ..., question: _Optional[_Union[ClockQuestion, _Mapping]] = ..., receipt: _Optional[_Union[Receipt, _Mapping]] = ..., refusal: _Optional[_Union[ConnectRefusal, _Mapping]] = ...) -> None: ...
