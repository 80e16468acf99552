"""Nodes that cannot be reached, or had better not be, and what becomes of the one beside them.

The numbers are rows of the fault catalogue in docs/reliability.md.
"""

from __future__ import annotations

import msgspec
import pytest

from metrics_api.errors import ScrapeError, ScrapeReason
from metrics_api.kubelet.options import DEFAULT_DENIED_NETWORKS
from metrics_api.model import NodeInfo
from tests.faults.harness import BAD, GOOD, PODS, Harness, harness


async def failure(bench: Harness, node: NodeInfo) -> ScrapeError:
    with pytest.raises(ScrapeError) as caught:
        await bench.client.scrape(node, deadline=5)
    return caught.value


async def test_3_a_node_that_is_gone_refuses_and_the_other_is_scraped() -> None:
    async with harness() as bench:
        await bench.scrape(BAD)
        await bench.fleet.remove_node(BAD)
        for _ in range(2):
            error = await failure(bench, bench.nodes[BAD])
            assert error.reason == "refused"
            assert bench.nodes[BAD].addresses[0][1] in str(error)
        assert len((await bench.scrape(GOOD)).pods) == PODS


async def test_46_an_address_that_passes_to_another_node_takes_no_connection_along() -> None:
    async with harness() as bench:
        good = bench.nodes[GOOD]
        heir = msgspec.structs.replace(good, uid="uid-of-a-node-made-anew")
        for node in (good, heir, good, heir):
            assert len((await bench.client.scrape(node, deadline=5)).pods) == PODS
        assert bench.fleet.counts[GOOD].connections == 2
        bench.client.forget(good.uid)
        await bench.client.scrape(heir, deadline=5)
        assert bench.fleet.counts[GOOD].connections == 2, "each has its own, and the one that is left stays"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "denied_address"),
        ("::ffff:127.0.0.1", "denied_address"),
        ("169.254.169.254", "denied_address"),
        ("fe80::1", "denied_address"),
        ("fe80::1%eth0", "no_address"),
        ("0.0.0.0", "denied_address"),
        ("localhost", "denied_address"),
        ("good.example/../../", "no_address"),
        ("a b\r\nHost: evil", "no_address"),
    ],
)
async def test_53_a_node_cannot_send_us_to_ourselves_or_to_a_cloud(address: str, reason: ScrapeReason) -> None:
    """The simulated kubelets are on loopback: had we dialled, they would have seen it."""
    async with harness(denied=DEFAULT_DENIED_NETWORKS) as bench:
        node = msgspec.structs.replace(bench.nodes[BAD], addresses=(("InternalIP", address),))
        error = await failure(bench, node)
        assert error.reason == reason
        assert str(error).isprintable()
        assert not any(counts.connections for counts in bench.fleet.counts.values())


@pytest.mark.parametrize(
    "path",
    ["/exec/a/b/c", "/run/x", "//metrics", "/metrics/../exec", "/metrics?x=1", "/a\r\nX: y", "metrics", "/logs/"],
)
async def test_53_a_node_cannot_choose_a_path_that_acts(path: str) -> None:
    async with harness("auto") as bench:
        error = await failure(bench, msgspec.structs.replace(bench.nodes[BAD], resource_metrics_path=path))
        assert error.reason == "denied_address"
        assert str(error).isprintable()
        assert not bench.fleet.counts[BAD].received


async def test_47_a_node_without_addresses_is_not_asked_and_the_other_is() -> None:
    async with harness() as bench:
        error = await failure(bench, msgspec.structs.replace(bench.nodes[BAD], addresses=()))
        assert error.reason == "no_address"
        assert len((await bench.scrape(GOOD)).pods) == PODS
