"""What recording costs beside the agent, and how much faster than it happened a session is replayed.

The demo recording is played as it is for people, in its own time (--live, three times 45 s), or at once. What counts is
processor time: that of the thread that writes, and that of the calls in which the event loop takes note; as a share of
one core over the length of the session.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sensorium_agent._app.output import Output
from sensorium_agent._app.replay import Wish, replay
from sensorium_agent._app.run import play_at_once, play_live
from sensorium_agent._app.settings import Settings
from sensorium_agent.capture.recording import open_recording
from sensorium_agent.record.media import Media
from sensorium_agent.record.reader import SessionLog
from sensorium_agent.record.recorder import Recorder

_DEMO = Path(__file__).parents[1] / "agent" / "sensorium_agent" / "demo" / "recording.toml"


class Timed(Recorder):
    """A recorder that knows the processor time its listeners took."""

    noted_s = 0.0

    def _note(self, *what, **more) -> None:
        began = time.thread_time()
        super()._note(*what, **more)
        self.noted_s += time.thread_time() - began


async def record(path: Path, media: Media, *, live: bool) -> Timed:
    recording, recorder = open_recording(_DEMO), Timed(path, media=media, patient=not live)
    if live:
        await play_live(Settings(), recording, Output(), recorder=recorder)
    else:
        await play_at_once(Settings(), recording, Output(), session_id="bench", recorder=recorder)
    return recorder


def processor_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--live", action="store_true", help="in its own time")
    live = parser.parse_args().live
    with tempfile.TemporaryDirectory() as scratch:
        for media in Media:
            path = Path(scratch) / f"{media}.mcap"
            recorder = asyncio.run(record(path, media, live=live))
            log = SessionLog(path)
            lasted_s = (log.contents().end_ns - log.session.start_ns) / 1e9
            share = (recorder.cpu_s + recorder.noted_s) / lasted_s
            print(
                f"media {media}: {recorder.written_bytes / lasted_s / 1e3:.1f} kB/s, {share:.2%} of a core "
                f"({recorder.noted_s / lasted_s:.2%} in the event loop), lost {sum(recorder.losses.values())}"
            )
            spent_s = processor_s(lambda log=log: replay(log, Wish(), Output()))
            print(f"  replayed from events {lasted_s / spent_s:.0f} times as fast as it happened, in processor time")


if __name__ == "__main__":
    main()
