"""The exam: what is right, and how surely, when senses are missing, noisy, or put together wrongly.

Every condition is a dataset made from the one examined; `sit` has them answered, `figures` makes the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from models.build.figures import auroc, covered, drawn, ece
from models.build.fusion.answers import Answers, Run, joined
from models.build.fusion.dataset import Bools, Dataset, Doubles, Ints, Sense

NOISE: Final = 3.0
"""Standard deviations, each number's own over the real steps of the dataset."""
_CLEAN, _HALF, _MISPAIRED = "all senses", "random halves missing", "mispaired"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: its mean over the seeds, its 95 % interval over clips, and its spread over seeds."""

    name: str
    value: float
    low: float
    high: float
    spread: float
    clips: int

    def line(self) -> str:
        """For people."""
        return f"{self.name:<44} {self.value:6.3f}  [{self.low:.3f}, {self.high:.3f}]  +- {self.spread:.3f}"


@dataclass(frozen=True, slots=True, eq=False)
class Sitting:
    """One network's answers to every condition.

    Attributes:
        y: int64 [n], what is right.
        answers: by condition; for `mispaired`, of the clips in ``swapped`` only.
        temperature: [n], what each clip's answer is divided by.
    """

    y: Ints
    answers: Mapping[str, Answers]
    temperature: Doubles

    def right(self, condition: str) -> Bools:
        """[n], whether the likeliest class is the right one."""
        return np.asarray(self.answers[condition].log_pool.argmax(axis=1) == self.y)

    def calibrated(self) -> Doubles:
        """[n, K], of the clips as they are, each by its own temperature."""
        log_pool = self.answers[_CLEAN].log_pool.astype(np.float64) / self.temperature[:, None]
        raised = np.exp(log_pool - log_pool.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def conditions(dataset: Dataset, seed: int) -> Iterator[tuple[str, Dataset]]:
    """Every way the clips are shown, by its name."""
    rng = np.random.default_rng(seed)
    yield _CLEAN, dataset
    names = list(dataset.senses)
    if len(names) > 1:
        for m, name in enumerate(names):
            yield f"without {name}", dataset.seen_through(_only(dataset, [k for k in range(len(names)) if k != m]))
            yield f"{name} alone", dataset.seen_through(_only(dataset, [m]))
        yield _HALF, dataset.seen_through(_halves(dataset, rng))
        yield _MISPAIRED, mispaired(dataset, rng)
    for name in names:
        yield f"{NOISE:.0f} sigma of noise on {name}", noised(dataset, name, rng)


def sit(run: Run, dataset: Dataset, temperature: float, seed: int = 0) -> Sitting:
    """Have ``run`` answer every condition."""
    answers = {name: run(shown) for name, shown in conditions(dataset, seed)}
    return Sitting(dataset.y, answers, np.full(len(dataset), temperature))


def together(parts: Sequence[Sitting]) -> Sitting:
    """Sittings of different clips as one."""
    answers = {name: joined([p.answers[name] for p in parts]) for name in parts[0].answers}
    y, temperature = np.concatenate([p.y for p in parts]), np.concatenate([p.temperature for p in parts])
    return Sitting(y, answers, temperature)


# --- the conditions --------------------------------------------------------------------


def _only(dataset: Dataset, kept: Sequence[int]) -> Bools:
    """Only the modalities ``kept``; a clip that has none of them keeps what it has."""
    allowed = np.zeros_like(dataset.present)
    allowed[:, list(kept)] = dataset.present[:, list(kept)]
    return np.where(allowed.any(axis=1, keepdims=True), allowed, dataset.present)


def _halves(dataset: Dataset, rng: np.random.Generator) -> Bools:
    """Each modality is missing in a random half of the clips, never all of one clip's."""
    kept = dataset.present & (rng.random(dataset.present.shape) < 0.5)
    for row in np.flatnonzero(~kept.any(axis=1)):
        kept[row, rng.choice(np.flatnonzero(dataset.present[row]))] = True
    return np.asarray(kept)


