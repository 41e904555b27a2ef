from sensorium.v1 import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Presence(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRESENCE_UNSPECIFIED: _ClassVar[Presence]
    PRESENCE_PRESENT: _ClassVar[Presence]
    PRESENCE_LATE: _ClassVar[Presence]
    PRESENCE_STALE: _ClassVar[Presence]
    PRESENCE_ABSENT: _ClassVar[Presence]
PRESENCE_UNSPECIFIED: Presence
PRESENCE_PRESENT: Presence
PRESENCE_LATE: Presence
PRESENCE_STALE: Presence
PRESENCE_ABSENT: Presence

class Slot(_message.Message):
    __slots__ = ("modality", "presence", "events", "age_ns", "offset_ns")
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    AGE_NS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_NS_FIELD_NUMBER: _ClassVar[int]
    modality: _event_pb2.Modality
    presence: Presence
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    age_ns: int
    offset_ns: int
    def __init__(self, modality: _Optional[_Union[_event_pb2.Modality, str]] = ..., presence: _Optional[_Union[Presence, str]] = ..., events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., age_ns: _Optional[int] = ..., offset_ns: _Optional[int] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ("id", "session_id", "index", "revision", "start_ns", "end_ns", "closed_at_ns", "slots", "boot_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    START_NS_FIELD_NUMBER: _ClassVar[int]
    END_NS_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    session_id: str
    index: int
    revision: int
    start_ns: int
    end_ns: int
    closed_at_ns: int
    slots: _containers.RepeatedCompositeFieldContainer[Slot]
    boot_id: str
    def __init__(self, id: _Optional[str] = ..., session_id: _Optional[str] = ..., index: _Optional[int] = ..., revision: _Optional[int] = ..., start_ns: _Optional[int] = ..., end_ns: _Optional[int] = ..., closed_at_ns: _Optional[int] = ..., slots: _Optional[_Iterable[_Union[Slot, _Mapping]]] = ..., boot_id: _Optional[str] = ...) -> None: ...
