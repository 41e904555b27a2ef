"""How Ray Serve runs the engine: three deployments that grow and shrink with the batches that wait.

``sensorium_cloud.cluster.application:build`` is the import path for a Serve config or a RayService.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from ray import serve

from sensorium_cloud._app import settings as all_settings
from sensorium_cloud._app.settings import Ray, Settings
from sensorium_cloud.cluster.replicas import Fusion, TextGesture, VideoAudio

NAME: Final = "sensorium"
VIDEO_AUDIO: Final = "video_audio"
TEXT_GESTURE: Final = "text_gesture"
FUSION: Final = "fusion"
_GROW_S: Final = 5.0
_SHRINK_S: Final = 300.0
"""Slowly: a replica takes seconds to come back, and load comes in waves."""


def build(arguments: Mapping[str, str]) -> serve.Application:
    """The application of a cluster that runs by itself; ``settings`` names a settings file on its machines."""
    where = arguments.get("settings")
    return application(all_settings.load(Path(where) if where else None, {}), alone=False)


def application(settings: Settings, *, alone: bool) -> serve.Application:
    """The deployments; with ``alone``, nobody but this machine may reach them."""
    told = msgspec.json.encode(_needed(settings))
    deployed = partial(serve.deployment, **_options(settings.ray, alone=alone))
    encoders = (
        deployed(VideoAudio, name=VIDEO_AUDIO).bind(told, alone),
        deployed(TextGesture, name=TEXT_GESTURE).bind(told, alone),
    )
    return deployed(Fusion, name=FUSION).bind(told, alone, *encoders)


def _needed(settings: Settings) -> Settings:
    """What a replica needs to know: no address, no key and no token."""
    return Settings(
        device_name=settings.name, engine=settings.engine, encoders=settings.encoders, fusion=settings.fusion
    )


def _options(table: Ray, *, alone: bool) -> dict[str, Any]:
    return {
        "max_ongoing_requests": 2 * table.batches,
        "autoscaling_config": {
            "min_replicas": table.min_replicas,
            "max_replicas": table.max_replicas,
            "target_ongoing_requests": table.batches,
            "upscale_delay_s": _GROW_S,
            "downscale_delay_s": _SHRINK_S,
            "metrics_interval_s": 1.0,
            "look_back_period_s": _GROW_S,
        },
        # On a machine of our own the operating system shares the processors; in a cluster Ray places by them.
        "ray_actor_options": {"num_cpus": 0 if alone else table.cpus},
        "health_check_period_s": 2.0,
        "graceful_shutdown_timeout_s": 5.0,
    }
