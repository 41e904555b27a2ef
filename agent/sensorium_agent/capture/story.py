"""`recording.toml`: several files on one time line, as if sensors had been there. See docs/recording.md.

Pure: text in, frozen structs out.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sensorium.settings import decode

Seconds = Annotated[float, Meta(ge=0)]
Above0 = Annotated[float, Meta(gt=0)]
Zoom = Annotated[float, Meta(ge=0.1, le=20)]
Place = Annotated[float, Meta(ge=0, le=1)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: unknown keys are errors."""


class Stage(_Table, frozen=True, kw_only=True):
    """The camera all pictures and videos are seen through."""

    fps: Annotated[float, Meta(gt=0, le=120)] = 15.0
    """Pictures a second, the same throughout."""
    width: Annotated[int, Meta(ge=16, le=7680)] = 640
    """Of the picture, in pixels."""
    height: Annotated[int, Meta(ge=16, le=4320)] = 480
    """Of the picture, in pixels."""
    between: Literal["black", "nothing"] = "black"
    """What the camera gives where no track is shown: black pictures, or none."""


class _Track(_Table, frozen=True, kw_only=True, tag_field="kind"):
    """One file on the time line."""

    file: str
    """Beside the recording, or ``media:PACKAGE/FILE`` for a fetched sample."""
    at_s: Seconds = 0.0
    """When it begins."""
    from_s: Seconds = 0.0
    """Where in the file it begins."""
    for_s: Above0 | None = None
    """How long it is played; to its end if left out."""


class Image(_Track, frozen=True, kw_only=True, tag="image"):
    """A photo, held before the camera."""

    zoom: tuple[Zoom, Zoom] = (1.0, 1.0)
    """Size at the begin and at the end; at 1 the photo just fits."""
    pan: tuple[Place, Place, Place, Place] = (0.5, 0.5, 0.5, 0.5)
    """Point of the photo in the middle of the picture, x and y at the begin, then at the end."""
    turn_deg: float = 0.0
    """Turned counter-clockwise."""


class Video(_Track, frozen=True, kw_only=True, tag="video"):
    """A video; its sound is not heard."""


class Sound(_Track, frozen=True, kw_only=True, tag="sound"):
    """A WAV or raw file before the microphone."""

    gain: Annotated[float, Meta(gt=0, le=100)] = 1.0
    """Its loudness is multiplied by this."""


class Words(_Track, frozen=True, kw_only=True, tag="text"):
    """Lines a person writes."""


class Strokes(_Track, frozen=True, kw_only=True, tag="touch"):
    """Fingers on a pad."""


class Heart(_Track, frozen=True, kw_only=True, tag="pulse"):
    """Heart and skin: a raw pulse, intervals between beats, skin conductance."""

    signal: Literal["pulse", "rr", "skin"] = "pulse"
    """What a column without a name is."""
    rate_hz: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    """Values a second; needed where the file has one column and does not say."""


class Expect(_Table, frozen=True, kw_only=True):
    """What a person would say is shown: compared with what was understood, never shown to the agent."""

    at_s: Seconds
    """When it begins to be there."""
    for_s: Above0 = 2.0
    """How long it is there."""
    modality: Literal["symbol", "video", "audio", "text", "gesture", "haptic", "biometric"]
    """Whose answer is compared; "symbol" for the fused one."""
    label: str
    """The label or concept that would be right; "nothing" where nothing should be found."""
    note: str = ""
    """For people."""


class Story(_Table, frozen=True, kw_only=True):
    """The file."""

    title: str = ""
    """For people."""
    about: str = ""
    """For people: where the media come from."""
    for_s: Above0 | None = None
    """Length; the last track's end if left out."""
    camera: Stage = Stage()
    track: tuple[Image | Video | Sound | Words | Strokes | Heart, ...] = ()
    expect: tuple[Expect, ...] = ()


def read_story(text: str, where: str) -> Story:
    """The recording described by ``text``.

    Raises:
        SettingsError: one line with the file, the key and what is wrong with it.
    """
    return decode(text, Story, where=where)
