import pytest

from metrics_api.store.store import Store
from tests.store.builders import HandClock, new_store


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(clock: HandClock) -> Store:
    return new_store(clock)
