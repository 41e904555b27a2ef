"""Datasets: recordings of several senses at once, in one npz file or a folder of them.

A file holds, for n clips of any number of modalities (``docs/training.md`` says it for users):

| array | |
|---|---|
| ``x_<name>`` | float32 [n, T, D], one for each modality; T and D are its own |
| ``len_<name>`` | int [n], how many of the T steps are real; all, if it is not there |
| ``present_<name>`` | bool [n], whether the sense was there at all; true, if it is not there |
| ``kind_<name>`` | text: points, points2d, inertial or features; guessed, if it is not there |
| ``y`` | int [n], the class, from 0 |
| ``group`` | int or text [n], the person |
| ``names``, ``descriptions`` | text [K]; descriptions may be left out |
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from models.build.fusion.guess import KINDS, kind_of

from sensorium.errors import SensoriumError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NAME: Final = re.compile(r"x_([A-Za-z][A-Za-z0-9_]*)")


class DatasetError(SensoriumError):
    """A file does not hold what is needed."""


@dataclass(frozen=True, slots=True, eq=False)
class Sense:
    """What one modality recorded of every clip.

    Attributes:
        x: float32 [n, T, D]; what lies behind a clip's length is not looked at.
        steps: int64 [n], how many of the T are real; at least 1 where present.
        present: bool [n].
        kind: what the D numbers are, one of `KINDS`.
    """

    x: Floats
    steps: Ints
    present: Bools
    kind: str = "features"

    def take(self, rows: npt.NDArray[np.intp]) -> Sense:
        """The same of some clips only."""
        return Sense(self.x[rows], self.steps[rows], self.present[rows], self.kind)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """n clips, who did what in each, and what each modality recorded of it.

    Attributes:
        senses: by modality, in the order of the file.
        y: int64 [n], index in ``names``.
        group: [n], the person as text.
        names: of the classes.
        descriptions: of the classes; what a class means in words.
        source: the file or folder, for messages.
    """

    senses: Mapping[str, Sense]
    y: Ints
    group: npt.NDArray[np.str_]
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.y)

    @property
    def people(self) -> tuple[str, ...]:
        """Everyone in it, sorted."""
        return tuple(sorted(set(self.group.tolist())))

    @property
    def present(self) -> Bools:
        """[n, M], which modalities each clip has."""
        return np.stack([sense.present for sense in self.senses.values()], axis=1)

    def take(self, chosen: npt.ArrayLike) -> Dataset:
        """Some clips; ``chosen`` is a mask or indices."""
        rows = np.arange(len(self))[np.asarray(chosen)]
        senses = {name: sense.take(rows) for name, sense in self.senses.items()}
        return replace(self, senses=senses, y=self.y[rows], group=self.group[rows])

    def only(self, kept: Sequence[str]) -> Dataset:
        """Only the clips of some classes, which are numbered anew."""
        places = [self.names.index(name) for name in kept]
        own = self.take(np.isin(self.y, places))
        renumber = {old: new for new, old in enumerate(places)}
        y = np.array([renumber[int(old)] for old in own.y], np.int64)
        return replace(own, y=y, names=tuple(kept), descriptions=tuple(self.descriptions[p] for p in places))

    def seen_through(self, present: Bools) -> Dataset:
        """The same clips with only those modalities that ``present`` [n, M] allows."""
        allowed = zip(self.senses.items(), present.T, strict=True)
        return replace(self, senses={m: replace(s, present=s.present & some) for (m, s), some in allowed})

    def of_kinds(self, kinds: Mapping[str, str]) -> Dataset:
        """The same with some modalities' kinds stated.

        Raises:
            DatasetError: there is no such modality, or its numbers are not of that kind.
        """
        for name, kind in kinds.items():
            if name not in self.senses:
                raise DatasetError(f"{self.source}: has no modality {name!r}; it has {', '.join(self.senses)}")
            if (wrong := misfit(kind, self.senses[name].x.shape[2])) is not None:
                raise DatasetError(f"{self.source}: x_{name} {wrong}")
        stated = {m: replace(s, kind=kinds.get(m, s.kind)) for m, s in self.senses.items()}
        return replace(self, senses=stated)


def misfit(kind: str, size: int) -> str | None:
    """Why ``size`` numbers a step cannot be of ``kind``, or None if they can."""
    if kind not in KINDS:
        return f"cannot be of kind {kind!r}; there are {', '.join(KINDS)}"
    if size % KINDS[kind] or (kind.startswith("points") and size < 2 * KINDS[kind]):
        return f"has {size} numbers a step; {kind} come in {KINDS[kind]}s"
    return None


# --- reading ---------------------------------------------------------------------------


def read(path: Path) -> Dataset:
    """The dataset in a file, or in all npz files of a folder together.

    Raises:
        DatasetError: one line that names the file, the array, and what it should be.
    """
    if not path.is_dir():
        return _read_file(path)
    files = sorted(path.glob("*.npz"))
    if not files:
        raise DatasetError(f"{path}: holds no .npz file; docs/training.md says what one holds")
    return join([_read_file(file) for file in files], str(path))


def join(parts: Sequence[Dataset], source: str) -> Dataset:
    """Several datasets of the same modalities and classes as one.

    Raises:
        DatasetError: they differ in modalities, widths or classes.
    """
    first = parts[0]
    for part in parts[1:]:
        if part.names != first.names:
            raise DatasetError(f"{part.source}: its classes are not those of {first.source}; give both the same names")
        if _widths(part) != _widths(first):
            raise DatasetError(f"{part.source}: has {_widths(part)}, where {first.source} has {_widths(first)}")
    senses = {m: _joined([part.senses[m] for part in parts]) for m in first.senses}
    y, group = (np.concatenate([getattr(part, own) for part in parts]) for own in ("y", "group"))
    return Dataset(senses, y, group, first.names, first.descriptions, source)


def _joined(parts: Sequence[Sense]) -> Sense:
    longest = max(part.x.shape[1] for part in parts)
    padded = [np.pad(part.x, ((0, 0), (0, longest - part.x.shape[1]), (0, 0))) for part in parts]
    steps, present = (np.concatenate([getattr(part, own) for part in parts]) for own in ("steps", "present"))
    return Sense(np.concatenate(padded), steps, present, parts[0].kind)


def _widths(dataset: Dataset) -> dict[str, int]:
    return {name: sense.x.shape[2] for name, sense in dataset.senses.items()}


def _read_file(path: Path) -> Dataset:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file or folder") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"{path}: not a readable npz file of plain arrays ({reason})") from error
    return _Reader(path, arrays).dataset()


@dataclass(frozen=True, slots=True)
class _Reader:
    """Checks one file's arrays, one after the other; every complaint is one line."""

    path: Path
    arrays: Mapping[str, npt.NDArray[Any]]

    def dataset(self) -> Dataset:
        modalities = [found[1] for name in self.arrays if (found := _NAME.fullmatch(name))]
        if not modalities:
            raise self._wrong("x_<name>", "is not there; one array [n, T, D] for each modality is needed")
        names = self._texts("names")
        y = self._whole("y", len(self._array("y")), most=len(names) - 1)
        group = self._array("group")
        if group.shape != y.shape or group.dtype.kind not in "iuUSf":
            raise self._wrong("group", f"is {_told(group)}; a number or a text for each of {len(y)} clips is needed")
        described = self._texts("descriptions") if "descriptions" in self.arrays else names
        if len(described) != len(names):
            raise self._wrong("descriptions", f"has {len(described)} entries for {len(names)} names")
        senses = {m: self._sense(m, len(y)) for m in modalities}
        self._check_present(senses)
        return Dataset(senses, y, group.astype(str), names, described, str(self.path))

    def _sense(self, name: str, clips: int) -> Sense:
        x = self._array(f"x_{name}")
        if x.ndim != 3 or x.dtype.kind not in "fiu" or 0 in x.shape[1:] or len(x) != clips:
            raise self._wrong(f"x_{name}", f"is {_told(x)}; numbers [{clips}, T, D] are needed")
        present = self._flags(f"present_{name}", clips)
        steps = self._whole(f"len_{name}", clips, most=x.shape[1], otherwise=x.shape[1])
        if bool((steps[present] < 1).any()):
            row = int(np.flatnonzero(present & (steps < 1))[0])
            raise self._wrong(f"len_{name}", f"is 0 for clip {row}; mark it absent in present_{name}")
        real = np.arange(x.shape[1])[None, :, None] < np.where(present, steps, 0)[:, None, None]
        broken = (~np.isfinite(x) & real).any(axis=(1, 2))
        if bool(broken.any()):
            row = int(np.flatnonzero(broken)[0])
            raise self._wrong(
                f"x_{name}", f"is not finite in {int(broken.sum())} clips, first in {row}; mend or mark absent"
            )
        own = np.where(real, x, 0).astype(np.float32)
        return Sense(own, np.maximum(steps, 1), present, self._kind(name, own, real[..., 0]))

    def _kind(self, name: str, x: Floats, real: Bools) -> str:
        stated = self.arrays.get(f"kind_{name}")
        if stated is None:
            return kind_of(x, real)
        if stated.size != 1 or stated.dtype.kind != "U":
            raise self._wrong(f"kind_{name}", f"is {_told(stated)}; one of {', '.join(KINDS)} is needed")
        kind = str(stated.reshape(-1)[0])
        if (wrong := misfit(kind, x.shape[2])) is not None:
            raise self._wrong(f"x_{name}", f"{wrong} (kind_{name})")
        return kind

    def _check_present(self, senses: Mapping[str, Sense]) -> None:
        empty = ~np.stack([sense.present for sense in senses.values()]).any(axis=0)
        if bool(empty.any()):
            raise self._wrong(
                "present_*", f"leave clip {int(np.flatnonzero(empty)[0])} without any modality; remove it"
            )

    def _array(self, name: str) -> npt.NDArray[Any]:
        if name not in self.arrays:
            raise self._wrong(name, f"is not there; the file has {', '.join(sorted(self.arrays)) or 'nothing'}")
        return self.arrays[name]

    def _texts(self, name: str) -> tuple[str, ...]:
        texts = self._array(name)
        if texts.ndim != 1 or texts.dtype.kind != "U" or not len(texts):
            raise self._wrong(name, f"is {_told(texts)}; a list of texts is needed")
        if name == "names" and len(set(texts.tolist())) < len(texts):
            raise self._wrong(name, "has a name twice")
        return tuple(texts.tolist())

    def _whole(self, name: str, clips: int, *, most: int, otherwise: int | None = None) -> Ints:
        """Whole numbers 0 to ``most``, one for each clip."""
        if otherwise is not None and name not in self.arrays:
            return np.full(clips, otherwise, np.int64)
        numbers = self._array(name)
        if numbers.shape != (clips,) or numbers.dtype.kind not in "iu" or not clips:
            raise self._wrong(name, f"is {_told(numbers)}; a whole number for each of {clips} clips is needed")
        if int(numbers.min()) < 0 or int(numbers.max()) > most:
            raise self._wrong(name, f"goes from {numbers.min()} to {numbers.max()}; 0 to {most} is possible")
        return numbers.astype(np.int64)

    def _flags(self, name: str, clips: int) -> Bools:
        if name not in self.arrays:
            return np.ones(clips, bool)
        flags = self._array(name)
        if flags.shape != (clips,) or flags.dtype.kind not in "biu":
            raise self._wrong(name, f"is {_told(flags)}; true or false for each of {clips} clips is needed")
        return flags.astype(bool)

    def _wrong(self, array: str, reason: str) -> DatasetError:
        return DatasetError(f"{self.path}: {array} {reason}")


