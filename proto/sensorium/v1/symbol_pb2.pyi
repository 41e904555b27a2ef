from sensorium.v1 import event_pb2 as _event_pb2
from sensorium.v1 import window_pb2 as _window_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Revision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVISION_UNSPECIFIED: _ClassVar[Revision]
    REVISION_EDGE: _ClassVar[Revision]
    REVISION_CLOUD: _ClassVar[Revision]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_NOTHING: _ClassVar[Reason]
    REASON_UNKNOWN: _ClassVar[Reason]
    REASON_UNSURE: _ClassVar[Reason]
    REASON_CONFLICT: _ClassVar[Reason]
REVISION_UNSPECIFIED: Revision
REVISION_EDGE: Revision
REVISION_CLOUD: Revision
REASON_UNSPECIFIED: Reason
REASON_NOTHING: Reason
REASON_UNKNOWN: Reason
REASON_UNSURE: Reason
REASON_CONFLICT: Reason

class Hypothesis(_message.Message):
    __slots__ = ("concept", "probability")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    concept: str
    probability: float
    def __init__(self, concept: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class Share(_message.Message):
    __slots__ = ("modality", "presence", "label", "reliability", "weight", "contribution", "attention", "offset_ns", "age_ns")
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    RELIABILITY_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_NS_FIELD_NUMBER: _ClassVar[int]
    AGE_NS_FIELD_NUMBER: _ClassVar[int]
    modality: _event_pb2.Modality
    presence: _window_pb2.Presence
    label: str
    reliability: float
    weight: float
    contribution: float
    attention: float
    offset_ns: int
    age_ns: int
    def __init__(self, modality: _Optional[_Union[_event_pb2.Modality, str]] = ..., presence: _Optional[_Union[_window_pb2.Presence, str]] = ..., label: _Optional[str] = ..., reliability: _Optional[float] = ..., weight: _Optional[float] = ..., contribution: _Optional[float] = ..., attention: _Optional[float] = ..., offset_ns: _Optional[int] = ..., age_ns: _Optional[int] = ...) -> None: ...

class Entropy(_message.Message):
    __slots__ = ("posterior", "information", "disagreement", "attention", "legacy_entropy_bits")
    POSTERIOR_FIELD_NUMBER: _ClassVar[int]
    INFORMATION_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENT_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    LEGACY_ENTROPY_BITS_FIELD_NUMBER: _ClassVar[int]
    posterior: float
    information: float
    disagreement: float
    attention: float
    legacy_entropy_bits: float
    def __init__(self, posterior: _Optional[float] = ..., information: _Optional[float] = ..., disagreement: _Optional[float] = ..., attention: _Optional[float] = ..., legacy_entropy_bits: _Optional[float] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("name", "ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    ms: float
    def __init__(self, name: _Optional[str] = ..., ms: _Optional[float] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("modality", "label", "score", "at_ns", "span_ns", "text")
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    AT_NS_FIELD_NUMBER: _ClassVar[int]
    SPAN_NS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    modality: _event_pb2.Modality
    label: str
    score: float
    at_ns: int
    span_ns: int
    text: str
    def __init__(self, modality: _Optional[_Union[_event_pb2.Modality, str]] = ..., label: _Optional[str] = ..., score: _Optional[float] = ..., at_ns: _Optional[int] = ..., span_ns: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class ModelRef(_message.Message):
    __slots__ = ("name", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    sha256: str
    def __init__(self, name: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class Provenance(_message.Message):
    __slots__ = ("processed_on", "software", "models")
    PROCESSED_ON_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    processed_on: str
    software: str
    models: _containers.RepeatedCompositeFieldContainer[ModelRef]
    def __init__(self, processed_on: _Optional[str] = ..., software: _Optional[str] = ..., models: _Optional[_Iterable[_Union[ModelRef, _Mapping]]] = ...) -> None: ...

class Symbol(_message.Message):
    __slots__ = ("id", "session_id", "revision", "window_revision", "start_ns", "end_ns", "concept", "content", "abstained", "confidence", "alternatives", "domains", "shares", "entropy", "latency", "timeline", "provenance", "boot_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    WINDOW_REVISION_FIELD_NUMBER: _ClassVar[int]
    START_NS_FIELD_NUMBER: _ClassVar[int]
    END_NS_FIELD_NUMBER: _ClassVar[int]
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ABSTAINED_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    ENTROPY_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    session_id: str
    revision: Revision
    window_revision: int
    start_ns: int
    end_ns: int
    concept: str
    content: str
    abstained: Reason
    confidence: float
    alternatives: _containers.RepeatedCompositeFieldContainer[Hypothesis]
    domains: _containers.RepeatedScalarFieldContainer[str]
    shares: _containers.RepeatedCompositeFieldContainer[Share]
    entropy: Entropy
    latency: _containers.RepeatedCompositeFieldContainer[Stage]
    timeline: _containers.RepeatedCompositeFieldContainer[Evidence]
    provenance: Provenance
    boot_id: str
    def __init__(self, id: _Optional[str] = ..., session_id: _Optional[str] = ..., revision: _Optional[_Union[Revision, str]] = ..., window_revision: _Optional[int] = ..., start_ns: _Optional[int] = ..., end_ns: _Optional[int] = ..., concept: _Optional[str] = ..., content: _Optional[str] = ..., abstained: _Optional[_Union[Reason, str]] = ..., confidence: _Optional[float] = ..., alternatives: _Optional[_Iterable[_Union[Hypothesis, _Mapping]]] = ..., domains: _Optional[_Iterable[str]] = ..., shares: _Optional[_Iterable[_Union[Share, _Mapping]]] = ..., entropy: _Optional[_Union[Entropy, _Mapping]] = ..., latency: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ..., timeline: _Optional[_Iterable[_Union[Evidence, _Mapping]]] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ..., boot_id: _Optional[str] = ...) -> None: ...
