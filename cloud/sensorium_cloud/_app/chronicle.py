"""What goes into the history of a session: its events and symbols as they are told to people, without media."""

from __future__ import annotations

from collections.abc import Sequence

from sensorium import lines, wire
from sensorium.episode import Episode
from sensorium.event import Event
from sensorium.symbol import Symbol
from sensorium.v1 import symbol_pb2
from sensorium_cloud.refine import Refined, Sink
from sensorium_cloud.state.history import EPISODE, SYMBOL, Entry, History, Packed


def event_entry(event: Event) -> Entry:
    """What somebody said to the gateway."""
    line = lines.event_line(event, None)
    return Entry(event.modality, event.at_ns, event.sequence, lines.encoded(line).rstrip())


def episode_entry(episode: Episode) -> Entry:
    """What somebody meant, so far."""
    return Entry(EPISODE, episode.start_ns, 0, lines.encoded(lines.episode_line(episode, None)).rstrip())


def chronicle(history: History) -> Sink:
    """Keeps every symbol that is made, also those of sessions that come over gRPC."""

    def keep(made: Sequence[Refined]) -> None:
        for symbol, stored in made:
            number = symbol.id.rpartition(".")[2]
            # Kept as it is stored: as many bytes as its line, which nobody may ever want to read.
            written = Packed(stored, symbol_data)
            entry = Entry(SYMBOL, symbol.start_ns, int(number) if number.isdecimal() else 0, written)
            history.tell(symbol.session_id, [entry])

    return keep


def read_symbol(stored: bytes) -> Symbol:
    """A symbol as it is stored."""
    return wire.symbol_from_proto(symbol_pb2.Symbol.FromString(stored))


def symbol_data(stored: bytes) -> bytes:
    """The line of a symbol as it is stored."""
    return lines.encoded(lines.symbol_line(read_symbol(stored), None, None)).rstrip()
