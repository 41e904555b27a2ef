"""How good is a way to pool what senses say? Figures on scenes that nothing was trained on, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from models.build.device_fusion.scenes import Director, Scene
from models.build.figures import Doubles, Flags, Row, auroc, bootstrapped, ece, share

from sensorium.assemble import Figures, Thresholds, verdict
from sensorium.event import Modality
from sensorium.symbol import Reason
from sensorium.window import Presence
from sensorium_agent.fuse import symbol as device_symbol
from sensorium_agent.fuse.pooling import Pool
from sensorium_agent.fuse.symbol import FusionSettings

_SETTINGS: Final = FusionSettings()
_COVERED: Final = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one way says of n scenes.

    Attributes:
        posteriors: [n, K + 1].
        targets: [n], K for none of them, -1 where two contradict each other.
        named: [n], the concept that is named; -1 where it abstains.
        conflicts: [n], whether it says that the senses contradict each other.
    """

    posteriors: Doubles
    targets: npt.NDArray[np.intp]
    named: npt.NDArray[np.intp]
    conflicts: Flags

    def among(self, chosen: Flags) -> Answers:
        """Those of some scenes."""
        return Answers(self.posteriors[chosen], self.targets[chosen], self.named[chosen], self.conflicts[chosen])


def answers(pool: Pool, scenes: Sequence[Scene], thresholds: Thresholds | None = None) -> Answers:
    """What ``pool`` says of ``scenes``, all of one vocabulary."""
    rows = [_answer(pool, scene, thresholds or _SETTINGS.thresholds) for scene in scenes]
    posteriors, named, conflicts = zip(*rows, strict=True)
    targets = np.array([-1 if scene.target is None else scene.target for scene in scenes])
    return Answers(np.array(posteriors), targets, np.array(named), np.array(conflicts))


def _answer(pool: Pool, scene: Scene, thresholds: Thresholds) -> tuple[Sequence[float], int, bool]:
    answer = device_symbol.answer(scene.window, scene.vocabulary, _SETTINGS, pool)
    why = verdict(Figures.of(scene.window, answer), thresholds)
    best = max(range(len(answer.posterior) - 1), key=answer.posterior.__getitem__)
    return answer.posterior, -1 if why else best, why is Reason.CONFLICT


# --- figures ---------------------------------------------------------------------------


def figures(found: Answers) -> Iterator[Row]:
    """All but contradictions is judged where there is none."""
    clash = found.targets < 0
    if not clash.all():
        yield from _clear(found.among(~clash))
    if clash.any():
        yield share("contradictions noticed", found.conflicts[clash])
        yield share("  and nothing named", (found.named < 0)[clash])


def _clear(found: Answers) -> Iterator[Row]:
    none = found.posteriors.shape[1] - 1
    known, right = found.targets < none, found.named == found.targets
    yield share("right: named, or nothing named where nothing is meant", np.where(known, right, found.named < 0))
    yield share("  something is meant, and named", right[known])
    yield share("  nothing known is meant, and nothing named", (found.named < 0)[~known])
    yield share("right where named", right[found.named >= 0])
    sure, best = found.posteriors[:, :-1].max(1), found.posteriors[:, :-1].argmax(1) == found.targets
    surest = np.argsort(-sure, kind="stable")[: max(round(_COVERED * int(known.sum())), 1)]
    yield share("right among the surest, as many as .9 of what is meant", best[surest])
    if known.any() and not known.all():
        yield bootstrapped("abstention, AUROC of something known", lambda i: _told_apart(sure[i], known[i]), len(known))
    yield bootstrapped("calibration error", lambda i: ece(found.posteriors[i], found.targets[i]), len(known))
    yield share("a contradiction seen", found.conflicts)


def _told_apart(sure: Doubles, known: Flags) -> float:
    return auroc(sure, known) if known.any() and not known.all() else 0.5


def kinds(scenes: Sequence[Scene]) -> Mapping[str, Flags]:
    """Scenes by what they hold; a scene may be of several kinds."""

    def those(holds: Callable[[Scene], bool]) -> Flags:
        return np.array([holds(scene) for scene in scenes])

    def speaks(scene: Scene) -> list[Modality]:
        return [sense.modality for sense in scene.speaking]

    return {
        "all": those(lambda _: True),
        "perceived": those(lambda s: s.perceived and s.target is not None),
        "promised": those(lambda s: not s.perceived and s.target is not None),
        "one sense": those(lambda s: len(s.speaking) == 1),
        "words alone": those(lambda s: speaks(s) == [Modality.TEXT]),
        "senses that say the same": those(_agreed),
        "one that is mistaken beside others": those(
            lambda s: s.target is not None and not _agreed(s) and len(s.speaking) > 1
        ),
        "contradictions": those(lambda s: s.target is None),
        "a bad signal": those(lambda s: any(x.reliability < 0.6 for x in s.speaking)),
        "something stale": those(lambda s: any(x.presence is Presence.STALE for x in s.speaking)),
        "something late": those(lambda s: any(x.presence is Presence.LATE for x in s.speaking)),
        "a state that has to yield": those(lambda s: any(x.label and not x.speaks for x in s.told)),
    }


def _agreed(scene: Scene) -> bool:
    """Whether several senses are here, and the same is most probable to each."""
    here = [sense.claims() for sense in scene.speaking if sense.presence is not Presence.STALE]
    best = {max(claims, key=claims.__getitem__) if claims else -1 for claims in here}
    return len(here) > 1 and len(best) == 1


def reliability(found: Answers, bins: int = 10) -> list[tuple[float, float, int]]:
    """For a picture: mean confidence of the best answer, how often it is right, and how many, by tenths."""
    clear = found.among(found.targets >= 0)
    sure, right = clear.posteriors.max(1), clear.posteriors.argmax(1) == clear.targets
    place = np.minimum((sure * bins).astype(int), bins - 1)
    tenths = [place == b for b in np.unique(place)]
    return [(float(sure[own].mean()), float(right[own].mean()), int(own.sum())) for own in tenths]


def sureness(pool: Pool, scenes: Sequence[Scene]) -> tuple[Doubles, Flags, Flags]:
    """Of scenes of any vocabularies: confidence of the best answer, whether it is right, and if anything is meant."""
    rows = []
    for scene in scenes:
        if scene.target is not None:
            posterior = np.array(pool(scene.told, scene.concepts, 1.0).together)
            best = int(posterior.argmax())
            rows.append((posterior[best], best == scene.target, scene.target < scene.concepts))
    sure, right, known = zip(*rows, strict=True)
    return np.array(sure, np.float64), np.array(right), np.array(known)


def sure_rows(sure: Doubles, right: Flags, known: Flags) -> list[Row]:
    """Their figures."""
    both = np.stack([sure, 1 - sure], 1)
    meant = np.where(right, 0, 1)
    return [
        share("the best answer is right", right),
        share("  where something is meant", right[known]),
        bootstrapped("calibration error", lambda i: _gap(both[i], meant[i]), len(sure)),
    ]


def _gap(both: Doubles, meant: npt.NDArray[np.intp], bins: int = 15) -> float:
    place = np.minimum((both[:, 0] * bins).astype(int), bins - 1)
    off = (meant == 0) - both[:, 0]
    return float(sum(abs(off[place == b].sum()) for b in np.unique(place)) / len(off))


def drawn_scenes(director: Director, count: int) -> list[Scene]:
    """So many scenes."""
    return [director.draw() for _ in range(count)]
