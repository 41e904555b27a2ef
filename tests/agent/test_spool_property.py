"""Whatever is done to a spool, in whatever order, it agrees with a list in memory."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sensorium_agent.spool import format as spool_format
from sensorium_agent.spool.log import Record, Spool

SEGMENT = 1024
PAYLOADS = st.binary(max_size=300)


class SpoolAgainstList(RuleBasedStateMachine):
    """Appends, reads, acknowledges, restarts, crashes and tears, with room enough that nothing is evicted."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        # Durability is tried with real kills and power cuts elsewhere; here a thousand syncs would only cost time.
        self.syncs = [mock.patch(f"os.{name}") for name in ("fsync", "fdatasync")]
        for patch in self.syncs:
            patch.start()
        self.kept: dict[int, bytes] = {}
        self.acknowledged = 0
        self.used = 0

    @initialize()
    def start(self) -> None:
        self.spool = Spool.open(self.directory, segment_bytes=SEGMENT, max_bytes=1 << 20)
        self.name = self.spool.spool_id

    def let_go(self) -> None:
        for segment in self.spool._segments:
            segment.close()
        self.spool._files.close()

    @rule(payloads=st.lists(PAYLOADS, max_size=8))
    def append(self, payloads: list[bytes]) -> None:
        sequences = self.spool.append([Record(p) for p in payloads])
        assert len(sequences) == len(payloads)
        assert not sequences or sequences[0] > self.used
        self.kept.update(zip(sequences, payloads, strict=True))
        self.used = max([self.used, *sequences])

    @rule(after=st.integers(0, 60), limit=st.integers(1, 20))
    def read(self, after: int, limit: int) -> None:
        wanted = [(s, p) for s, p in sorted(self.kept.items()) if s > max(after, self.acknowledged)]
        assert [(s.sequence, s.payload) for s in self.spool.read(after, limit)] == wanted[:limit]

    @rule(through=st.integers(0, 60))
    def acknowledge(self, through: int) -> None:
        self.spool.acknowledge(through)
        self.acknowledged = max(self.acknowledged, min(through, self.used))

    @rule(crash=st.booleans())
    def restart(self, crash: bool) -> None:
        if crash:
            self.let_go()
        else:
            self.spool.close()
        self.start_again()

    @rule(rubbish=st.binary(min_size=1, max_size=80).filter(any))
    def tear(self, rubbish: bytes) -> None:
        """The process dies in the middle of a write behind the last record."""
        self.let_go()
        path = max(self.directory.glob("*.segment"), default=None)
        if path is not None:
            end = spool_format.scan(path.read_bytes(), bytes.fromhex(self.name), int(path.stem)).end
            with path.open("r+b") as file:
                file.seek(end)
                file.write(rubbish)
        self.start_again()

    def start_again(self) -> None:
        self.spool = Spool.open(self.directory, segment_bytes=SEGMENT, max_bytes=1 << 20)
        assert self.spool.spool_id == self.name
        self.used = max(self.used, self.spool.last)

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "spool"):
            assert self.spool.pending == sum(s > self.acknowledged for s in self.kept)
            assert self.spool.acknowledged == self.acknowledged

    def teardown(self) -> None:
        self.let_go()
        for patch in self.syncs:
            patch.stop()
        shutil.rmtree(self.directory)


SpoolAgainstList.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestSpoolAgainstList = SpoolAgainstList.TestCase
