"""Sample media: photos, speech and a pulse that other projects publish with a licence, by name and hash.

    from sensorium_models import media

    photo = media.path("opencv-doc/handSrc.jpg")

Unlike models they keep their names on disk, since people meet those in the output.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sensorium.errors import SensoriumError
from sensorium_models import store
from sensorium_models.blobs import keep, sweep
from sensorium_models.fetch import prepare, take_into
from sensorium_models.manifest import Media, manifest
from sensorium_models.packages import Say
from sensorium_models.store import State

_MEND = "run: python -m sensorium_models fetch-media"


class MediaMissing(SensoriumError):
    """A sample is not on this machine."""


class MediaDamaged(SensoriumError):
    """A sample does not have the bytes of the manifest."""


class MediaUnknown(SensoriumError):
    """No sample of the manifest has this name."""


def root() -> Path:
    """Where samples are kept: ``$SENSORIUM_MEDIA``, or beside the models."""
    if chosen := os.environ.get("SENSORIUM_MEDIA"):
        return Path(chosen)
    return store.cache() / "media"


def names() -> tuple[str, ...]:
    """Every sample, as ``source/file``."""
    return tuple(manifest().media)


def path(name: str) -> Path:
    """The verified file of a sample.

    Raises:
        MediaMissing: it was never fetched.
        MediaDamaged: its bytes are not those of the manifest.
        MediaUnknown: there is no such sample.
    """
    state = _check(_entry(name))
    if state.standing == "missing":
        raise MediaMissing(f"{name}: not on this machine ({state.path}); {_MEND}")
    if state.standing == "damaged":
        raise MediaDamaged(f"{name}: {state.path} is damaged ({state.note}); {_MEND}")
    return state.path


def verify(names: Sequence[str] | None = None) -> list[State]:
    """How the named samples stand, or all of them.

    Raises:
        MediaUnknown: there is no sample of this name.
    """
    return [_check(_entry(name)) for name in (manifest().media if names is None else names)]


def fetch(names: Sequence[str] | None = None, *, say: Say) -> list[State]:
    """Bring the named samples here, or all of them; what is here and whole is left alone.

    Args:
        names: which; None means all.
        say: told, one line at a time, what comes and what fails.

    Returns:
        How every one of them stands now.

    Raises:
        MediaUnknown: there is no sample of this name.
        FetchError: the store cannot be written.
    """
    sweep(root(), time.clock_gettime(time.CLOCK_REALTIME))
    before = verify(names)
    by_package: dict[str, list[Media]] = defaultdict(list)
    for state in before:
        if state.standing != "ok":
            by_package[_entry(state.name).package].append(_entry(state.name))
    if by_package:
        prepare(root())
    for package, samples in by_package.items():
        _take(package, samples, say)
    return verify(names)


def _take(package_name: str, samples: Sequence[Media], say: Say) -> None:
    package = manifest().packages[package_name]
    by_file = {sample.file: sample for sample in samples}

    def put(file: str, content: bytes) -> None:
        keep(_place(by_file[file]), content)
        say(f"  {by_file[file].name:<64} {len(content) / 1e3:7.0f} kB")

    take_into(package, {s.file: s.sha256 for s in samples}, put, scratch=root(), say=say)


def _entry(name: str) -> Media:
    try:
        return manifest().media[name]
    except KeyError:
        raise MediaUnknown(f"no sample {name!r}; there are: {', '.join(manifest().media)}") from None


def _place(sample: Media) -> Path:
    return root() / sample.name


def _check(sample: Media) -> State:
    return store.check_file(sample.name, _place(sample), sample.sha256)
