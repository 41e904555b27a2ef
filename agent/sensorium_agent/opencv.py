"""OpenCV, imported only by who looks at pictures, and quiet: our errors say what its log would."""

from __future__ import annotations

import os
from typing import Any

from sensorium_agent.capture.sensor import SensorFailed


def opencv() -> Any:
    """The cv2 module.

    Raises:
        SensorFailed: it is not installed, or cannot be loaded here.
    """
    # FFmpeg reads its level when OpenCV first opens a file: nothing from it, errors from OpenCV.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    try:
        import cv2
    except ImportError as error:
        raise SensorFailed(f"no OpenCV here ({error}): pip install 'sensorium[agent]'") from error
    return cv2
