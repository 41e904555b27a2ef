"""How good is a fusion network? Figures on scenes it never saw, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from models.build.figures import Doubles, Flags, Indices, Row, auroc, bootstrapped, ece, share
from models.build.fusion.events.bank import Bank, Floats
from models.build.fusion.events.lines import DENIED
from models.build.fusion.events.mix import MODALITIES, Evidence, Inputs, Mixer, Scene, materialise

from sensorium.concepts import Precedence, Vocabulary
from sensorium.event import Modality
from sensorium.symbol import disagreement_bits
from sensorium_cloud.fuse.network import softmax

Run = Callable[[Inputs], tuple[Floats, Floats]]
_SCENES: Final = 3000
_CONFIDENT: Final = 0.5
_OUTVOTED: Final = 0.95
_FALSE_ALARMS: Final = 0.02
WRONG_NAMES: Final = 0.015
"""Part of the unknown scenes that may be named: how low that lets the bar of "none of them" lie, is `Figures.shift`."""
_SHIFTS: Final = np.arange(0.0, 5.01, 0.1)
_LEAST_CONFLICT_BITS: Final = 0.35


@dataclass(slots=True)
class Figures:
    """What was fitted, and what was measured; ``shift`` is taken off the logit of "none of them"."""

    shift: float
    temperature: float
    thresholds: dict[str, float]
    rows: list[Row] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """What was fitted, and the table of what was measured, for people."""
        yield f"shift {self.shift:.1f}, temperature {self.temperature:.3f}, thresholds {self.thresholds}"
        yield from self.table()

    def table(self) -> Iterator[str]:
        """What was measured."""
        for row in self.rows:
            yield f"{row.name:<58} {row.value:6.3f}  [{row.low:.3f}, {row.high:.3f}]  n={row.count}"

    def share(self, name: str, right: Flags) -> None:
        """Add a share of scenes, if there are any."""
        if len(right):
            self.rows.append(share(name, right))

    def drawn(self, name: str, figure: Callable[[Indices], float], count: int) -> None:
        """Add a figure of so many scenes."""
        self.rows.append(bootstrapped(name, figure, count))


class Examiner:
    """Runs scenes of one bank through the network."""

    def __init__(self, vocabulary: Vocabulary, concepts: Floats, bank: Bank, run: Run, seed: int) -> None:
        self.vocabulary, self.bank = vocabulary, bank
        self.mixer = Mixer(vocabulary, bank, np.random.default_rng(seed), clean=True)
        self._concepts, self._run, self._seed = concepts, run, seed
        self.shift = 0.0

    def logits(self, scenes: Sequence[Scene], drop: float = 0.0) -> Doubles:
        """[n, K + 1], before the temperature."""
        rng = np.random.default_rng(self._seed + 1)
        inputs, _ = materialise(scenes, self.bank, self.vocabulary, self._concepts, rng, drop=drop)
        return self._asked(inputs)

    def _asked(self, inputs: Inputs) -> Doubles:
        logits = self._run(inputs)[0].astype(np.float64)
        logits[:, -1] -= self.shift
        return logits

    def said(self, name: str) -> Doubles:
        """The logits of every sentence that means ``name``, each once, sure and alone."""
        read = self.bank.read[name]
        scenes = [Scene((), {0: 1.0})] * len(read.known)
        rng = np.random.default_rng(0)
        inputs, _ = materialise(scenes, self.bank, self.vocabulary, self._concepts, rng, drop=0.0)
        text = MODALITIES.index(Modality.TEXT)
        inputs.phrases[:, text, 0] = read.phrases
        inputs.facts[:, text, 0, 1:] = 1.0  # no features; a phrase, and full trust
        inputs.facts[:, text, 0, 2] = read.known
        return self._asked(inputs)

    def sentences(self) -> tuple[Doubles, Doubles, npt.NDArray[np.intp]]:
        """Every sentence that means a concept: the network's logits, the encoder's cosines, and what is meant."""
        rows = self.bank.rows[Modality.TEXT]
        names = [concept.name for concept in self.vocabulary if len(rows[concept.name])]
        words = np.concatenate([rows[name] for name in names])
        meant = np.concatenate([np.full(len(rows[name]), self.vocabulary.index(name)) for name in names])
        logits = np.concatenate([self.said(name) for name in names])
        return logits, (words @ self._concepts.T).astype(np.float64), meant

    def alone(self, scenes: Sequence[Scene]) -> list[Doubles]:
        """For each scene, the logits of each of its senses alone."""
        flat = [Scene((seen,), scene.meaning, scene.kind) for scene in scenes for seen in scene.evidence]
        logits = iter(self.logits(flat))
        return [np.stack([next(logits) for _ in scene.evidence]) for scene in scenes]


def measure(vocabulary: Vocabulary, concepts: Floats, fit: Bank, exam: Bank, run: Run) -> Figures:
    """Fit shift, temperature and thresholds on ``fit``, measure on ``exam``."""
    figures = _fitted(Examiner(vocabulary, concepts, fit, run, 11))
    examine(figures, Examiner(vocabulary, concepts, exam, run, 12))
    return figures


def examine(figures: Figures, examiner: Examiner) -> None:
    """Add to what was fitted what is measured with it."""
    examiner.shift = figures.shift
    _agreement(figures, examiner)
    _words(figures, examiner)
    _together(figures, examiner)
    _missing(figures, examiner)
    _noisy(figures, examiner)
    _unknown(figures, examiner)
    _conflict(figures, examiner)


# --- what is fitted --------------------------------------------------------------------


def _fitted(examiner: Examiner) -> Figures:
    examiner.shift = _eager(examiner)
    scenes = [examiner.mixer.agreement() if n % 4 else examiner.mixer.unknown() for n in range(_SCENES)]
    logits, targets = examiner.logits(scenes, 0.25), np.array([s.target for s in scenes])
    temperatures = np.exp(np.linspace(math.log(0.3), math.log(5), 120))
    losses = [-np.log(softmax(logits / t)[np.arange(len(targets)), targets] + 1e-12).mean() for t in temperatures]
    temperature = float(temperatures[int(np.argmin(losses))])
    # As low as false alarms allow: the less one of two senses is trusted, the less their answers can diverge.
    alarm = float(np.quantile(_disagreements(examiner, _agreeing(examiner), temperature), 1 - _FALSE_ALARMS))
    bits = round(max(alarm, _LEAST_CONFLICT_BITS), 3)
    thresholds = {"confident": _CONFIDENT, "conflict_bits": bits, "outvoted": _OUTVOTED}
    return Figures(examiner.shift, round(temperature, 4), thresholds)


def _eager(examiner: Examiner) -> float:
    """How far "none of them" can be pushed back before too many unknown scenes are named."""
    logits = examiner.logits([examiner.mixer.unknown() for _ in range(_SCENES)])

    def named(shift: float) -> float:
        shifted = np.concatenate([logits[:, :-1], logits[:, -1:] - shift], axis=1)
        return float((softmax(shifted)[:, :-1].max(1) >= _CONFIDENT).mean())

    return round(float(max((s for s in _SHIFTS if named(s) <= WRONG_NAMES), default=0.0)), 1)


def _agreeing(examiner: Examiner) -> list[Scene]:
    """Scenes whose meaning several senses show, without what else goes on."""
    scenes = [s for s in (examiner.mixer.agreement() for _ in range(2 * _SCENES)) if len(_meant(examiner, s)) > 1]
    return [replace(s, evidence=tuple(e for e in s.evidence if e.modality in _meant(examiner, s))) for s in scenes]


# --- what is measured ------------------------------------------------------------------


def _agreement(figures: Figures, examiner: Examiner) -> None:
    scenes = [examiner.mixer.agreement() for _ in range(_SCENES)]
    targets = np.array([s.target for s in scenes])
    logits = examiner.logits(scenes)
    right = logits.argmax(1) == targets
    figures.share("agreement, all senses", right)
    figures.share("  the same, labels without features", examiner.logits(scenes, 1.0).argmax(1) == targets)
    probabilities = softmax(logits / figures.temperature)
    figures.drawn("  ECE before the temperature", lambda i: ece(softmax(logits)[i], targets[i]), len(scenes))
    figures.drawn("  ECE", lambda i: ece(probabilities[i], targets[i]), len(scenes))
    sure = probabilities.max(1) >= _CONFIDENT
    figures.share("  named at all", sure)
    figures.share("  right where named", right[sure])
    for modality in MODALITIES:
        shown = [s for s in scenes if [e.modality for e in s.evidence] == [modality]]
        if shown:
            hits = examiner.logits(shown).argmax(1) == np.array([s.target for s in shown])
            figures.share(f"  {modality} alone", hits)
    commands = [s for s in scenes if _is_command(examiner, s)]
    states = [s for s in commands if any(e.modality is Modality.BIOMETRIC for e in s.evidence)]
    hits = examiner.logits(states).argmax(1) == np.array([s.target for s in states])
    figures.share("  a command beside a heart rate", hits)


def _words(figures: Figures, examiner: Examiner) -> None:
    """Each sentence counts once: scenes draw from too few to tell how it does on others."""
    logits, cosines, meant = examiner.sentences()
    figures.share("sentences never trained on", logits.argmax(1) == meant)
    figures.share("  named, rightly or not", logits.argmax(1) < len(examiner.vocabulary))
    figures.share("  by the encoder's cosine, without this network", cosines.argmax(1) == meant)
    figures.drawn("  ECE", lambda i: ece(softmax(logits / figures.temperature)[i], meant[i]), len(meant))


def _together(figures: Figures, examiner: Examiner) -> None:
    """Several senses that show one meaning: the network against multiplying its own single answers."""
    scenes = _agreeing(examiner)
    targets = np.array([s.target for s in scenes])
    figures.share("two or more senses that agree", examiner.logits(scenes).argmax(1) == targets)
    product = np.array([_product(alone).argmax() for alone in examiner.alone(scenes)])
    figures.share("  the same, single answers multiplied", product == targets)


def _is_command(examiner: Examiner, scene: Scene) -> bool:
    return examiner.vocabulary.concepts[scene.target].precedence is Precedence.COMMAND


def _product(alone: Doubles) -> Doubles:
    """Log-linear pool of single answers."""
    return np.asarray((alone - np.logaddexp.reduce(alone, axis=1, keepdims=True)).sum(0), np.float64)


def _missing(figures: Figures, examiner: Examiner) -> None:
    scenes = [s for s in (examiner.mixer.agreement() for _ in range(2 * _SCENES)) if len(_meant(examiner, s)) > 1]
    for modality in MODALITIES:
        have = [s for s in scenes if modality in _meant(examiner, s)]
        without = [replace(s, evidence=tuple(e for e in s.evidence if e.modality is not modality)) for s in have]
        if have:
            targets = np.array([s.target for s in have])
            figures.share(f"{modality} missing", examiner.logits(without).argmax(1) == targets)
            lost = [
                replace(s, evidence=tuple(_ruined(e, examiner) if e.modality is modality else e for e in s.evidence))
                for s in have
            ]
            figures.share(f"{modality} wrong, and not trusted", examiner.logits(lost).argmax(1) == targets)


def _meant(examiner: Examiner, scene: Scene) -> set[Modality]:
    """The senses of a scene that show its meaning."""
    concept = examiner.vocabulary.concepts[scene.target]
    labels = {(m, label) for m, some in concept.labels.items() for label in some}
    told = {e.modality for e in scene.evidence if (e.modality, e.label) in labels}
    said = {e.modality for e in scene.evidence if e.modality is Modality.TEXT and e.shows == concept.name}
    return told | said


def _ruined(seen: Evidence, examiner: Examiner) -> Evidence:
    """The evidence of a sense that lies, and whose quality tells."""
    rows = [x for x, some in examiner.bank.rows[seen.modality].items() if x and x != seen.shows and len(some)]
    other = rows[examiner.mixer.rng.integers(len(rows))] if rows else seen.shows
    label = seen.label and other
    return replace(seen, shows=other, label=label, score=0.5, trust=0.1)


def _noisy(figures: Figures, examiner: Examiner) -> None:
    scenes = [examiner.mixer.agreement() for _ in range(_SCENES)]
    targets = np.array([s.target for s in scenes])
    for noise in (1.0, 3.0):
        noisy = [replace(s, evidence=tuple(_noised(e, noise) for e in s.evidence)) for s in scenes]
        figures.share(
            f"noise of {noise:.0f} sigma on the sensors' features", examiner.logits(noisy).argmax(1) == targets
        )


def _noised(seen: Evidence, noise: float) -> Evidence:
    return seen if seen.modality is Modality.TEXT else replace(seen, noise=noise)


def _unknown(figures: Figures, examiner: Examiner) -> None:
    known = [examiner.mixer.agreement() for _ in range(_SCENES)]
    strange = [examiner.mixer.unknown() for _ in range(_SCENES)]
    score = np.concatenate(
        [softmax(examiner.logits(some) / figures.temperature)[:, :-1].max(1) for some in (known, strange)]
    )
    is_known = np.arange(len(score)) < len(known)
    figures.drawn("unknown against known, AUROC", lambda i: auroc(score[i], is_known[i]), len(score))
    figures.share("unknown, and nothing named", score[~is_known] < _CONFIDENT)
    for name, shows in (("sentences that mean nothing known", ""), ("commands told not to be done", DENIED)):
        only = [Scene((Evidence(Modality.TEXT, shows, None, 0.9, 0.9),), s.meaning, "unknown") for s in strange]
        named = softmax(examiner.logits(only) / figures.temperature)[:, :-1].max(1) >= _CONFIDENT
        figures.share(f"  {name}, and nothing named", ~named)


def _conflict(figures: Figures, examiner: Examiner) -> None:
    clashing = [examiner.mixer.conflict() for _ in range(_SCENES // 2)]
    agreeing = _agreeing(examiner)
    bits = np.concatenate([_disagreements(examiner, some, figures.temperature) for some in (clashing, agreeing)])
    clash = np.arange(len(bits)) < len(clashing)
    figures.drawn("contradiction against agreement, AUROC", lambda i: auroc(bits[i], clash[i]), len(bits))
    figures.share("  contradictions noticed", bits[clash] >= figures.thresholds["conflict_bits"])
    figures.share("  agreements taken for contradictions", bits[~clash] >= figures.thresholds["conflict_bits"])


def _disagreements(examiner: Examiner, scenes: Sequence[Scene], temperature: float) -> Doubles:
    """Jensen-Shannon divergence between the senses' single answers, weighed by trust."""
    answers = examiner.alone(scenes)
    trusts = [[e.trust for e in scene.evidence] for scene in scenes]
    found = [disagreement_bits(softmax(a / temperature).tolist(), t) for a, t in zip(answers, trusts, strict=True)]
    return np.array(found)
