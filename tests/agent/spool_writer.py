"""A process that appends to a spool for ever and says after each group what is durable; made to be killed.

It says the first and last sequence of the group: after damage some sequences are left out for good.

python spool_writer.py DIRECTORY SEED
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from sensorium_agent.spool.log import Record, Spool, SpoolError


def payload(sequence: int) -> bytes:
    """What a record with this sequence holds: of any size up to 3 kB, and known to whoever checks."""
    dice = random.Random(sequence)
    return dice.randbytes(dice.randrange(3000))


def main(directory: Path, seed: int) -> None:
    dice = random.Random(seed)
    spool = Spool.open(directory, segment_bytes=64 << 10, max_bytes=256 << 20)
    while True:
        first, count = spool.last + 1, dice.randrange(1, 17)
        stored = spool.append([Record(payload(first + i)) for i in range(count)])
        os.write(1, b"%d %d\n" % (stored[0], stored[-1]))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]))
    except SpoolError:
        sys.exit(1)  # the disk is gone, as in a power cut
