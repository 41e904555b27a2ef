"""The generator of `cloud_load` beside gRPC's own client: ``python bench/cloud_clients.py``.

The same windows, due at the same times, on a connection for each of a few streams, sent by either in turns to a service
that is new each time. Both should be answered the same; the generator's latency may be larger by what it sleeps, twice.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from collections.abc import Iterator

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the service sets it for itself
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import cloud_generator as generator
import cloud_load
import grpc

from sensorium import wire
from sensorium.delivery import Hello
from sensorium.v1 import fusion_pb2

Answers = dict[str, tuple[str, float]]
"""What was said of each window, by its id: in words, and how sure."""
_SAME = 1e-5
"""How far sureness may differ: a window's last digits depend on how many were fused with it."""


def by_generator(address: str, count: int, seconds: float) -> tuple[list[float], Answers]:
    """Milliseconds and answers, read by `cloud_generator`."""
    tally, answers = generator.Tally(), Answers()
    with generator.streams(address, count, tally, a_connection=1) as crowd:
        for stream in crowd.streams:
            stream.overhear = lambda raw: answers.update(symbols(raw))
        generator.offer(crowd, count, seconds)
        generator.settle(crowd, 5.0)
    return [ms for _, ms in tally.answered], answers


async def by_grpc(address: str, count: int, seconds: float) -> tuple[list[float], Answers]:
    """The same with gRPC's own client."""
    chance = random.Random(0)
    phases = [chance.random() for _ in range(count)]
    begin_s = time.perf_counter() + 1.0
    said = await asyncio.gather(
        *(_device(address, f"device-{n}", begin_s + phase, round(seconds)) for n, phase in enumerate(phases))
    )
    answers = Answers()
    for _, own in said:
        answers.update(own)
    return [ms for late, _ in said for ms in late], answers


async def _device(address: str, name: str, begin_s: float, windows: int) -> tuple[list[float], Answers]:
    late_ms: list[float] = []
    answers, message = Answers(), generator.Message(name, 0)
    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = channel.stream_stream(generator.FUSE)()
        await call.write(wire.request_to_proto(Hello(name, "spool", takes_several=True)).SerializeToString())
        await call.read()

        async def speak() -> None:
            for number in range(1, windows + 1):
                await asyncio.sleep(max(begin_s + number - 1 - time.perf_counter(), 0.0))
                await call.write(message.numbered(number))

        async with asyncio.TaskGroup() as group:
            group.create_task(speak())
            while len(late_ms) < windows:
                raw = await call.read()
                now_s = time.perf_counter()
                for kind, number in generator.said(raw):
                    if kind in (generator.SYMBOL, generator.REFUSAL):
                        late_ms.append((now_s - begin_s - number + 1) * 1e3)
                answers.update(symbols(raw))
    return late_ms, answers


def symbols(raw: bytes) -> Iterator[tuple[str, tuple[str, float]]]:
    """The windows that a FuseResponse answers: their ids, and what is said of them."""
    response = fusion_pb2.FuseResponse.FromString(raw)
    for one in (response, *response.answers.answers):
        if one.WhichOneof("kind") == "symbol":
            symbol = one.symbol.symbol
            shares = " ".join(str(share.modality) for share in symbol.shares)
            yield symbol.id, (f"{symbol.content} {' '.join(symbol.domains)} {shares}", symbol.confidence)
        elif one.WhichOneof("kind") == "refusal":
            yield f"refused {one.refusal.sequence}", (one.refusal.reason, 0.0)


def alike(one: tuple[str, float], other: tuple[str, float] | None) -> bool:
    """Whether two answers say the same."""
    return other is not None and one[0] == other[0] and abs(one[1] - other[1]) < _SAME


def main() -> None:
    parser = argparse.ArgumentParser(description="The load generator beside gRPC's own client.")
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=6.0)
    args = parser.parse_args()
    for _ in range(2):
        with cloud_load.service() as (address, _, _):
            own_ms, own = by_generator(address, args.streams, args.seconds)
        with cloud_load.service() as (address, _, _):
            their_ms, theirs = asyncio.run(by_grpc(address, args.streams, args.seconds))
        same = sum(alike(said, theirs.get(window)) for window, said in own.items())
        print(f"{'generator':<20} {len(own_ms)} answers  {generator.quantiles(own_ms)}")
        print(f"{'gRPC own client':<20} {len(their_ms)} answers  {generator.quantiles(their_ms)}")
        print(f"  {same} of {len(theirs)} windows answered the same   [{generator.machine()}]", flush=True)


if __name__ == "__main__":
    main()
