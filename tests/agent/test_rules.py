"""Rules: decided once an episode, carried out without holding anyone up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from services import broker, until

from sensorium import concepts
from sensorium.episode import Episode, Phase
from sensorium.event import Modality
from sensorium.settings import SettingsError
from sensorium.symbol import Revision
from sensorium_agent import rules
from sensorium_agent.__main__ import main
from sensorium_agent._app.actions import Actor
from sensorium_agent._app.telemetry import Telemetry
from sensorium_agent.rules import Publish, Rule, Rulebook, Rules, Webhook

S = 1_000_000_000
STOP = Episode("s.4", "s", Phase.NEW, "stop", "Stop.", 0.7, Revision.EDGE, (Modality.TEXT,), 2 * S, 2 * S)
TELL = Publish(topic="home/stop", payload="{concept} {confidence}")


def fired(rule: Rule, *episodes: Episode) -> list[int]:
    """Which of the episodes fire the rule."""
    book = Rulebook(Rules(rule={"r": rule}))
    return [number for number, episode in enumerate(episodes) if book.fire(episode)]


def later(seconds: float, **what: Any) -> Episode:
    return replace(STOP, id=f"s.{seconds}", end_ns=STOP.end_ns + round(seconds * S), **what)


def test_a_rule_fires_once_an_episode_as_soon_as_it_is_sure_enough() -> None:
    surer = replace(STOP, phase=Phase.UPDATE, confidence=0.9)
    rule = Rule(when=("stop",), confidence=0.8, publish=TELL)

    assert fired(rule, STOP, surer, replace(surer, confidence=0.95), replace(surer, phase=Phase.END)) == [1]


def test_a_rule_may_wait_for_a_second_sense() -> None:
    both = replace(STOP, phase=Phase.UPDATE, modalities=(Modality.TEXT, Modality.GESTURE))

    assert fired(Rule(when=("stop",), modalities=(Modality.GESTURE,), publish=TELL), STOP, both) == [1]


def test_a_rule_may_ask_for_the_end_and_what_was_withdrawn_has_none() -> None:
    rule = Rule(when=("stop",), phase="end", publish=TELL)

    assert fired(rule, STOP, replace(STOP, phase=Phase.END)) == [1]
    assert fired(rule, STOP, replace(STOP, phase=Phase.END, withdrawn=True)) == []


def test_a_pause_is_kept_in_event_time() -> None:
    assert fired(Rule(when=("stop",), pause_s=10, publish=TELL), STOP, later(9.9), later(10), later(12)) == [0, 2]


def test_what_a_rule_remembers_is_bounded() -> None:
    book = Rulebook(Rules(rule={"r": Rule(when=("stop",), publish=TELL)}))
    for number in range(2000):
        book.fire(later(number))

    assert len(book._done) <= 257


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[rule.a]\nwhen = ["stopp"]\npublish = { topic = "t" }', "did you mean 'stop'"),
        ('[rule.a]\nwhen = ["stop"]', "does nothing"),
        ('[rule.a]\nwhen = []\npublish = { topic = "t" }', "rule"),
        ('[rule.a]\nwhen = ["stop"]\npublish = { topic = "home/#" }', "publish"),
        ('[rule.a]\nwhen = ["stop"]\npublish = { topic = "t", payload = "{consept}" }', "{consept}"),
        ('[rule.a]\nwhen = ["stop"]\npublish = { topic = "t", payload = "{" }', "braces"),
        ('[rule.a]\nwhen = ["stop"]\nwebhook = { url = "ftp://x" }', "url"),
        ('[rule.a]\nwhen = ["stop"]\nwebhook = { url = "http://x/\u00fc" }', "url"),
        ('[rule.a]\nwhem = ["stop"]', "did you mean 'when'"),
        ('[rule.a]\npublish = { topic = "t" }', "rule.a.when: is missing"),
        ('[rule.a]\nwhen = ["stop"]\npublish = { payload = "x" }', "rule.a.publish.topic: is missing"),
        (
            '[rule.good]\nwhen = ["stop"]\npublish = { topic = "t" }\n[rule.bad]\nwhen = ["stop"]\nphase = "fin"',
            "rule.bad.phase",
        ),
        ("[rule", "not TOML"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_place(text: str, said: str, tmp_path: Path) -> None:
    (file := tmp_path / "rules.toml").write_text(text)
    with pytest.raises(SettingsError) as refused:
        rules.read(file, concepts.load())

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


# --- carried out -----------------------------------------------------------------------


@contextmanager
def a_web_server(answers: list[int]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Answers with ``answers`` in turn, then 200; gives its address and what it was sent."""
    got: list[dict[str, Any]] = []

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(json.loads(body) | {"authorization": self.headers["Authorization"]})
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_gets_the_episode_again_if_its_server_stumbled() -> None:
    with a_web_server([503]) as (url, got):
        book = Rules(rule={"r": Rule(when=("stop",), webhook=Webhook(url=url))})
        with Actor(book, None, token="secret") as actor:
            actor.on_episode(STOP)
            until(lambda: len(got) == 2)

    assert (got[1]["rule"], got[1]["concept"], got[1]["confidence"]) == ("r", "stop", 0.7)
    assert got[1]["authorization"] == "Bearer secret"


