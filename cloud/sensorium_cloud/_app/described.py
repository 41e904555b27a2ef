"""What the gateway's OpenAPI description says beside what follows from the code."""

from __future__ import annotations

from typing import Any, Final

ABOUT: Final = """Understand people through all their signals: feed events, get symbols.

Live sessions speak over the WebSocket `/ws/multimodal/{session_id}`: one JSON object a message, described in
docs/gateway.md. Everything recorded goes to `POST /api/multimodal/batch`. Where tokens are set up, send
`Authorization: Bearer TOKEN` (or, from browsers' WebSockets, `?token=`).
"""
"""At the top."""
REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "a token is needed, and none that we know was sent"},
    403: {"description": "the token is not good for this session, or the page may not use the gateway"},
    422: {
        "description": "the request cannot be used; `field` says where, `reason` why",
        "content": {
            "application/json": {
                "example": {"field": "batches[0].events[1].event", "reason": "says nothing: give it a label"}
            }
        },
    },
}
"""Answers that any request may get."""

LINE: Final = {
    "type": "symbol",
    "id": "kitchen.0",
    "session": "kitchen",
    "revision": "cloud",
    "label": "stop",
    "score": 0.98,
    "start_ns": 0,
    "end_ns": 500_000_000,
}
"""Of what is understood; there is more in one."""
KITCHEN: Final[dict[str, Any]] = {"session_id": "kitchen", "lines": [LINE]}
"""A session."""
EXAMPLE: Final = {
    "batches": [
        {
            "session_id": "kitchen",
            "events": [
                {"type": "event", "modality": "text", "at_ms": 120, "text": "stop"},
                {"type": "event", "modality": "gesture", "at_ms": 300, "label": "open_palm", "score": 0.93},
            ],
        }
    ]
}
"""A batch."""
