"""Encoders: the words and pictures of a window become vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sensorium.window import Window

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedWindow:
    """A window with the vectors of its words and pictures.

    Attributes:
        window: as it came.
        text: float32 [n, 384], unit length, one row for each event of the text slot that has words;
            None where there are none.
        frames: float32 [n, 1280], one row for each event of the video slot whose picture could be
            decoded; None where there are none.
        encode_ms: time the encoders took for this window; about 0 where everything was remembered.
        text_events: for each row of ``text``, the index of its event in the text slot.
        frame_events: for each row of ``frames``, the index of its event in the video slot.
    """

    window: Window
    text: Floats | None
    frames: Floats | None
    encode_ms: float
    text_events: tuple[int, ...] = ()
    frame_events: tuple[int, ...] = ()
