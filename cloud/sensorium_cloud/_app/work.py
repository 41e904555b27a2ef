"""Who does the work: the models in this process, or a cluster beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from sensorium_cloud._app.engines import (
    check_files,
    listener,
    load_dialects,
    load_frames,
    load_sentences,
    load_whisper,
)
from sensorium_cloud._app.settings import Settings
from sensorium_cloud.encode.encoders import add_pictures, add_words
from sensorium_cloud.refine import Engines

_COMPANY_NS: Final = 12_000_000
"""Four windows together cost 1.4 times what eight do, each."""


@contextmanager
def at_work(settings: Settings) -> Iterator[Settings]:
    """Whoever does the work beside this process, until the block is left; the settings to load engines with.

    Raises:
        ClusterAway: there is no Ray, or no cluster at its address.
    """
    if settings.engine.kind == "embedded":
        yield settings
        return
    from sensorium_cloud.cluster import node

    check_files(settings)
    with node.cluster(settings) as found:
        yield found


def load_engines(settings: Settings) -> Engines:
    """What does the work: in this process, or on the cluster that `at_work` gave.

    Raises:
        ClusterAway: the cluster does not answer.
        ModelMissing, ModelDamaged: run: sensorium-cloud models fetch.
        ModelError: a file is not the model it is taken for.
        SettingsError: the vocabulary cannot be used.
    """
    if settings.engine.kind == "ray":
        from sensorium_cloud.cluster.handles import remote_engines

        return remote_engines(settings)
    table = settings.encoders
    sentences, frames = load_sentences(settings), load_frames(settings)
    dialects = load_dialects(settings, sentences)
    return Engines(
        check=dialects.check,
        add_pictures=partial(add_pictures, frames, limit=table.max_pictures),
        add_words=partial(add_words, sentences, limit=table.max_sentences),
        fuse=dialects.fuse,
        understand=dialects.understand,
        add_heard=listener(load_whisper(table), table) if table.speech == "whisper" else None,
        dropped=lambda: {"pictures": frames.undecodable},
        inline=True,
        company_ns=_COMPANY_NS,
    )
