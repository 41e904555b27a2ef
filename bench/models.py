"""What each model of the device costs, and all of them together: `sensorium models bench`, one thread and two."""

from __future__ import annotations

import sys

from sensorium_agent.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["models", "bench", "--threads", "1,2"]))
