"""Skin conductance: its level, and its responses as they come. Pure numpy, in constant memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

STEP_S: Final = 0.25
_LEVEL_S: Final = 10.0
_COUNT_S: Final = 60.0
_LEAST_S: Final = 20.0
_SMOOTH: Final = 3
"""Steps averaged: three quarters of a second, well below the quickest rise; fewer where a sensor gives less often."""
# Boucsein et al., Publication recommendations for electrodermal measurements, Psychophysiology 49, 2012: responses
# rise for half a second to five; amplitudes from 0.01 to 0.05 uS up are counted.
LEAST_RISE_US: Final = 0.03
_LEAST_RISE_S: Final = 0.5
_LONGEST_RISE_S: Final = 8.0
_FALLEN: Final = 0.1
"""Of its rise: what falls so far has passed its summit."""
# Kleckner et al., Simple, transparent and flexible automated quality assessment procedures for ambulatory
# electrodermal activity data, IEEE Transactions on Biomedical Engineering 65, 2018.
_LEAST_US: Final = 0.05
_MOST_US: Final = 60.0
_STEEPEST_US_PER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Response:
    """One skin conductance response: when it began and was highest, and by how much it rose."""

    onset_s: float
    peak_s: float
    rise_us: float


class Skin:
    """Level and responses of a stream of microsiemens at any rate."""

    def __init__(self) -> None:
        self._bin: list[float] = []
        self._bin_ends_s: float | None = None
        self._recent: deque[float] = deque(maxlen=_SMOOTH)
        self._smooth = _SMOOTH
        self._levels: deque[float] = deque(maxlen=round(_LEVEL_S / STEP_S))
        self._responses: deque[Response] = deque()
        self._valley: tuple[float, float] | None = None
        self._summit: tuple[float, float] | None = None
        self._heard_s = 0.0
        self._now_s = 0.0

    def feed(self, values: npt.NDArray[np.floating], rate_hz: float, end_s: float) -> list[Response]:
        """The responses that are over by the end of ``values``, which ended at ``end_s``."""
        found: list[Response] = []
        begin_s = end_s - len(values) / rate_hz
        self._smooth = min(max(round(_SMOOTH * STEP_S * rate_hz), 1), _SMOOTH)
        for number, value in enumerate(values.tolist(), 1):
            at_s = begin_s + number / rate_hz
            if self._bin_ends_s is None or at_s > self._bin_ends_s + _LEVEL_S:
                self._begin(at_s)
            self._bin.append(value)
            if self._bin_ends_s is not None and at_s >= self._bin_ends_s - 1e-9:
                found += self._step(float(np.mean(self._bin)), at_s)
                self._bin, self._bin_ends_s = [], max(self._bin_ends_s, at_s - STEP_S) + STEP_S
        return found

    @property
    def touches(self) -> bool:
        """Whether the newest values can be skin."""
        return bool(self._levels) and bool(self._recent) and _LEAST_US <= self._recent[-1] <= _MOST_US

    @property
    def level_us(self) -> float | None:
        """The median of the last 10 s of skin; None before there is any."""
        return float(np.median(self._levels)) if self._levels else None

    @property
    def responses_per_min(self) -> float | None:
        """Over the last minute, or as long as there is; None for less than 20 s."""
        if self._heard_s < _LEAST_S:
            return None
        since_s = self._now_s - min(self._heard_s, _COUNT_S)
        count = sum(response.peak_s > since_s for response in self._responses)
        return count * 60 / min(self._heard_s, _COUNT_S)

    @property
    def rise_us_per_min(self) -> float | None:
        """How far the responses of the last minute rose together; None for less than 20 s."""
        if self._heard_s < _LEAST_S:
            return None
        since_s = self._now_s - min(self._heard_s, _COUNT_S)
        risen_us = sum(response.rise_us for response in self._responses if response.peak_s > since_s)
        return risen_us * 60 / min(self._heard_s, _COUNT_S)

    def _begin(self, at_s: float) -> None:
        """Nothing was felt for long: what is known of the slope no longer counts."""
        self._bin, self._bin_ends_s = [], at_s + STEP_S / 2
        self._recent.clear()
        self._levels.clear()
        self._valley = self._summit = None
        self._heard_s = 0.0

    def _step(self, value_us: float, at_s: float) -> list[Response]:
        self._now_s = at_s
        last = self._recent[-1] if self._recent else value_us
        self._recent.append(value_us)
        leaps = abs(value_us - last) > _STEEPEST_US_PER_S * STEP_S
        if not _LEAST_US <= value_us <= _MOST_US or leaps:
            self._valley = self._summit = None
            return []
        self._heard_s += STEP_S
        self._levels.append(value_us)
        smooth = float(np.mean([*self._recent][-self._smooth :]))
        return self._climb(smooth, at_s)

    def _climb(self, us: float, at_s: float) -> list[Response]:
        """Valley, summit, and a little down again is a response."""
        if self._valley is None or (self._summit is None and us <= self._valley[1]):
            self._valley = (at_s, us)
        elif self._summit is None or us > self._summit[1]:
            self._summit = (at_s, us)
        elif us < self._summit[1] - max(_FALLEN * (self._summit[1] - self._valley[1]), LEAST_RISE_US / 10):
            response = Response(self._valley[0], self._summit[0], self._summit[1] - self._valley[1])
            self._valley, self._summit = (at_s, us), None
            rise_s = response.peak_s - response.onset_s
            if response.rise_us >= LEAST_RISE_US and _LEAST_RISE_S <= rise_s <= _LONGEST_RISE_S:
                self._responses.append(response)
                while self._responses and self._responses[0].peak_s < at_s - _COUNT_S:
                    self._responses.popleft()
                return [response]
        return []
