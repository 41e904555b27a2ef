"""`sensorium models`: the store's own verbs, the same for device, cloud and set-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_models import cli

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    cli.add_parser(commands)


run = cli.run
