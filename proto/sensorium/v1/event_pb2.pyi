from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Modality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODALITY_UNSPECIFIED: _ClassVar[Modality]
    MODALITY_VIDEO: _ClassVar[Modality]
    MODALITY_AUDIO: _ClassVar[Modality]
    MODALITY_TEXT: _ClassVar[Modality]
    MODALITY_GESTURE: _ClassVar[Modality]
    MODALITY_HAPTIC: _ClassVar[Modality]
    MODALITY_BIOMETRIC: _ClassVar[Modality]

class DType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    D_TYPE_UNSPECIFIED: _ClassVar[DType]
    D_TYPE_F32: _ClassVar[DType]
    D_TYPE_F16: _ClassVar[DType]
    D_TYPE_I8: _ClassVar[DType]
MODALITY_UNSPECIFIED: Modality
MODALITY_VIDEO: Modality
MODALITY_AUDIO: Modality
MODALITY_TEXT: Modality
MODALITY_GESTURE: Modality
MODALITY_HAPTIC: Modality
MODALITY_BIOMETRIC: Modality
D_TYPE_UNSPECIFIED: DType
D_TYPE_F32: DType
D_TYPE_F16: DType
D_TYPE_I8: DType

class Tensor(_message.Message):
    __slots__ = ("data", "shape", "dtype", "scale")
    DATA_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    shape: _containers.RepeatedScalarFieldContainer[int]
    dtype: DType
    scale: float
    def __init__(self, data: _Optional[bytes] = ..., shape: _Optional[_Iterable[int]] = ..., dtype: _Optional[_Union[DType, str]] = ..., scale: _Optional[float] = ...) -> None: ...

class Media(_message.Message):
    __slots__ = ("content_type", "data")
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    content_type: str
    data: bytes
    def __init__(self, content_type: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("modality", "stream_id", "sequence", "session_id", "at_ns", "at_error_ns", "span_ns", "label", "score", "quality", "features", "text", "media", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    AT_NS_FIELD_NUMBER: _ClassVar[int]
    AT_ERROR_NS_FIELD_NUMBER: _ClassVar[int]
    SPAN_NS_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    modality: Modality
    stream_id: str
    sequence: int
    session_id: str
    at_ns: int
    at_error_ns: int
    span_ns: int
    label: str
    score: float
    quality: float
    features: Tensor
    text: str
    media: Media
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, modality: _Optional[_Union[Modality, str]] = ..., stream_id: _Optional[str] = ..., sequence: _Optional[int] = ..., session_id: _Optional[str] = ..., at_ns: _Optional[int] = ..., at_error_ns: _Optional[int] = ..., span_ns: _Optional[int] = ..., label: _Optional[str] = ..., score: _Optional[float] = ..., quality: _Optional[float] = ..., features: _Optional[_Union[Tensor, _Mapping]] = ..., text: _Optional[str] = ..., media: _Optional[_Union[Media, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...