def test_a_dead_web_server_holds_nobody_up_and_its_path_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with a_web_server([]) as (url, _):
        pass
    actor = Actor(Rules(rule={"r": Rule(when=("stop",), webhook=Webhook(url=url))}), None)
    for number in range(100):
        actor.on_episode(later(number))
    with actor:
        until(lambda: "webhook.failed" in caplog.text)

    assert actor.dropped >= 36
    assert "hook?" not in caplog.text
    assert "/hook" not in caplog.text


def test_a_rule_speaks_over_a_real_broker(tmp_path: Path) -> None:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    heard: list[bytes] = []
    with broker(tmp_path) as mosquitto, Telemetry("kitchen", host="127.0.0.1", port=mosquitto.port) as telemetry:
        ear = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        ear.on_message = lambda _c, _d, m: heard.append(m.payload)
        ear.on_connect = lambda c, *_: c.subscribe("home/stop")
        subscribed = threading.Event()
        ear.on_subscribe = lambda *_: subscribed.set()
        ear.connect("127.0.0.1", mosquitto.port)
        ear.loop_start()
        assert subscribed.wait(10)
        with Actor(Rules(rule={"r": Rule(when=("stop",), publish=TELL)}), telemetry) as actor:
            actor.on_episode(STOP)
            until(lambda: heard)
        ear.disconnect()
        ear.loop_stop()

    assert heard == [b"stop 0.70"]


def test_a_rehearsal_says_what_would_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (words := tmp_path / "words.txt").write_text("stop\n")
    (file := tmp_path / "rules.toml").write_text('[rule.halt]\nwhen = ["stop"]\npublish = { topic = "home/stop" }\n')

    assert main(["rules", str(file)]) == 0
    assert "1 rules, all good" in capsys.readouterr().out
    assert main(["rules", str(file), "--play", str(words)]) == 0
    said = capsys.readouterr().out
    assert "halt: stop" in said
    assert "publish 'stop' to home/stop" in said
    assert said.rstrip().endswith("halt: 1")


def test_a_recorded_session_is_rehearsed_by_its_own_symbols(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (words := tmp_path / "words.txt").write_text("stop\n")
    (file := tmp_path / "rules.toml").write_text('[rule.halt]\nwhen = ["stop"]\npublish = { topic = "home/stop" }\n')
    main(["record", str(tmp_path / "evening.mcap"), "--play", str(words)])
    capsys.readouterr()
    assert main(["rules", str(file), "--play", str(words)]) == 0
    played = capsys.readouterr().out
    assert "halt: stop" in played

    assert main(["rules", str(file), "--play", str(tmp_path / "evening.mcap")]) == 0
    assert capsys.readouterr().out == played
    assert main(["rules", str(file), "--play", str(tmp_path / "none.mcap")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_rule_that_publishes_needs_a_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rules.toml").write_text('[rule.halt]\nwhen = ["stop"]\npublish = { topic = "home/stop" }\n')
    (config := tmp_path / "agent.toml").write_text(
        f'[text]\nsource = "-"\n[rules]\nfile = "{tmp_path / "rules.toml"}"\n'
    )

    assert main(["run", "--config", str(config)]) == 2
    assert "add [mqtt]" in capsys.readouterr().err
