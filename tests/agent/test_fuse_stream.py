"""What the service says in one message is heard one by one."""

from __future__ import annotations

from collections import deque

from shared.examples import a_symbol

from sensorium import wire
from sensorium.delivery import Ack, Response, SequencedSymbol
from sensorium_agent.uplink.stream import FuseStream, Traffic


class Said:
    """A call on which messages have arrived."""

    def __init__(self, *messages: bytes) -> None:
        self._messages = deque(messages)

    async def read(self) -> bytes:
        return self._messages.popleft()


async def test_answers_that_come_in_one_message_are_heard_one_by_one() -> None:
    together: list[Response] = [SequencedSymbol(4, a_symbol()), Ack(4)]
    several = wire.responses_to_proto(together).SerializeToString()
    alone = wire.response_to_proto(Ack(5)).SerializeToString()
    traffic = Traffic()
    stream = FuseStream(Said(several, alone), "cloud:50051", 1.0, traffic)

    assert [await stream.read() for _ in range(3)] == [*together, Ack(5)]
    assert traffic.received == len(several) + len(alone)
