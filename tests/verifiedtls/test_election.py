"""One leader at a time, whatever clocks say."""

from __future__ import annotations

from dataclasses import replace

from metrics_api.objects import LeaseState
from metrics_api.verifiedtls.election import Election
from tests.fakes import FakeClock

DURATION = 60.0
FREE = LeaseState("1")


def test_a_free_lease_is_taken_and_renewed_by_its_holder() -> None:
    clock = FakeClock()
    election = Election(clock, "a", DURATION)
    taken = election.bid(FREE)
    assert taken is not None
    assert not election.leads
    election.won()
    clock.move_to(clock.monotonic() + 20)
    renewed = election.bid(replace(taken, version="2"))

    assert election.leads
    assert (taken.holder, taken.duration, taken.transitions, taken.version) == ("a", 60, 1, "1")
    assert renewed is not None
    assert (renewed.acquired, renewed.transitions, renewed.version) == (taken.acquired, 1, "2")
    assert renewed.renewed > taken.renewed == "2026-01-01T00:00:00.000000Z"


def test_anothers_lease_is_respected_until_it_has_not_changed_for_its_duration() -> None:
    clock = FakeClock()
    election = Election(clock, "b", DURATION)
    held = LeaseState("7", "a", 60, "2020-01-01T00:00:00.000000Z", "2020-01-01T00:00:00.000000Z", 3)
    assert election.bid(held) is None  # its time is long past by our clock; the holder's may be another
    clock.move_to(clock.monotonic() + 59)
    assert election.bid(held) is None
    assert election.bid(replace(held, renewed="2020-01-01T00:01:00.000000Z")) is None
    clock.move_to(clock.monotonic() + 59)
    assert election.bid(replace(held, renewed="2020-01-01T00:01:00.000000Z")) is None
    clock.move_to(clock.monotonic() + 1)
    taken = election.bid(replace(held, renewed="2020-01-01T00:01:00.000000Z"))

    assert taken is not None
    assert (taken.holder, taken.transitions) == ("b", 4)


def test_who_cannot_renew_stops_leading_before_another_may_take_over() -> None:
    clock = FakeClock()
    election = Election(clock, "a", DURATION)
    election.bid(FREE)
    election.won()
    clock.move_to(clock.monotonic() + 39)
    assert election.leads
    clock.move_to(clock.monotonic() + 2)
    assert not election.leads


def test_who_leaves_gives_up_its_own_lease_only() -> None:
    clock = FakeClock()
    election = Election(clock, "a", DURATION)
    mine = election.bid(FREE)
    assert mine is not None
    given_up = election.resignation(mine)

    assert given_up is not None
    assert given_up.holder == ""
    assert election.resignation(replace(mine, holder="b")) is None
    assert Election(clock, "b", DURATION).bid(given_up) is not None
