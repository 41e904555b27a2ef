"""Pictures and sounds as the well-known messages that viewers show: foxglove.CompressedImage and foxglove.RawAudio.

Sound and PNG are exact; a JPEG is a likeness, in which a perceiver may see something else than it saw live.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.RawAudio_pb2 import RawAudio
from google.protobuf.timestamp_pb2 import Timestamp

from sensorium.event import Frame, Sound

_JPEG_QUALITY: Final = 90
_PNG_EFFORT: Final = 1
"""zlib's least: a third larger than its best, at a tenth of the time."""


class Media(StrEnum):
    """What of pictures and sounds is recorded."""

    NOTHING = "nothing"
    JPEG = "jpeg"
    """Sound exact, pictures as JPEG."""
    PNG = "png"
    """Sound exact, pictures exact."""


def picture(frame: Frame, wall_ns: int, source: str, media: Media) -> CompressedImage:
    """One picture, taken at ``wall_ns``, in the format that ``media`` names."""
    from sensorium_agent.opencv import opencv

    cv2 = opencv()
    bgr = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
    how = (
        [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT] if media is Media.PNG else [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    encoded = cv2.imencode(f".{media}", bgr, how)[1]
    return CompressedImage(timestamp=_stamp(wall_ns), frame_id=source, data=encoded.tobytes(), format=media.value)


def frame(message: CompressedImage) -> Frame:
    """The picture.

    Raises:
        ValueError: it cannot be decoded.
    """
    from sensorium_agent.opencv import opencv

    cv2 = opencv()
    bgr = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR) if message.data else None
    if bgr is None:
        raise ValueError(f"a picture of {message.frame_id} cannot be decoded")
    return Frame(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def audio(sound: Sound, end_wall_ns: int) -> RawAudio:
    """One run of sound that ended at ``end_wall_ns``; the message is dated at its beginning, as viewers want it."""
    begin_ns = end_wall_ns - len(sound.pcm) * 1_000_000_000 // sound.rate_hz
    return RawAudio(
        timestamp=_stamp(begin_ns),
        data=sound.pcm.astype("<i2").tobytes(),
        format="pcm-s16",
        sample_rate=sound.rate_hz,
        number_of_channels=1,
    )


def sound(message: RawAudio) -> Sound:
    """The run of sound.

    Raises:
        ValueError: it is not mono, of 16 bits, at a rate above 0.
    """
    if (
        message.format != "pcm-s16"
        or message.number_of_channels != 1
        or not message.sample_rate
        or len(message.data) % 2
    ):
        raise ValueError(f"sound of format {message.format!r}; only mono pcm-s16 is understood")
    return Sound(np.frombuffer(message.data, "<i2").astype(np.int16), message.sample_rate)


def _stamp(wall_ns: int) -> Timestamp:
    return Timestamp(seconds=wall_ns // 1_000_000_000, nanos=wall_ns % 1_000_000_000)
