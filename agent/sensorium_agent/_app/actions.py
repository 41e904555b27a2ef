"""Carries out what the rules decide, in a thread of its own: neither a broker nor a web server holds the agent up.

What cannot be done yet waits in a bounded queue whose oldest entries give way; each drop is counted and logged.
"""

from __future__ import annotations

import http.client
import logging
import queue
import threading
import urllib.request
from typing import TYPE_CHECKING, Final, Self
from urllib.error import URLError
from urllib.parse import urlsplit

import msgspec

from sensorium.episode import Episode
from sensorium.lines import episode_told
from sensorium_agent._app.listeners import Silent
from sensorium_agent.rules import Fired, Publish, Rulebook, Rules, Webhook, filled

if TYPE_CHECKING:
    from sensorium_agent._app.telemetry import Telemetry

log = logging.getLogger(__name__)

_WAITING: Final = 64
_TRIES: Final = 3
_encode = msgspec.json.Encoder(enc_hook=str).encode


class Actor(Silent):
    """Listens to episodes, and does what the rules say about them.

    Args:
        rules: what to do when.
        telemetry: who publishes; None if no broker is configured.
        token: sent with webhooks as ``Authorization: Bearer``; empty for none.
    """

    def __init__(self, rules: Rules, telemetry: Telemetry | None, *, token: str = "") -> None:
        self._book = Rulebook(rules)
        self._telemetry = telemetry
        self._token = token
        self._hooks: queue.Queue[Fired | None] = queue.Queue(_WAITING)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self.dropped = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._enqueue(None)
        self._thread.join(1.0)

    def on_episode(self, episode: Episode) -> None:
        """Decide at once, and let others do it."""
        for fired in self._book.fire(episode):
            log.info("rule.fired rule=%s concept=%s", fired.rule, episode.concept)
            if isinstance(fired.action, Webhook):
                self._enqueue(fired)
            else:
                self._publish(fired.action, episode)

    def _publish(self, action: Publish, episode: Episode) -> None:
        assert self._telemetry is not None, "checked when the rules were read"
        self._telemetry.publish(action.topic, filled(action.payload, episode), retain=action.retain)

    def _enqueue(self, fired: Fired | None) -> None:
        while True:
            try:
                return self._hooks.put_nowait(fired)
            except queue.Full:
                self._give_way()

    def _give_way(self) -> None:
        try:
            self._hooks.get_nowait()
        except queue.Empty:
            return
        self.dropped += 1
        log.warning("webhook.dropped total=%d: the servers are too slow", self.dropped)

    # --- the webhooks' thread ------------------------------------------------------------

    def _run(self) -> None:
        while (fired := self._hooks.get()) is not None:
            self._deliver(fired)

    def _deliver(self, fired: Fired) -> None:
        assert isinstance(fired.action, Webhook)
        for attempt in range(_TRIES):
            reason = self._post(fired.action, _encode({"rule": fired.rule, **episode_told(fired.episode)}))
            if reason is None:
                return
            log.warning("webhook.failed rule=%s attempt=%d %s", fired.rule, attempt + 1, reason)
            if self._stopping.wait(2.0**attempt if attempt + 1 < _TRIES else 0):
                return

    def _post(self, hook: Webhook, body: bytes) -> str | None:
        """Why it failed, or None. Only the host is named: addresses of webhooks are secrets."""
        headers = {"Content-Type": "application/json", "User-Agent": "sensorium"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            request = urllib.request.Request(hook.url, body, headers, method="POST")  # noqa: S310
            with urllib.request.urlopen(request, timeout=hook.timeout_s):  # noqa: S310
                return None
        except (URLError, http.client.HTTPException, OSError, ValueError) as error:  # ValueError: what is no URL
            return f"host={urlsplit(hook.url).hostname}: {getattr(error, 'reason', error)}"
