"""The verified files on this machine: a model's name becomes a path whose bytes are the manifest's.

    from sensorium_models import store

    net = load(store.path("hand_landmark"))

Files are kept under their own sha256, so versions live side by side and a changed manifest never meets
an old file. Which version a name means is the manifest's to say, unless another was chosen (`choice`).
Importing this costs no more than the standard library.
"""

from __future__ import annotations

import hashlib
import os
import pwd
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sensorium.errors import SensoriumError
from sensorium_models import blobs, choice
from sensorium_models.choice import Choice
from sensorium_models.manifest import Model, Purpose, home, manifest

Standing = Literal["ok", "missing", "damaged"]

_SERVICE_USER = "sensorium"
_SERVICE_STATE = Path("/var/lib/sensorium")

# What was hashed by this process: (path, size, mtime_ns) -> sha256. A flipped byte changes the mtime.
_hashed: dict[tuple[str, int, int], str] = {}


class ModelMissing(SensoriumError):
    """A model is not on this machine."""

    exit_code = 3


class ModelDamaged(SensoriumError):
    """A model's file does not have the bytes of the manifest."""

    exit_code = 3


class StoreUnwritable(SensoriumError):
    """The store cannot be written."""


class ModelUnknown(SensoriumError):
    """No model of the manifest has this name."""

    exit_code = 2


class VersionUnknown(ModelUnknown):
    """No version that is kept, or more than one, is meant."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class State:
    """How one model or sample stands.

    Attributes:
        path: its file, there or not.
        note: one line about it where there is something to say, for example what runs in its place.
    """

    name: str
    standing: Standing
    path: Path
    note: str = ""


def root() -> Path:
    """Where fetched models are kept.

    ``$SENSORIUM_MODELS`` if set; ``.cache/models`` of a checkout; the service's state directory when
    systemd or the service user runs us; else the user's cache.
    """
    if chosen := os.environ.get("SENSORIUM_MODELS"):
        return Path(chosen)
    return cache() / "models"


def cache() -> Path:
    """What holds the stores of models and of samples."""
    checkout = home().parent
    if (checkout / "pyproject.toml").exists():
        return checkout / ".cache"
    if state := os.environ.get("STATE_DIRECTORY"):
        return Path(state.split(":")[0])
    if _user() == _SERVICE_USER:
        return _SERVICE_STATE
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sensorium"


def models(purpose: Purpose | None = None) -> tuple[Model, ...]:
    """The models one side runs; every model, ingredients included, if no side is named."""
    return tuple(m for m in manifest().models.values() if purpose is None or purpose in m.purposes)


def entry(name: str) -> Model:
    """What the manifest says about a model.

    Raises:
        ModelUnknown: nothing, for want of such a name.
    """
    try:
        return manifest().models[name]
    except KeyError:
        known = ", ".join(m.name for m in models() if m.purposes)
        raise ModelUnknown(f"no model {name!r}; there are: {known}") from None


def path(name: str) -> Path:
    """The verified file of a model, or of what takes its place.

    Raises:
        ModelMissing: it was never fetched.
        ModelDamaged: its bytes are not those of the manifest.
        ModelUnknown: there is no such model.
    """
    model = entry(name)
    state = check(model)
    way_out = _way_out(model, state)
    if state.standing == "missing":
        raise ModelMissing(f"{name}: not on this machine ({state.path}); {way_out}")
    if state.standing == "damaged":
        raise ModelDamaged(f"{name}: {state.path} is damaged ({state.note}); {way_out}")
    return state.path


def version(name: str, blob: str) -> Path:
    """The verified file of one version of a model; an empty ``blob`` is the manifest's.

    Raises:
        ModelMissing, ModelDamaged: it is not here, or not whole.
        ModelUnknown: there is no such model.
    """
    model = entry(name)
    state = _check_blob(name, blob) if blob else check_shipped(model)
    if state.standing == "ok":
        return state.path
    trouble = ModelMissing if state.standing == "missing" else ModelDamaged
    raise trouble(f"{name}: {state.path} is {state.standing}; {_way_out(model, state)}")


def versions(name: str) -> Choice:
    """Which version of a model is in use, which is tried, which failed.

    Raises:
        ModelUnknown: there is no such model.
        ChoiceDamaged: what was chosen cannot be read.
    """
    return choice.read(root(), entry(name).name)


def choose(name: str, step: Callable[[Choice], Choice]) -> Choice:
    """Change which version is used, for a running agent too; see `Choice` for the steps.

    Raises:
        ModelUnknown: there is no such model.
        VersionRefused, ChoiceDamaged: it cannot be.
        StoreUnwritable: it cannot be written down.
    """
    try:
        return choice.change(root(), entry(name).name, step)
    except OSError as error:
        raise StoreUnwritable(f"{root()}: cannot be written ({error.strerror}); see SENSORIUM_MODELS") from error


def add(name: str, source: Path) -> str:
    """Keep a file as a version of a model; returns the name of its blob.

    Raises:
        ModelUnknown: there is no such model.
        StoreUnwritable: it cannot be read, or not be kept.
    """
    entry(name)
    try:
        return blobs.add(root(), source)
    except OSError as error:
        raise StoreUnwritable(
            f"{source} cannot be kept in {root()} ({error.strerror}); see SENSORIUM_MODELS"
        ) from error


def find_version(name: str, beginning: str) -> str:
    """The blob whose sha256 begins like this; empty for the manifest's own version.

    Raises:
        ModelUnknown: there is no such model.
        VersionUnknown: there is no such version here, or more than one.
    """
    if entry(name).sha256.startswith(beginning):
        return choice.SHIPPED
    found = blobs.find(root(), beginning)
    if len(found) != 1:
        raise VersionUnknown(
            f"{name}: {len(found) or 'no'} versions begin with {beginning!r}; name a file, or more of it"
        )
    return found[0]


def digest(name: str) -> str:
    """The sha256 of what `path` gives; of what it should give, where that is missing."""
    model = entry(name)
    state = check(model)
    return sha256(state.path) if state.standing == "ok" else model.sha256


def verify(names: Iterable[str] | None = None, *, purpose: Purpose | None = None) -> list[State]:
    """How the named models stand, or those of a purpose, or every one that somebody runs.

    Raises:
        ModelUnknown: there is no model of this name.
    """
    if names is not None:
        return [check(entry(name)) for name in names]
    return [check(model) for model in models(purpose) if model.purposes]


def check(model: Model) -> State:
    """How one model stands, in the version that is used."""
    chosen = choice.read(root(), model.name).chosen
    return _check_blob(model.name, chosen) if chosen else check_shipped(model)


def check_shipped(model: Model) -> State:
    """How the manifest's version stands; its fallback counts where the model itself was never made."""
    own = check_file(model.name, place(model), model.sha256)
    if own.standing != "missing" or not model.fallback:
        return own
    other = check_shipped(entry(model.fallback))
    if other.standing != "ok":
        return own
    return State(model.name, "ok", other.path, f"{model.fallback} in its place")


