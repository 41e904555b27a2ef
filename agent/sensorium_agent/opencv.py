"""OpenCV, imported only by who looks at pictures, and quiet: our errors say what its log would."""

from __future__ import annotations

import os
from typing import Any

from sensorium.errors import SensoriumError


class NoOpenCV(SensoriumError):
    """It is not installed, or cannot be loaded here."""


def opencv() -> Any:
    """The cv2 module.

    Raises:
        NoOpenCV: as it says.
    """
    # FFmpeg reads its level when OpenCV first opens a file.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as error:
        raise NoOpenCV(f"no OpenCV here ({error}): pip install 'sensorium[agent]'") from error
    if "OPENCV_LOG_LEVEL" not in os.environ:
        # Not by that variable: OpenCV reads it while it is imported, and the hands' modules may have done that before.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
