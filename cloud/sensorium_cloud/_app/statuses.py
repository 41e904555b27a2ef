"""How calls end that cannot go on: a status, one line, and when to come back."""

from __future__ import annotations

import grpc

from sensorium.errors import FieldError, SensoriumError
from sensorium_cloud._app.stream import Context, pushback
from sensorium_cloud.batch import Overloaded


def caller(context: Context) -> str:
    """Who calls: as the certificate says, or the address without its port, which is another for each connection."""
    name = next(iter(context.auth_context().get("x509_common_name", ())), b"")
    address = context.peer()
    return name.decode(errors="replace") or address.rpartition(":")[0] or address


async def abort(context: Context, error: SensoriumError, index: int) -> None:
    """End a unary call with the status that says what its caller can do."""
    match error:
        case Overloaded():
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), pushback(error.retry_after_ms))
        case FieldError():
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error.inside(f"windows[{index}]")))
        case _:
            await context.abort(grpc.StatusCode.INTERNAL, f"windows[{index}]: {error}")
