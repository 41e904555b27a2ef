"""A symbol and an episode as an agent tells them."""

from __future__ import annotations

from sensorium.episode import Episode, Phase
from sensorium.event import Modality
from sensorium.symbol import Entropy, Hypothesis, Provenance, Revision, Share, Stage, Symbol
from sensorium.window import Presence


def a_symbol(number: int = 0, revision: Revision = Revision.EDGE) -> Symbol:
    return Symbol(
        id=f"s.{number}",
        session_id="s",
        revision=revision,
        window_revision=0,
        start_ns=0,
        end_ns=500_000_000,
        concept="greeting",
        content="Somebody greets.",
        abstained=None,
        confidence=0.91,
        alternatives=(Hypothesis("greeting", 0.91), Hypothesis("stop", 0.05)),
        domains=("GESTURE",),
        shares=(Share(Modality.GESTURE, Presence.PRESENT, "open_palm"),),
        entropy=Entropy(0.4, 2.0, 0.0, 0.0, 40.0),
        latency=(Stage("fuse", 0.2),),
        timeline=(),
        provenance=Provenance("device", "sensorium"),
    )


def an_episode() -> Episode:
    return Episode(
        "s.0", "s", Phase.NEW, "greeting", "Somebody greets.", 0.91, Revision.EDGE, (Modality.GESTURE,), 0, 400_000_000
    )
