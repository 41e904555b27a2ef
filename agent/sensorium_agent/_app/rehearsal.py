"""`sensorium rules --play`: what the rules would do on recordings; nothing is done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sensorium.concepts import Vocabulary
from sensorium.episode import Episode
from sensorium_agent._app.files.each import each
from sensorium_agent._app.listeners import Following, Silent
from sensorium_agent._app.output import Output
from sensorium_agent._app.run import play_files
from sensorium_agent._app.settings import Settings
from sensorium_agent.rules import Fired, Rulebook, Rules, Webhook, filled


def rehearse(
    rules: Rules, files: Sequence[Path], settings: Settings, vocabulary: Vocabulary, say: Callable[[str], None]
) -> int:
    """Say what the rules would do on each file, and then how often; returns how many files could not be played.

    A recorded session has its symbols in it, the cloud's too: those are what rules would have heard.
    """
    rehearsal = Rehearsal(rules, say)

    def retell(_number: int, file: Path) -> None:
        from sensorium_agent.record.reader import SessionLog

        log = SessionLog(file)
        rehearsal.begins(log.session.start_ns)
        following = Following([rehearsal], vocabulary, log.session.id)
        for symbol in log.symbols():
            following.on_symbol(symbol)
        following.finish()

    failed = 0
    for file in files:
        if file.suffix.lower() == ".mcap":
            failed += each([file], retell)
        else:
            rehearsal.begins()
            failed += asyncio.run(play_files(settings, [file], Output(), also=(rehearsal,)))
    say(rehearsal.summary())
    return failed


class Rehearsal(Silent):
    """Says what the rules would do, and does nothing."""

    def __init__(self, rules: Rules, say: Callable[[str], None]) -> None:
        self._rules = rules
        self._book = Rulebook(rules)
        self._say = say
        self._start_ns = 0
        self._fired: Counter[str] = Counter()

    def begins(self, start_ns: int = 0) -> None:
        """A recording begins, whose times count from ``start_ns``: its episodes are others than the last one's."""
        self._book = Rulebook(self._rules)
        self._start_ns = start_ns

    def on_episode(self, episode: Episode) -> None:
        """One line for each thing that would be done."""
        for fired in self._book.fire(episode):
            self._fired[fired.rule] += 1
            at_s = (episode.end_ns - self._start_ns) / 1e9
            meant = f"{episode.concept} {episode.confidence:.2f}"
            self._say(f"{at_s:8.2f} s  {fired.rule}: {meant} -> {_in_words(fired)}")

    def summary(self) -> str:
        """How often each rule would have done something."""
        return ", ".join(f"{name}: {self._fired[name]}" for name in self._rules.rule) or "no rules"


def _in_words(fired: Fired) -> str:
    if isinstance(fired.action, Webhook):
        return f"POST to {urlsplit(fired.action.url).hostname}"
    return f"publish {filled(fired.action.payload, fired.episode)!r} to {fired.action.topic}"