def _told(array: npt.NDArray[Any]) -> str:
    return f"{array.dtype} {list(array.shape)}"


# --- splitting -------------------------------------------------------------------------


def folds(group: npt.NDArray[np.str_], count: int, seed: int) -> Iterator[Bools]:
    """Masks [n] of who is held out: every person exactly once, in ``count`` parts of about the same number of people.

    With fewer people than parts, each person is a part.
    """
    people = np.unique(group)
    drawn = np.random.default_rng(seed).permutation(people)
    for part in np.array_split(drawn, min(count, len(people))):
        yield np.isin(group, part)


def random_folds(clips: int, count: int, seed: int) -> Iterator[Bools]:
    """Masks [n] of clips held out whoever made them: what a leaking split would measure."""
    drawn = np.random.default_rng(seed).permutation(clips)
    for part in np.array_split(drawn, min(count, clips)):
        held = np.zeros(clips, bool)
        held[part] = True
        yield held


def fingerprint(dataset: Dataset) -> str:
    """Of its clips, their people and kinds, whatever file they came in."""
    told = hashlib.blake2b(digest_size=16)
    for name, sense in dataset.senses.items():
        told.update(f"{name}={sense.kind}".encode())
        for array in (sense.x, sense.steps, sense.present):
            told.update(np.ascontiguousarray(array).tobytes())
    told.update(dataset.y.tobytes())
    told.update("\n".join(dataset.group.tolist()).encode())
    return told.hexdigest()
