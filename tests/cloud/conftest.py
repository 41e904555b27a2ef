from __future__ import annotations

import pytest
from cloud.doubles import Connect, FakeFusion, connected, settings


@pytest.fixture
def fusion() -> FakeFusion:
    return FakeFusion()


@pytest.fixture
def connect(fusion: FakeFusion) -> Connect:
    """A service with the fake fusion; keywords are settings of its engine."""
    return lambda **engine: connected(settings(**engine), fusion.engines())
