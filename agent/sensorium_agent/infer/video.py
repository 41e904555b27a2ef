"""Pictures to events: a small keyframe where the scene has changed, and now and then where it has not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Event, EventStream, Frame, Media, Modality, Sample
from sensorium.reliability import reliability

_NS: Final = 1_000_000_000
_THUMB: Final = (32, 18)
_SHARP: Final = 0.7
"""Steepest Laplacian over contrast: 17 sharp photos had 0.73 to 5.5, blurred by 1 % of their width 0.1 to 0.4."""
_LEAST_CONTRAST: Final = 5.0

Grey = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which pictures are worth sending. Levels from 0 to 255.

    Attributes:
        every_s: a still scene gives a keyframe at least this often.
        least_s: a lively one gives no more than one in this time.
        change: mean difference of the thumbnails, apart from overall brightness, that makes a new scene.
        dark: mean level below which nothing is to be seen, and
        flat: spread below which that is a cover and not a night scene.
        long_side: of the keyframe, in pixels.
        jpeg_quality: as libjpeg counts it.
    """

    every_s: float = 5.0
    least_s: float = 1.0
    change: float = 12.0
    dark: float = 20.0
    flat: float = 8.0
    long_side: int = 224
    jpeg_quality: int = 70


def thumbnail(pixels: npt.NDArray[np.uint8]) -> Grey:
    """The picture (uint8 [h, w, 3], RGB) in grey, float32 [18, 32]."""
    import cv2

    # Four pixels of each cell are enough: averaging all of a 1080p picture costs many times as much.
    step = max(min(pixels.shape[0] // 36, pixels.shape[1] // 64), 1)
    small = cv2.resize(np.ascontiguousarray(pixels[::step, ::step]), _THUMB, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


def difference(one: Grey, other: Grey) -> float:
    """Mean difference of two thumbnails, apart from overall brightness: the exposure's own changes do not count."""
    change = one - other
    return float(np.abs(change - np.median(change)).mean())


def sharpness(grey: npt.NDArray[np.uint8]) -> float:
    """0 for a picture without edges, 1 for a sharp one, whatever its contrast.

    The Laplacian as a focus measure is from Pech-Pacheco et al. 2000; its 99th percentile over the
    contrast, and not its variance, lets a sharp hand before a plain wall be sharp.
    """
    import cv2

    steepest = float(np.quantile(np.abs(cv2.Laplacian(grey, cv2.CV_32F)), 0.99))
    return min(steepest / max(float(grey.std()), _LEAST_CONTRAST) / _SHARP, 1.0)


def measures(grey: npt.NDArray[np.uint8]) -> dict[str, float]:
    """What a picture's reliability is learnt from (`sensorium.reliability`): sharpness, mean level and contrast."""
    return {"sharpness": sharpness(grey), "light": float(grey.mean()) / 255, "contrast": float(grey.std()) / 255}


class KeyframePerceiver:
    """Picks keyframes from a camera: JPEG, without a label; ``covered``, without a picture, where all is black.

    Deterministic: the same pictures at the same times give the same events.
    """

    def __init__(self, stream: EventStream, *, every_s: float = 5.0, choice: Choice | None = None) -> None:
        self._stream = stream
        self._choice = choice or Choice(every_s=every_s)
        self._last: Grey | None = None
        self._last_ns = 0
        self._covered = False

    def perceive(self, sample: Sample) -> Sequence[Event]:
        """An event if this picture is worth one."""
        frame = sample.data
        assert isinstance(frame, Frame)
        thumb = thumbnail(frame.pixels)
        covered = self._nothing_in(thumb)
        if not self._worth(thumb, covered, sample.at_ns):
            return ()
        self._last, self._last_ns, self._covered = thumb, sample.at_ns, covered
        return (self._covering(thumb, sample) if covered else self._keyframe(frame.pixels, sample),)

    def finish(self, now_ns: int) -> Sequence[Event]:  # noqa: ARG002 - the protocol's
        """Nothing is pending; what comes next is another scene."""
        self._last = None
        return ()

    def _nothing_in(self, thumb: Grey) -> bool:
        return float(thumb.mean()) < self._choice.dark and float(thumb.std()) < self._choice.flat

    def _worth(self, thumb: Grey, covered: bool, at_ns: int) -> bool:
        since_s = (at_ns - self._last_ns) / _NS
        if self._last is None or covered != self._covered or since_s >= self._choice.every_s or since_s < 0:
            return True
        return since_s >= self._choice.least_s and difference(thumb, self._last) > self._choice.change

    def _covering(self, thumb: Grey, sample: Sample) -> Event:
        score = 1.0 - 0.5 * float(thumb.mean()) / self._choice.dark
        return self._stream.event(sample.at_ns, at_error_ns=sample.at_error_ns, label="covered", score=score)

    def _keyframe(self, pixels: npt.NDArray[np.uint8], sample: Sample) -> Event:
        import cv2

        scale = min(self._choice.long_side / max(pixels.shape[:2]), 1.0)
        size = (max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1))
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        quality = [cv2.IMWRITE_JPEG_QUALITY, self._choice.jpeg_quality]
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), quality)
        return self._stream.event(
            sample.at_ns,
            at_error_ns=sample.at_error_ns,
            quality=reliability(Modality.VIDEO, measures(grey)),
            media=Media("image/jpeg", jpeg.tobytes()),
        )
