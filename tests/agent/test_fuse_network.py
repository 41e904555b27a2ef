"""The device's network: the same for any vocabulary in any order, never without an answer, and never quietly absent."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium import concepts
from sensorium.concepts import Vocabulary
from sensorium.event import Event, EventStream, Modality
from sensorium.symbol import Reason
from sensorium.window import Presence, Slot, Window
from sensorium_agent.fuse.network import FusionNetwork, OrRules, answered, ask
from sensorium_agent.fuse.pooling import Pooled, by_rules
from sensorium_agent.fuse.readings import Sense, senses
from sensorium_agent.fuse.symbol import FusionSettings, answer, fuse
from sensorium_agent.infer.runtime.model import ModelError, load
from sensorium_models import store

MS = 1_000_000
END_NS = 10_000 * MS
VOCABULARY = concepts.load()
NETWORK = FusionNetwork(load(store.path("device_fusion")))
HALF_LIFE = dict.fromkeys(Modality, 2_000 * MS)
SIGNS = [(m, label, c.name) for c in VOCABULARY for m, some in c.labels.items() for label in some]


def seen(modality: Modality, label: str | None, score: float = 0.9, ago_ms: int = 100) -> Event:
    return EventStream("s", modality).event(END_NS - ago_ms * MS, label=label, score=score)


def a_window(*events: Event) -> Window:
    def slot(modality: Modality) -> Slot:
        own = tuple(e for e in events if e.modality is modality)
        return Slot(modality, Presence.PRESENT if own else Presence.ABSENT, own, 0 if own else None)

    return Window("s.1", "s", 1, 0, END_NS - 500 * MS, END_NS, END_NS, tuple(map(slot, Modality)))


class Says:
    """A model that always gives the same."""

    def __init__(self, value: float, error: ModelError | None = None) -> None:
        self._value, self._error = value, error

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        if self._error:
            raise self._error
        return [np.full((len(inputs[3]), len(inputs[2])), self._value, np.float32)]

    def reset(self) -> None:
        """Nothing to forget."""


# --- any vocabulary, in any order ------------------------------------------------------


@given(st.lists(st.sampled_from(SIGNS), min_size=1, max_size=4), st.permutations(range(len(VOCABULARY))))
def test_the_order_of_the_concepts_changes_nothing(
    shown: list[tuple[Modality, str, str]], order: Sequence[int]
) -> None:
    window = a_window(*(seen(m, label) for m, label, _ in shown))
    other = Vocabulary(tuple(VOCABULARY.concepts[k] for k in order))

    one, two = (answer(window, v, FusionSettings(), NETWORK).posterior for v in (VOCABULARY, other))

    assert [two[order.index(k)] for k in range(len(VOCABULARY))] == pytest.approx(one[:-1], abs=1e-6)
    assert two[-1] == pytest.approx(one[-1], abs=1e-6)


def test_a_concept_of_one_s_own_needs_no_training() -> None:
    own = concepts.parse(
        '[concept.water_the_plants]\ndescription = "Water."\nlabels = { gesture = { sprinkle = 0.95 } }\n'
        '[concept.feed_the_cat]\ndescription = "Feed."\nlabels = { audio = { meow = 0.95 } }\n'
    )

    symbol = fuse(
        a_window(seen(Modality.GESTURE, "sprinkle", 0.97)), own, now_ns=0, device="d", software="s", pool=NETWORK
    )

    assert symbol.concept == "water_the_plants"
    assert symbol.confidence > 0.7


def test_a_label_that_means_a_crowd_of_concepts_is_answered_too() -> None:
    tables = [f'[concept.c{n}]\ndescription = "C."\nlabels = {{ gesture = {{ all = 0.01 }} }}\n' for n in range(90)]

    posterior = answer(
        a_window(seen(Modality.GESTURE, "all")), concepts.parse("".join(tables)), FusionSettings(), NETWORK
    ).posterior

    assert math.fsum(posterior) == pytest.approx(1)


# --- absence ---------------------------------------------------------------------------


def test_who_is_absent_is_not_in_the_question() -> None:
    told = senses(a_window(seen(Modality.GESTURE, "open_palm")), VOCABULARY, HALF_LIFE)

    asked = ask([sense for sense in told if sense.speaks], len(VOCABULARY))

    assert [len(x) for x in asked.inputs] == [3, 1, 3, 1]
    assert VOCABULARY.concepts[asked.concepts[0]].name == "stop"
    assert asked.others == len(VOCABULARY) - 1


def test_all_absent_is_an_abstention() -> None:
    symbol = fuse(a_window(), VOCABULARY, now_ns=0, device="d", software="s", pool=NETWORK)

    assert (symbol.abstained, symbol.confidence) == (Reason.NOTHING, 0.0)
    assert symbol.entropy.information == pytest.approx(0, abs=1e-9)


def test_contributions_are_what_leaving_out_costs() -> None:
    palm, tap, yes = seen(Modality.GESTURE, "open_palm"), seen(Modality.HAPTIC, "tap"), seen(Modality.AUDIO, "stop")
    whole = answer(a_window(palm, tap, yes), VOCABULARY, FusionSettings(), NETWORK)
    less = answer(a_window(palm, yes), VOCABULARY, FusionSettings(), NETWORK)
    best = max(range(len(whole.posterior)), key=whole.posterior.__getitem__)

    cost = math.log(whole.posterior[best]) - math.log(less.posterior[best])

    assert whole.voices[Modality.HAPTIC].contribution == pytest.approx(cost, abs=1e-3)
    assert cost < 0


@pytest.mark.parametrize(("second", "why"), [(0, Reason.UNSURE), (1, Reason.CONFLICT)])
def test_who_is_only_less_sure_of_the_same_contradicts_nobody(second: int, why: Reason) -> None:
    def by_two(senses: Sequence[Sense], concepts: int, temperature: float) -> Pooled:
        def said(best: int, mass: float) -> tuple[float, ...]:
            return tuple(mass if k == best else (1 - mass) / concepts for k in range(concepts + 1))

        alone = {Modality.GESTURE: said(0, 0.99), Modality.AUDIO: said(second, 0.1)}
        return Pooled(said(0, 0.4), alone, alone)

    window = a_window(seen(Modality.GESTURE, "open_palm"), seen(Modality.AUDIO, "stop"))

    symbol = fuse(window, VOCABULARY, now_ns=0, device="d", software="s", pool=by_two)

    assert symbol.entropy.disagreement > FusionSettings().thresholds.conflict_bits
    assert symbol.abstained is why


# --- what cannot be had, or is no number -----------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    told = [s for s in senses(a_window(seen(Modality.GESTURE, "fist")), VOCABULARY, HALF_LIFE) if s.speaks]
    asked = ask(told, len(VOCABULARY))

    with pytest.raises(ModelError, match="no number"):
        answered(np.full((1, 3), value, np.float32), asked, len(VOCABULARY))


@pytest.mark.parametrize("model", [Says(math.nan), Says(0.0, ModelError("it is broken"))])
def test_rules_answer_where_the_network_fails_and_one_line_says_so(
    model: Says, caplog: pytest.LogCaptureFixture
) -> None:
    window, pool = a_window(seen(Modality.GESTURE, "open_palm")), OrRules(FusionNetwork(model))

    answers = [answer(window, VOCABULARY, FusionSettings(), pool) for _ in range(3)]

    assert answers[0] == answers[2] == answer(window, VOCABULARY, FusionSettings(), by_rules)
    assert caplog.text.count("fusion.fallback wanted=network answers=rules") == 1


def test_the_model_may_change_between_two_windows() -> None:
    turns = list[int]()
    network = FusionNetwork(load(store.path("device_fusion")), lambda: turns.append(1))

    for _ in range(2):
        answer(a_window(seen(Modality.GESTURE, "fist")), VOCABULARY, FusionSettings(), network)

    assert len(turns) == 2