def _check_blob(name: str, blob: str) -> State:
    state = check_file(name, root() / blob, Path(blob).stem)
    return replace(state, note=state.note or f"version {blob[:12]} was chosen")


def place(model: Model) -> Path:
    """Where a model's file belongs."""
    if model.weights:
        return home() / "weights" / model.weights
    return root() / f"{model.sha256}{model.suffix}"


def check_file(name: str, path: Path, expected: str) -> State:
    """How a file stands against the hash it should have."""
    try:
        found = sha256(path)
    except FileNotFoundError:
        return State(name, "missing", path)
    except OSError as error:
        return State(name, "damaged", path, f"cannot be read: {error.strerror}")
    if found == expected:
        return State(name, "ok", path)
    return State(name, "damaged", path, f"sha256 {found[:12]}, expected {expected[:12]}")


def sha256(path: Path) -> str:
    """The hash of a file, computed once per process as long as size and time stay the same."""
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns)
    if key not in _hashed:
        with path.open("rb") as file:
            _hashed[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashed[key]


def _way_out(model: Model, state: State) -> str:
    if state.path != place(model) and not model.fallback:
        return f"run: sensorium models use {model.name} shipped"
    # Our own weights come with the code; fetching cannot mend them.
    return "install sensorium again" if model.weights else "run: sensorium models fetch"


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user without an entry
        return ""
