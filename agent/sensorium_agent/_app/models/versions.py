"""`sensorium models use` and `canary`: another version of a model, for a running agent too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sensorium.errors import SensoriumError
from sensorium.event import Modality
from sensorium_agent.capture.recording import Recording, open_recording
from sensorium_agent.infer import lanes
from sensorium_agent.infer.lanes import FUSION, MODELS
from sensorium_agent.infer.runtime import trial
from sensorium_agent.infer.runtime.canary import Decision, Limits, Seen, judge
from sensorium_agent.infer.runtime.living import Version, difference_in_kind
from sensorium_agent.infer.runtime.model import ModelError, load
from sensorium_agent.infer.runtime.shelf import Shelf, comparison
from sensorium_models import store
from sensorium_models.choice import SHIPPED, Choice

_SHIPPED_WORD = "shipped"


class NotComparable(SensoriumError):
    """Nothing of what was given reaches the model."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a comparison over files has found; ``failed`` has a line for each file that could not be played."""

    name: str
    blob: str
    seen: Seen
    decision: Decision
    failed: tuple[str, ...]


def version(name: str, wanted: str) -> str:
    """The blob a person means: a file (then kept in the store), the beginning of a sha256, or ``shipped``.

    Raises:
        SensoriumError: there is no such version.
    """
    if wanted == _SHIPPED_WORD:
        return SHIPPED
    path = Path(wanted)
    if not path.is_file():
        return store.find_version(name, wanted)
    suffix = store.entry(name).suffix
    if path.suffix not in {".tflite", ".onnx"}:
        raise ModelError(f"{path}: neither .tflite nor .onnx; {name} is {suffix}")
    return store.add(name, path)


def use(name: str, wanted: str, *, again: bool = False) -> Choice:
    """Use a version from now on, in a running agent from its next sample on.

    Raises:
        SensoriumError: there is no such version, it cannot take the model's place, or it failed before.
    """
    blob = _admitted(name, wanted, again=again)
    return store.choose(name, lambda choice: choice.using(blob))


def offer(name: str, wanted: str, *, again: bool = False) -> Choice:
    """Have a running agent try a version beside the one in use.

    Raises:
        SensoriumError: as for `use`; or no lane of a device runs the model.
    """
    if name != FUSION:
        _listening(name)
    blob = _admitted(name, wanted, again=again)
    return store.choose(name, lambda choice: choice.trying(blob))


def _admitted(name: str, wanted: str, *, again: bool) -> str:
    """A version that was tried and fits; one that does not is remembered as refused."""
    blob = version(name, wanted)
    if again:
        store.choose(name, lambda choice: choice.forgiving(blob))
    if blob and blob not in store.versions(name).refused:
        why = _unfit(name, blob)
        if why:
            store.choose(name, lambda choice: choice.refusing(blob, why))
            raise ModelError(f"{name}: {blob[:12]} cannot be used: {why}")
    return blob


def _unfit(name: str, blob: str) -> str:
    tried = trial.attempt(name, store.version(name, blob))
    return tried.trouble or difference_in_kind(tried, trial.attempt(name, store.version(name, SHIPPED)))


def compare(name: str, wanted: str, files: Sequence[Path], limits: Limits) -> Report:
    """Run a version beside the one in use over recordings, pictures or sounds, and judge it.

    Raises:
        SensoriumError: there is no such version, it cannot take the model's place, or no file reaches the model.
    """
    blob = version(name, wanted)
    why = _unfit(name, blob) if blob else ""
    if why:
        raise ModelError(f"{name}: {blob[:12]} cannot be used: {why}")
    candidate = Version(blob, load(store.version(name, blob)))
    shelf, modality = Shelf(), _listening(name)
    if modality is not Modality.AUDIO:  # only networks that stream sound have to hear some of it first
        limits = replace(limits, warm_up=0)
    compared = comparison(name, limits)
    failed = []
    for file in files:
        try:
            _play(open_recording(file), modality, shelf, lambda: shelf.model(name).compare(candidate, compared))
        except SensoriumError as error:
            failed.append(str(error))
    seen = compared.seen()
    if not seen.runs:
        silent = f"{name}: nothing in these files reaches it; give some with {modality} that it knows"
        raise NotComparable("; ".join(failed) or silent)
    return Report(name, blob, seen, judge(seen, limits), tuple(failed))


def _listening(name: str) -> Modality:
    store.entry(name)
    for modality, names in MODELS.items():
        if name in names:
            return modality
    if name == FUSION:
        raise NotComparable(f"{name}: is asked of all senses together, which no file has; leave --on away")
    raise NotComparable(f"{name}: no lane of the device runs it; there are: {', '.join(sorted(_on_device()))}")


def _on_device() -> set[str]:
    return {name for names in MODELS.values() for name in names}


def _play(recording: Recording, modality: Modality, shelf: Shelf, compare: Callable[[], None]) -> None:
    """Perceive a recording, comparing once the lane stands: what it feeds its networks to reset them does not count."""
    (lane,) = lanes.build((modality,), "canary", models=shelf)
    compare()
    last_ns = 0
    for sample in recording.samples():
        if sample.modality is lane.takes:
            lane.perceive([sample])
            last_ns = sample.at_ns
    lane.perceiver.finish(last_ns)
