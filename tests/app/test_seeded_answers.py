"""Every hot route in every format, over a store with a past: byte for byte what was written down."""

from __future__ import annotations

import pytest

from metrics_api.store.store import Store
from tests.api.golden import render
from tests.app.seeded import FOLDER, ROUTES, grown_store, past


@pytest.fixture(scope="module")
def grown() -> tuple[Store, list[str]]:
    return grown_store()


@pytest.mark.parametrize("name", ROUTES)
async def test_an_answer_is_the_one_that_was_written_down(name: str, grown: tuple[Store, list[str]]) -> None:
    path, accepts = ROUTES[name]
    assert await render(path, accepts, grown[0]) == (FOLDER / f"{name}.txt").read_text()


def test_every_item_on_the_way_is_the_one_that_was_written_down(grown: tuple[Store, list[str]]) -> None:
    assert past(grown[1]) == (FOLDER / "past.txt").read_text()
