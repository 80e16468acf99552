"""From addresses to the IP that is dialled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.options import KubeletOptions
from metrics_api.kubelet.routes import Resolve, Route, find_route, resolve_by_system
from metrics_api.model import NodeInfo
from tests.kubelet.documents import node

OPTIONS = KubeletOptions(address_types=("Hostname", "InternalIP", "ExternalIP"))


def names(known: dict[str, Sequence[str]]) -> Resolve:
    async def resolve(name: str) -> Sequence[str]:
        if name not in known:
            raise OSError(f"no such name {name}")
        return known[name]

    return resolve


def at(*addresses: tuple[str, str]) -> NodeInfo:
    return node(addresses=addresses)


async def test_an_ip_is_dialled_as_it_is() -> None:
    route = await find_route(at(("InternalIP", "10.0.0.7")), OPTIONS, names({}))
    assert route == Route("10.0.0.7", ip_address("10.0.0.7"), 10250)


async def test_a_name_is_dialled_at_the_ip_it_resolved_to_and_verified_by_its_name() -> None:
    route = await find_route(at(("Hostname", "node-a")), OPTIONS, names({"node-a": ["10.0.0.7", "10.0.0.8"]}))
    assert route == Route("node-a", ip_address("10.0.0.7"), 10250)


async def test_a_name_that_cannot_be_resolved_is_passed_over_for_the_next_address() -> None:
    route = await find_route(at(("Hostname", "node-a"), ("InternalIP", "10.0.0.7")), OPTIONS, names({}))
    assert route.host == "10.0.0.7"


@pytest.mark.parametrize("found", [[], ["nonsense"], ["fe80::1%eth0"]], ids=repr)
async def test_a_name_without_a_usable_address_is_a_dns_fault(found: list[str]) -> None:
    with pytest.raises(ScrapeError) as caught:
        await find_route(at(("Hostname", "node-a")), OPTIONS, names({"node-a": found}))
    assert caught.value.reason == "dns"


async def test_a_resolver_that_hangs_costs_its_limit_and_the_next_address_is_used() -> None:
    async def hang(name: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return [name]

    both = at(("Hostname", "node-a"), ("InternalIP", "10.0.0.7"))
    assert (await find_route(both, OPTIONS, hang, limit=0.01)).host == "10.0.0.7"
    with pytest.raises(ScrapeError, match=r"within 0\.01 s") as caught:
        await find_route(at(("Hostname", "node-a")), OPTIONS, hang, limit=0.01)
    assert caught.value.reason == "dns"


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe"])
async def test_a_denied_ip_is_refused_given_directly_or_by_a_name(address: str) -> None:
    for asked in (at(("InternalIP", address)), at(("Hostname", "rebound.example"))):
        with pytest.raises(ScrapeError) as caught:
            await find_route(asked, OPTIONS, names({"rebound.example": [address]}))
        assert caught.value.reason == "denied_address"


async def test_a_denied_address_is_passed_over_for_an_allowed_one() -> None:
    both = at(("InternalIP", "127.0.0.1"), ("ExternalIP", "203.0.113.7"))
    assert (await find_route(both, OPTIONS, names({}))).host == "203.0.113.7"


async def test_an_ipv6_address_that_wraps_an_ipv4_one_is_dialled_as_what_it_is() -> None:
    route = await find_route(at(("InternalIP", "::ffff:10.0.0.7")), OPTIONS, names({}))
    assert route == Route("10.0.0.7", ip_address("10.0.0.7"), 10250)


async def test_the_other_ip_version_is_found_behind_the_first() -> None:
    dual = at(("InternalIP", "10.0.0.7"), ("InternalIP", "10.0.0.8"), ("InternalIP", "fd00::7"))
    assert (await find_route(dual, OPTIONS, names({}), avoid_version=4)).host == "fd00::7"
    assert (await find_route(dual, OPTIONS, names({}), avoid_version=6)).host == "10.0.0.7"
    with pytest.raises(ScrapeError):
        await find_route(at(("InternalIP", "10.0.0.7")), OPTIONS, names({}), avoid_version=4)


async def test_what_is_no_host_is_passed_over_and_said_when_nothing_else_is_there() -> None:
    assert (
        await find_route(at(("Hostname", "a b"), ("InternalIP", "10.0.0.7")), OPTIONS, names({}))
    ).host == "10.0.0.7"
    with pytest.raises(ScrapeError, match="no IP and no DNS name"):
        await find_route(at(("Hostname", "a b")), OPTIONS, names({}))


async def test_networks_of_the_operator_are_denied() -> None:
    options = KubeletOptions(address_types=("InternalIP",), denied_networks=(ip_network("10.96.0.0/12"),))
    with pytest.raises(ScrapeError) as caught:
        await find_route(at(("InternalIP", "10.96.0.1")), options, names({}))
    assert caught.value.reason == "denied_address"


async def test_the_system_resolves_localhost() -> None:
    assert set(await resolve_by_system("localhost")) & {"127.0.0.1", "::1"}
