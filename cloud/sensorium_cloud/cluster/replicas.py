"""What replicas do. Each loads what its kind of work needs, and does one batch at a time.

Ray calls a replica from several threads, so that the next batch is here when the one before is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import msgspec
import numpy as np

from sensorium_cloud._app import engines
from sensorium_cloud._app.settings import Settings
from sensorium_cloud.cluster.parcel import Blobs, Floats, Parcel, told, unpacked
from sensorium_cloud.encode.whisper import Transcript


class VideoAudio:
    """Looks at pictures, and hears words in clips where the settings ask for it.

    Args:
        settings: as JSON.
        alone: nobody but this machine may reach it.
    """

    def __init__(self, settings: bytes, alone: bool) -> None:
        begun = _begun(settings, alone)
        table = begun.encoders
        self._frames = engines.load_frames(begun)
        self._whisper = engines.load_whisper(table) if table.speech == "whisper" else None
        self._hearing = Lock()
        self._turn = Lock()

    def look(self, pictures: Blobs) -> tuple[Floats, list[int]]:
        """Vectors float32 [k, 1280] of the JPEG pictures that can be decoded, and which these are."""
        with self._turn:
            rows = self._frames.encode(pictures.each())
        seen = [number for number, row in enumerate(rows) if row is not None]
        found = [row for row in rows if row is not None]
        return np.stack(found) if found else np.zeros((0, 0), np.float32), seen

    def hear(self, sound: Floats) -> Transcript:
        """What is said in a sound of 16 kHz; beside pictures, which are quicker."""
        assert self._whisper is not None, "fronts have the settings of their replicas"
        with self._hearing:
            return self._whisper.hear(sound)


class TextGesture:
    """Reads words. Gestures arrive as vectors that the device made, and need no encoder here yet.

    Args:
        settings: as JSON.
        alone: nobody but this machine may reach it.
    """

    def __init__(self, settings: bytes, alone: bool) -> None:
        self._sentences = engines.load_sentences(_begun(settings, alone))
        self._turn = Lock()

    def read(self, sentences: Sequence[str]) -> Floats:
        """float32 [n, 384] of unit length."""
        with self._turn:
            return self._sentences.encode(sentences)


class Fusion:
    """Fuses windows.

    Args:
        settings: as JSON.
        alone: nobody but this machine may reach it.
        others: deployments that belong to the application.
    """

    def __init__(self, settings: bytes, alone: bool, *others: Any) -> None:  # noqa: ARG002 - Ray deploys what an application binds
        begun = _begun(settings, alone)
        self._identity = engines.identity(begun)
        self._dialects = engines.load_dialects(begun, engines.load_sentences(begun))
        self._turn = Lock()

    def fuse(self, parcel: Parcel) -> bytes:
        """A symbol for each window, in order, as `parcel.told`."""
        windows = unpacked(parcel)
        with self._turn:
            symbols = self._dialects.fuse(windows)
        return told(symbols)

    def identity(self) -> str:
        """Of everything that makes an answer what it is."""
        return self._identity


def _begun(settings: bytes, alone: bool) -> Settings:
    """The settings of a replica that begins."""
    if alone:
        _stay_on_loopback()
    return msgspec.json.decode(settings, type=Settings)


def _stay_on_loopback() -> None:
    """Bind this replica's own server, which nobody here uses, to the loopback address: Ray Serve binds it to all."""
    from ray.serve._private import replica

    bind: Any = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, _: bind(server, "127.0.0.1:0")
