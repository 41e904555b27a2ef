"""What the service says in one message is heard one by one, and what it is sent says when."""

from __future__ import annotations

import time
from collections import deque

from shared.examples import a_symbol, a_window

from sensorium import wire
from sensorium.delivery import Ack, Hello, Response, SequencedSymbol, SequencedWindow
from sensorium.v1 import fusion_pb2
from sensorium_agent.uplink.stream import FuseStream, Traffic


class Said:
    """A call on which messages have arrived."""

    def __init__(self, *messages: bytes) -> None:
        self._messages = deque(messages)
        self.told: list[fusion_pb2.FuseRequest] = []

    async def write(self, message: bytes) -> None:
        self.told.append(fusion_pb2.FuseRequest.FromString(message))

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


async def test_windows_say_when_they_were_sent() -> None:
    call = Said()
    stream = FuseStream(call, "cloud:50051", 1.0, Traffic())

    before_ns = time.monotonic_ns()
    await stream.write(wire.request_to_proto(Hello("device", "spool")))
    await stream.write(wire.request_to_proto([SequencedWindow(1, a_window())]))

    hello, windows = call.told
    assert hello.WhichOneof("kind") == "hello"
    assert before_ns <= windows.windows.sent_ns <= time.monotonic_ns()
