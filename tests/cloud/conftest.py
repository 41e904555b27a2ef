from __future__ import annotations

import pytest
from cloud.doubles import Connect, FakeFusion, connected, settings

from sensorium_cloud._app.work import load_engines
from sensorium_cloud.refine import Engines


@pytest.fixture
def fusion() -> FakeFusion:
    return FakeFusion()


@pytest.fixture
def connect(fusion: FakeFusion) -> Connect:
    """A service with the fake fusion; keywords are settings of its engine."""
    return lambda **engine: connected(settings(**engine), fusion.engines())


@pytest.fixture(scope="session")
def engines() -> Engines:
    """What really fuses; with the built-in concepts it takes seconds to load."""
    return load_engines(settings())
