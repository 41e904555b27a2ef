"""Every check that matters for the settings, each of one thing; none raises: what it finds is its result."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from sensorium_agent._app.doctor import machine, network, own_files, senses, software
from sensorium_agent._app.doctor.result import Result
from sensorium_agent._app.settings import Settings


def check(settings: Settings) -> list[Result]:
    """Every check that matters for ``settings``."""
    return list(_checks(settings))


def _checks(settings: Settings) -> Iterator[Result]:
    ears, eyes = settings.microphone, settings.camera
    models_needed = ears is not None or (eyes is not None and eyes.gestures)
    yield software.python(sys.version_info[:3])
    yield machine.machine()
    yield software.runtime("LiteRT", ("ai_edge_litert", "tflite_runtime"), needed=models_needed)
    yield software.runtime("ONNX Runtime", ("onnxruntime",), needed=models_needed and software.any_onnx())
    yield from software.acceleration(settings.models.accelerator)
    yield software.runtime("OpenCV", ("cv2",), needed=eyes is not None)
    yield software.portaudio(needed=ears is not None)
    yield from senses.sensors(settings)
    if ears is not None and ears.grammar:
        yield senses.grammar(ears.grammar)
    yield from software.models(needed=models_needed)
    yield from own_files.files(settings)
    yield machine.boot()
    yield machine.wall_clock(machine.clock_state())
    yield machine.disk(settings.spool_directory, settings.spool.max_mb)
    if settings.cloud is not None:
        yield network.cloud(settings.cloud)
    if settings.mqtt is not None:
        yield network.broker(settings.mqtt)
