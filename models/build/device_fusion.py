"""Is the device's pooling of events good enough? The same windows by rules and by the cloud's network, side by side.

    python models/build/device_fusion.py [--each 400]

Windows hold what perceivers say: labels with scores and qualities, and words. The network answers them twice: from
the events alone, as one of its family on the device would, and with the sentence vectors that only the cloud makes. It
is the largest of the family: where it does not beat the rules from events alone, a smaller one will not.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from gesture_scores import interval

from sensorium import concepts
from sensorium.concepts import Concept, Vocabulary
from sensorium.event import Event, Modality
from sensorium.symbol import Symbol
from sensorium.window import Presence, Slot, Window
from sensorium_agent import local_fusion
from sensorium_cloud.encode import EncodedWindow, SentenceEncoder, add_words
from sensorium_cloud.fusion import Fuser
from sensorium_models import store

_SENTENCES: Final = Path(__file__).parent / "fusion" / "events" / "sentences.toml"
_SPAN_NS: Final = 500_000_000
_NOTHING: Final = "unknown"
_LABELLED: Final = (Modality.AUDIO, Modality.GESTURE, Modality.HAPTIC)
Rng = np.random.Generator
Say = Callable[[Window], Symbol]


@dataclass(frozen=True, slots=True)
class Scene:
    """A window, and the concept it means; None for nothing known, or for a contradiction."""

    window: Window
    means: str | None


def a_window(events: Sequence[Event]) -> Window:
    """The events in a window of their own."""

    def slot(modality: Modality) -> Slot:
        own = tuple(event for event in events if event.modality is modality)
        return Slot(modality, Presence.PRESENT, own, 0, 0) if own else Slot(modality, Presence.ABSENT)

    return Window("d.0", "d", 0, 0, 0, _SPAN_NS, _SPAN_NS + 1, tuple(map(slot, Modality)))


def an_event(modality: Modality, rng: Rng, *, label: str | None = None, text: str | None = None) -> Event:
    """One as a perceiver gives it: mostly sure, of good quality."""
    score, quality = float(1 - rng.beta(1, 5)), float(1 - rng.beta(1, 15))
    at_ns = int(rng.integers(_SPAN_NS // 2, _SPAN_NS))
    return Event(modality, str(modality), 0, "d", at_ns, label=label, text=text, score=score, quality=quality)


# --- scenes ----------------------------------------------------------------------------


def signs(concept: Concept, rng: Rng) -> list[Event]:
    """A label for each sense that can show the concept, as likely as it stands for it."""
    found = []
    for modality in _LABELLED:
        labels = concept.labels.get(modality, {})
        if labels:
            found.append(an_event(modality, rng, label=list(labels)[rng.integers(len(labels))]))
    return found


def one_sense(vocabulary: Vocabulary, rng: Rng) -> Scene:
    """One label, meant as often as its score says: perceivers are calibrated, and sometimes wrong."""
    while True:
        concept = vocabulary.concepts[rng.integers(len(vocabulary))]
        shown = signs(concept, rng)
        if shown:
            event = shown[rng.integers(len(shown))]
            return Scene(a_window([event]), concept.name if rng.random() < event.score else None)


def agreement(vocabulary: Vocabulary, rng: Rng) -> Scene:
    """A label and words that mean the same."""
    while True:
        concept = vocabulary.concepts[rng.integers(len(vocabulary))]
        shown = signs(concept, rng)
        if shown:
            words = concept.phrases[rng.integers(len(concept.phrases))]
            return Scene(a_window([*shown, an_event(Modality.TEXT, rng, text=words)]), concept.name)


def beside_a_state(vocabulary: Vocabulary, rng: Rng) -> Scene:
    """A command, while the heart beats and somebody speaks."""
    commands = Vocabulary(tuple(c for c in vocabulary if c.precedence is concepts.Precedence.COMMAND))
    command = one_sense(commands, rng)
    heart = an_event(Modality.BIOMETRIC, rng, label="heart_rate_high")
    return Scene(a_window([*(e for s in command.window.slots for e in s.events), heart]), command.means)


def strange(vocabulary: Vocabulary, rng: Rng) -> Scene:  # noqa: ARG001 - one of the scenes
    """A label that nobody knows."""
    modality = _LABELLED[rng.integers(len(_LABELLED))]
    return Scene(a_window([an_event(modality, rng, label=f"odd_{rng.integers(1000)}")]), None)


def contradiction(vocabulary: Vocabulary, rng: Rng) -> Scene:  # noqa: ARG001 - one of the scenes
    """A hand that says stop or yes, and words that say the other."""
    label, words = (("open_palm", "yes please"), ("thumb_up", "stop it"))[rng.integers(2)]
    events = [an_event(Modality.GESTURE, rng, label=label), an_event(Modality.TEXT, rng, text=words)]
    return Scene(a_window(events), None)


SCENES: Final = {
    "one label": one_sense,
    "labels and words that agree": agreement,
    "a command beside a heart rate": beside_a_state,
    "a label nobody knows, and nothing named": strange,
    "a contradiction, and nothing named": contradiction,
}


def sentences(rng: Rng) -> Iterator[Scene]:
    """Sentences that no network was trained on, and some that mean nothing known."""
    written = tomllib.loads(_SENTENCES.read_text())
    for name, lines in written["say"].items():
        for line in lines["exam"]:
            yield Scene(a_window([an_event(Modality.TEXT, rng, text=line)]), None if name == _NOTHING else name)


# --- answers ---------------------------------------------------------------------------


def answers(vocabulary: Vocabulary) -> dict[str, Say]:
    """Who is asked."""
    encoder = SentenceEncoder(store.path("sentence_embedding"), store.path("sentence_tokenizer"))
    network = store.path("fusion")
    fuser = Fuser.load(store.path("fusion_senses"), network, network.with_suffix(".json"), vocabulary, encoder.encode)

    def rules(window: Window) -> Symbol:
        return local_fusion.fuse(window, vocabulary, now_ns=0, device="d", software="s")

    def alone(window: Window) -> Symbol:
        return fuser.fuse([EncodedWindow(window, None, None, 0.0)])[0]

    def encoded(window: Window) -> Symbol:
        return fuser.fuse(list(add_words(encoder, [EncodedWindow(window, None, None, 0.0)], limit=16)))[0]

    return {"rules": rules, "network, events alone": alone, "network, with sentence vectors": encoded}


def calibration_error(sure: Sequence[tuple[float, bool]], bins: int = 15) -> float:
    """Expected, of the best answer, in equal bins of confidence (Naeini et al. 2015)."""
    confidence, right = np.array(sure, np.float64).reshape(-1, 2).T
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs((right - confidence)[place == b].sum()) for b in range(bins)]
    return float(sum(gaps) / max(len(sure), 1))


def measure(name: str, scenes: Sequence[Scene], asked: dict[str, Say]) -> None:
    """Print how often each says what the scenes mean, and what it costs."""
    print(name)
    for who, say in asked.items():
        pairs, sure, took = [], [], []
        for scene in scenes:
            begin = time.thread_time_ns()
            symbol = say(scene.window)
            took.append(time.thread_time_ns() - begin)
            pairs.append((symbol.concept, scene.means))
            sure += [(h.probability, h.concept == scene.means) for h in symbol.alternatives[:1]]
        named = [said == means for said, means in pairs if said is not None]
        right = interval(sum(said == means for said, means in pairs), len(pairs))
        print(
            f"  {who:<32} right {right}; named {len(named)}, of these right {interval(sum(named), len(named))}; "
            f"calibration error {calibration_error(sure):.3f}; {np.median(took) / 1e6:.2f} ms of CPU",
            flush=True,
        )


def main() -> None:
    """Print every figure on a line of its own."""
    parser = argparse.ArgumentParser(description="Compare the device's fusion with the network's.")
    parser.add_argument("--each", type=int, default=400, help="windows of each kind (default: 400)")
    options = parser.parse_args()
    vocabulary = concepts.load()
    asked, rng = answers(vocabulary), np.random.default_rng(2026)
    for name, make in SCENES.items():
        measure(name, [make(vocabulary, rng) for _ in range(options.each)], asked)
    written = list(sentences(rng))
    measure("sentences never trained on", [s for s in written if s.means], asked)


if __name__ == "__main__":
    main()
