"""Engines whose work replicas do, through Ray Serve's deployment handles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from sensorium.concepts import Concept, Vocabulary, VocabularyFull, extended
from sensorium.event import Modality
from sensorium.window import Window
from sensorium_cloud._app import engines
from sensorium_cloud._app.settings import Settings
from sensorium_cloud.cluster import front, node
from sensorium_cloud.cluster.front import Call, Deployment, NobodyAnswers, RemoteEar, ReplicaEnded, Undone
from sensorium_cloud.fuse.evidence import check_sizes
from sensorium_cloud.refine import Engines

log = logging.getLogger(__name__)

_START_S: Final = 60.0
_COMPANY_NS: Final = 25_000_000
"""Asking a replica costs front, replica and Ray together as much as fusing some twenty windows."""


def remote_engines(settings: Settings) -> Engines:
    """Engines on the cluster at ``settings.ray.address``, which `node.cluster` gave.

    Raises:
        ClusterAway: there is none, or it runs other models or another vocabulary.
        ModelMissing: the fusion network's card is not here; run: sensorium-cloud models fetch.
    """
    node.connect(settings.ray.address)
    from sensorium_cloud.cluster import application

    patience_s, table, undone = settings.engine.patience_s, settings.encoders, Undone()

    def deployment(name: str, verb: str) -> Deployment:
        return Deployment(name, _call(name, verb), patience_s, undone)

    ear = RemoteEar(deployment(application.VIDEO_AUDIO, "hear"))
    _check_identity(settings, _call(application.FUSION, "identity"))
    return Engines(
        check=partial(_check, engines.sizes()),
        add_pictures=partial(front.add_pictures, deployment(application.VIDEO_AUDIO, "look"), limit=table.max_pictures),
        add_words=partial(front.add_words, deployment(application.TEXT_GESTURE, "read"), limit=table.max_sentences),
        fuse=partial(front.fuse, deployment(application.FUSION, "fuse")),
        understand=partial(_understand, engines.vocabulary(settings)),
        add_heard=engines.listener(ear, table) if table.speech == "whisper" else None,
        at_once=settings.ray.max_replicas * settings.ray.batches,
        company_ns=_COMPANY_NS,
        dropped=lambda: {"cluster": undone.windows, "pictures": undone.pictures},
    )


def _check(dims: Mapping[Modality, int], window: Window) -> None:
    check_sizes(window, dims)


def _understand(own: Vocabulary, taught: Sequence[Concept]) -> Vocabulary | None:
    """The dialect of a device that was taught so; a replica gets it ready when it first meets it."""
    try:
        return extended(own, taught) if taught else None
    except VocabularyFull as error:
        log.warning("dialect.full taught=%d reason=%s", len(taught), error)
        return None


def _check_identity(settings: Settings, call: Call) -> None:
    try:
        theirs = call(None, _START_S)
    except (NobodyAnswers, ReplicaEnded) as error:
        raise node.ClusterAway(
            f"ray.address {settings.ray.address}: the engine there does not answer ({error})"
        ) from error
    if theirs != engines.identity(settings):
        way_out = "give both the same version, models and fusion.vocabulary, and deploy again"
        raise node.ClusterAway(f"ray.address {settings.ray.address}: the engine there is another than here; {way_out}")


def _call(name: str, verb: str) -> Call:
    """Asks a replica through a handle; called from a lane's thread."""
    import ray.exceptions as lost
    from ray import serve
    from ray.serve.exceptions import RayServeException

    from sensorium_cloud.cluster import application

    handle = node.hold(serve.get_deployment_handle(name, application.NAME))
    ask: Callable[..., Any] = getattr(handle, verb).remote

    def call(payload: object, within_s: float) -> Any:
        if within_s <= 0:
            raise NobodyAnswers("no replica answered in time")
        try:
            response = ask() if payload is None else ask(payload)
            return _result(response, within_s)
        except (lost.RayActorError, lost.WorkerCrashedError, lost.ObjectLostError) as error:
            raise ReplicaEnded(type(error).__name__) from error
        except lost.RayTaskError:
            raise
        except (lost.RayError, RayServeException, ConnectionError) as error:
            raise NobodyAnswers(f"Ray is away ({type(error).__name__})") from error

    return call


def _result(response: Any, within_s: float) -> Any:
    try:
        return response.result(timeout_s=within_s)
    except TimeoutError as error:
        response.cancel()
        raise NobodyAnswers(f"no replica answered within {within_s:.1f} s") from error
