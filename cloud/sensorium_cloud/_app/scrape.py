"""The metrics at a port of their own: for Prometheus, in the clear, where only it has to come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def build(metrics: Callable[[], bytes]) -> Starlette:
    """An application that tells ``metrics`` at ``/metrics``, and nothing else."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def told(_: Request) -> Response:
        return Response(metrics(), media_type=MEDIA_TYPE)

    return Starlette(routes=[Route("/metrics", told)])
