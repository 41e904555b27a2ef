"""Whatever happens in whatever order, nothing is called safe that is not."""

from __future__ import annotations

from cloud.doubles import FakeFusion, a_window
from hypothesis import given
from hypothesis import strategies as st

from sensorium.delivery import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, Hello, Refusal, SequencedWindow
from sensorium_cloud.accept import Conversation

WINDOW = a_window()
Step = tuple[str, int]
steps = st.lists(st.tuples(st.sampled_from(["send", "answer", "refuse", "later"]), st.integers(1, 12)), max_size=60)


@given(steps=steps, resume_after=st.integers(0, 3))
def test_an_acknowledgement_covers_answered_windows_only_and_never_moves_back(
    steps: list[Step], resume_after: int
) -> None:
    talk = Conversation(Hello("pi", "a"), resume_after=resume_after, max_in_flight=4, check=FakeFusion().check)
    unanswered: set[int] = set()
    in_flight: list[int] = []
    through = resume_after
    for action, number in steps:
        if action == "send":
            heard = talk.hear((SequencedWindow(number, WINDOW),))
            in_flight += [item.sequence for item in heard.fuse]
            if number > through:
                unanswered.add(number)
        elif in_flight:
            sequence = in_flight.pop(number % len(in_flight))
            if action == "answer":
                talk.answered(sequence)
            else:
                talk.refused(Refusal(sequence, INVALID_ARGUMENT if action == "refuse" else RESOURCE_EXHAUSTED))
            if action != "later":
                unanswered.discard(sequence)
        ack = talk.ack()
        if ack is not None:
            assert ack.through > through
            through = ack.through
        assert all(sequence > through for sequence in unanswered)
        assert 0 <= talk.in_flight == len(in_flight) <= 4
