"""Many windows, one meaning: when it begins, goes on and ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from examples import a_symbol
from hypothesis import given
from hypothesis import strategies as st

from sensorium import concepts
from sensorium.episode import Episode, Episodes, Phase
from sensorium.event import Modality
from sensorium.symbol import Evidence, Hypothesis, Reason, Revision, Share, Symbol
from sensorium.window import Presence

MS = 1_000_000
VOCABULARY = concepts.load()


def window(index: int, concept: str | None, *evidence: Evidence, **what: object) -> Symbol:
    """Window ``index`` of 500 ms; without evidence it holds a thumb of its own time."""
    at_ns = index * 500 * MS + 100 * MS
    seen = evidence or (Evidence(Modality.GESTURE, "thumb_up", 0.9, at_ns, 0),)
    modalities = [m for m in Modality if m in {e.modality for e in seen}]
    changes = {
        "id": f"kitchen.{index}",
        "start_ns": index * 500 * MS,
        "end_ns": (index + 1) * 500 * MS,
        "concept": concept,
        "abstained": None if concept else Reason.UNSURE,
        "confidence": 0.9,
        "alternatives": (),
        "revision": Revision.EDGE,
        "shares": tuple(Share(m, Presence.PRESENT) for m in modalities),
        "timeline": tuple(seen),
    }
    return replace(a_symbol(), **(changes | what))


def nothing(index: int) -> Symbol:
    return window(index, None, shares=(), timeline=(), abstained=Reason.NOTHING)


def line(at_ms: int, text: str = "stop") -> Evidence:
    return Evidence(Modality.TEXT, None, 1.0, at_ms * MS, 0, text)


def tap(at_ms: int) -> Evidence:
    return Evidence(Modality.HAPTIC, "tap", 0.95, at_ms * MS, 80 * MS)


def episodes(symbols: Iterable[Symbol]) -> list[Episode]:
    following = Episodes(VOCABULARY, "kitchen")
    return [e for symbol in symbols for e in following.hear(symbol)] + list(following.finish())


def story(symbols: Iterable[Symbol]) -> list[str]:
    return [f"{e.phase} {e.concept}" for e in episodes(symbols)]


def test_a_gesture_over_four_windows_is_one_episode() -> None:
    told = episodes([*(window(i, "approve") for i in range(4)), *map(nothing, range(4, 8))])

    assert [e.phase for e in told] == [Phase.NEW, Phase.END]
    assert {e.id for e in told} == {"kitchen.0"}
    assert told[-1].windows == 4
    assert (told[-1].start_ns, told[-1].end_ns) == (100 * MS, 1600 * MS)


def test_a_held_gesture_does_not_flicker_when_one_window_is_unsure() -> None:
    unsure = window(1, None, alternatives=(Hypothesis("approve", 0.4),))

    assert story([window(0, "approve"), unsure, nothing(2), window(3, "approve")]) == ["new approve", "end approve"]


def test_a_pause_longer_than_the_gap_ends_it() -> None:
    told = story([window(0, "approve"), *map(nothing, range(1, 5)), window(5, "approve")])

    assert told == ["new approve", "end approve", "new approve", "end approve"]


def test_another_command_ends_the_one_before_at_once() -> None:
    told = story([window(0, "approve"), window(1, "reject")])

    assert told == ["new approve", "end approve", "new reject", "end reject"]


def test_two_taps_are_two_episodes_and_one_tap_told_in_two_windows_is_one() -> None:
    twice = [window(0, "select", tap(200)), window(1, "select", tap(700))]
    once = [window(0, "select", tap(450)), window(1, "select", tap(450))]

    assert story(twice) == ["new select", "end select", "new select", "end select"]
    assert story(once) == ["new select", "end select"]


def test_words_that_are_only_remembered_begin_nothing() -> None:
    told = story([window(0, "stop", line(100)), *(window(i, "stop", line(100)) for i in range(1, 6))])

    assert told == ["new stop", "end stop"]


def test_a_word_and_a_hand_that_mean_the_same_are_one_episode() -> None:
    palm = Evidence(Modality.GESTURE, "open_palm", 0.9, 900 * MS, 0)
    told = episodes([window(0, "stop", line(450)), window(1, "stop", line(450), palm)])

    assert [e.phase for e in told] == [Phase.NEW, Phase.UPDATE, Phase.END]
    assert told[1].modalities == (Modality.TEXT, Modality.GESTURE)


def test_a_state_settles_before_it_is_told_and_no_command_ends_it() -> None:
    heart = [Evidence(Modality.BIOMETRIC, "heart_rate_normal", 0.9, (i * 500 + 300) * MS, 0) for i in range(5)]
    calm = [window(i, "calm", heart[i]) for i in range(5)]

    assert story([calm[0], nothing(1)]) == []
    assert story([calm[0], calm[1], window(2, "approve"), calm[3]]) == [
        "new calm",
        "new approve",
        "end calm",
        "end approve",
    ]


def beat(index: int, label: str = "heart_rate_high") -> Symbol:
    at_ns = index * 500 * MS + 200 * MS
    return window(index, "aroused", Evidence(Modality.BIOMETRIC, label, 0.9, at_ns, 0))


def test_windows_in_which_nobody_says_anything_break_no_row_of_a_state() -> None:
    told = episodes([*(each for k in range(0, 20, 2) for each in (beat(k), nothing(k + 1)))])

    assert [(e.phase, e.concept) for e in told] == [(Phase.NEW, "aroused"), (Phase.END, "aroused")]
    assert (told[0].start_ns, told[-1].end_ns) == (200 * MS, 18 * 500 * MS + 200 * MS)


def test_two_namings_of_a_state_that_are_too_far_apart_are_no_row() -> None:
    assert story([beat(0), *(nothing(k) for k in range(1, 14)), beat(14)]) == []
    assert story([beat(0), *(nothing(k) for k in range(1, 14)), beat(14), beat(15)]) == ["new aroused", "end aroused"]


def test_a_window_that_is_unsure_breaks_the_row_of_a_state() -> None:
    assert story([beat(0), window(1, None), beat(2)]) == []


def test_an_episode_that_is_open_at_the_end_ends_with_its_newest_evidence() -> None:
    (begun, ended) = episodes([window(k, "stop") for k in range(30)])

    assert begun.phase is Phase.NEW
    assert (ended.phase, ended.end_ns, ended.windows) == (Phase.END, 30 * 500 * MS, 30)


def test_a_later_answer_for_its_first_window_corrects_the_concept_under_the_same_id() -> None:
    told = episodes([window(0, "approve"), window(0, "reject", revision=Revision.CLOUD)])

    assert [(e.phase, e.concept, e.id) for e in told[:2]] == [
        (Phase.NEW, "approve", "kitchen.0"),
        (Phase.UPDATE, "reject", "kitchen.0"),
    ]


def test_a_session_window_that_a_late_event_makes_begin_earlier_is_still_the_same_window() -> None:
    first = window(2, "stop")
    amended = window(2, "approve", start_ns=first.start_ns - 200 * MS, window_revision=1)

    told = episodes([first, amended])

    assert [(e.phase, e.concept) for e in told] == [
        (Phase.NEW, "stop"),
        (Phase.UPDATE, "approve"),
        (Phase.END, "approve"),
    ]
    assert told[-1].windows == 1


def test_a_naming_that_is_taken_back_is_withdrawn() -> None:
    told = episodes([window(0, "approve"), window(0, None, revision=Revision.CLOUD)])

    assert [(e.phase, e.withdrawn) for e in told] == [(Phase.NEW, False), (Phase.END, True)]


def test_an_answer_that_comes_after_the_story_has_settled_changes_nothing() -> None:
    long = [window(i, "approve") for i in range(20)]
    late = window(0, "reject", revision=Revision.CLOUD)

    assert story([*long, late]) == ["new approve", "end approve"]


def test_symbols_of_another_session_are_passed_over() -> None:
    assert Episodes(VOCABULARY, "bath").hear(window(0, "approve")) == ()


named = st.sampled_from(["approve", "reject", "calm", "select", None])


@given(st.lists(named, max_size=60))
def test_every_episode_begins_once_and_ends_once(concepts_said: Sequence[str | None]) -> None:
    told = episodes(window(i, concept) if concept else nothing(i) for i, concept in enumerate(concepts_said))

    for identity in {e.id for e in told}:
        phases = [e.phase for e in told if e.id == identity]
        assert phases[0] is Phase.NEW
        assert phases[-1] is Phase.END
        assert set(phases[1:-1]) <= {Phase.UPDATE}


@given(st.lists(named, max_size=30))
def test_answers_of_the_cloud_that_agree_change_no_beginning_and_no_end(concepts_said: Sequence[str | None]) -> None:
    edge = [window(i, concept) if concept else nothing(i) for i, concept in enumerate(concepts_said)]
    both = [s for symbol in edge for s in (symbol, replace(symbol, revision=Revision.CLOUD))]

    def ends(symbols: Iterable[Symbol]) -> list[tuple[str, str, int]]:
        return [(e.phase, e.id, e.start_ns) for e in episodes(symbols) if e.phase is not Phase.UPDATE]

    assert ends(both) == ends(edge)


def test_a_run_of_hours_keeps_nothing_of_what_has_settled() -> None:
    following = Episodes(VOCABULARY, "kitchen")
    for i in range(5000):
        following.hear(window(i, "approve" if i % 7 < 3 else "reject"))
        if i % 11 == 0:
            following.hear(window(i, None, revision=Revision.CLOUD))

    assert len(following._answers) < 20
    assert len(following._told) < 20


def test_a_later_answer_that_finds_an_earlier_beginning_is_the_same_episode() -> None:
    unsure = window(0, None, alternatives=(Hypothesis("approve", 0.4),))
    sure = window(0, "approve", revision=Revision.CLOUD)

    told = episodes([unsure, window(1, "approve"), sure, window(2, "approve"), *map(nothing, range(3, 6))])

    assert [(e.phase, e.id, e.withdrawn) for e in told] == [
        (Phase.NEW, "kitchen.1", False),
        (Phase.UPDATE, "kitchen.1", False),
        (Phase.END, "kitchen.1", False),
    ]
    assert told[1].start_ns == 100 * MS


def test_what_the_cloud_named_stays_the_clouds_while_the_device_goes_on() -> None:
    each = [window(i, "approve", revision=side) for i in range(3) for side in (Revision.EDGE, Revision.CLOUD)]

    assert [f"{e.phase} {e.revision}" for e in episodes(each)] == ["new edge", "update cloud", "end cloud"]
