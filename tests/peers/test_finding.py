from __future__ import annotations

import pytest

from metrics_api.errors import PeerError
from metrics_api.peers.finding import Place, find_places


async def test_every_address_behind_the_names_is_found_once() -> None:
    found = await find_places([("127.0.0.1", None), ("127.0.0.1", 10250), ("::1", 443)], port=10250)

    assert found == [Place("127.0.0.1", 10250), Place("::1", 443)]


async def test_a_name_that_is_not_there_does_not_hide_the_others() -> None:
    assert await find_places([("nobody.invalid", None), ("127.0.0.1", 1)], port=2) == [Place("127.0.0.1", 1)]


async def test_where_no_name_is_there_the_fault_names_it() -> None:
    with pytest.raises(PeerError, match=r"nobody\.invalid"):
        await find_places([("nobody.invalid", None)], port=1)


async def test_an_endless_list_is_cut() -> None:
    assert len(await find_places([(f"127.0.0.{number}", None) for number in range(1, 100)], port=1)) == 16


def test_a_place_is_written_as_in_a_url() -> None:
    assert (str(Place("127.0.0.1", 1)), str(Place("::1", 2))) == ("127.0.0.1:1", "[::1]:2")