def noised(dataset: Dataset, name: str, rng: np.random.Generator, sigma: float = NOISE) -> Dataset:
    """The same with white noise of ``sigma`` standard deviations on one modality."""
    sense = dataset.senses[name]
    real = np.arange(sense.x.shape[1])[None, :] < sense.steps[:, None]
    spread = sense.x[real & sense.present[:, None]].std(axis=0)
    noise = rng.normal(size=sense.x.shape).astype(np.float32) * spread * np.float32(sigma)
    noisy = np.where(real[..., None], sense.x + noise, 0).astype(np.float32)
    return replace(dataset, senses={**dataset.senses, name: replace(sense, x=noisy)})


def mispaired(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    """The same with one random modality of each clip taken from a clip of another class."""
    m = rng.integers(len(dataset.senses), size=len(dataset))
    other = np.array([rng.choice(_others(dataset, row)) for row in range(len(dataset))])
    senses = {name: _mixed(s, m == k, other) for k, (name, s) in enumerate(dataset.senses.items())}
    return replace(dataset, senses=senses)


def _others(dataset: Dataset, row: int) -> Ints:
    others = np.flatnonzero(dataset.y != dataset.y[row])
    return others if len(others) else np.array([row])


def _mixed(sense: Sense, swapped: Bools, other: Ints) -> Sense:
    rows = np.where(swapped & sense.present & sense.present[other], other, np.arange(len(other)))
    return replace(sense, x=sense.x[rows], steps=sense.steps[rows])


# --- the table -------------------------------------------------------------------------


def table(sittings: Sequence[Sitting]) -> list[Row]:
    """The figures of several seeds over the same clips."""
    first = sittings[0]
    rows = [_row(name, sittings, _share(name)) for name in first.answers if name != _MISPAIRED]
    rows.append(_row("calibration error, before the temperature", sittings, _ece(calibrated=False)))
    rows.append(_row("calibration error", sittings, _ece(calibrated=True)))
    rows.append(_row("right at 90 % coverage", sittings, _covered))
    if _MISPAIRED in first.answers:
        rows.append(_row("wrong pairing found, AUROC", sittings, _pairing(Answers.conflict)))
        rows.append(_row("  by the senses' divergence", sittings, _pairing(Answers.disagreement_bits)))
        rows.append(_row("  by the pairing head", sittings, _pairing(_mispaired)))
    return rows


Figure = Callable[[Any], float]
"""Of the clips at some indices, drawn with repetition."""
Prepared = Callable[[Sitting], Figure]
"""Does once for a sitting what every draw needs."""


def _row(name: str, sittings: Sequence[Sitting], prepared: Prepared) -> Row:
    count = len(sittings[0].y)
    figures = [prepared(sitting) for sitting in sittings]
    own = [figure(np.arange(count)) for figure in figures]
    low, high = drawn(lambda i: float(np.mean([figure(i) for figure in figures])), count)
    spread = float(np.std(own, ddof=1)) if len(own) > 1 else 0.0
    return Row(name, float(np.mean(own)), low, high, spread, count)


def _share(condition: str) -> Prepared:
    def prepared(sitting: Sitting) -> Figure:
        right = sitting.right(condition)
        return lambda i: float(right[i].mean())

    return prepared


def _ece(*, calibrated: bool) -> Prepared:
    def prepared(sitting: Sitting) -> Figure:
        told = sitting.calibrated() if calibrated else sitting.answers[_CLEAN].probabilities(1.0)
        return lambda i: ece(told[i], sitting.y[i])

    return prepared


def _covered(sitting: Sitting) -> Figure:
    sure, right = sitting.calibrated().max(axis=1), sitting.right(_CLEAN)
    return lambda i: covered(sure[i], right[i])


def _mispaired(answers: Answers) -> Doubles:
    return np.asarray(1 - answers.paired, np.float64)


def _pairing(score: Callable[[Answers], Doubles]) -> Prepared:
    def prepared(sitting: Sitting) -> Figure:
        wrong, whole = score(sitting.answers[_MISPAIRED]), score(sitting.answers[_CLEAN])
        return lambda i: auroc(np.concatenate([wrong[i], whole[i]]), np.arange(2 * len(i)) < len(i))

    return prepared


def as_dicts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(row) for row in rows]
