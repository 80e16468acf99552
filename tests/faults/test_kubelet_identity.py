"""Simulated kubelets whose certificates are signed by the cluster or by themselves, and whom we believe then."""

from __future__ import annotations

import msgspec
import pytest

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.options import TlsVerification
from metrics_api.localcluster.fleet.certificates import Certificates
from tests.faults.harness import BAD, GOOD, Harness, harness


@pytest.mark.parametrize(
    ("certificates", "verify", "believed"),
    [
        ("per_node", "full", True),
        ("per_node", "node-name", True),
        ("per_node", "pin", True),
        ("self_signed", "full", False),
        ("self_signed", "node-name", False),
        ("self_signed", "pin", True),
        ("self_signed", "none", True),
    ],
)
async def test_which_kubelets_are_believed(certificates: Certificates, verify: TlsVerification, believed: bool) -> None:
    async with harness(certificates=certificates, verify=verify) as bench:
        if believed:
            assert (await bench.scrape(GOOD)).node is not None
            return
        with pytest.raises(ScrapeError, match="which is the node's own") as caught:
            await bench.scrape(GOOD)
        assert caught.value.reason == "tls"
        assert "serverTLSBootstrap" in str(caught.value)
        assert not bench.fleet.counts[GOOD].received, "nothing was sent"


async def refusal_at_the_good_nodes_address(bench: Harness) -> str:
    """Let the bad node give the good one's address; return why its scrape fails."""
    good = bench.nodes[GOOD]
    moved = msgspec.structs.replace(bench.nodes[BAD], addresses=good.addresses, kubelet_port=good.kubelet_port)
    with pytest.raises(ScrapeError) as caught:
        await bench.client.scrape(moved, deadline=5)
    return caught.value.reason


@pytest.mark.parametrize(("certificates", "verify"), [("per_node", "node-name"), ("self_signed", "pin")])
async def test_a_node_that_gives_anothers_address_draws_no_token_there(
    certificates: Certificates, verify: TlsVerification
) -> None:
    async with harness(certificates=certificates, verify=verify) as bench:
        for name in (BAD, GOOD):
            await bench.scrape(name)
        assert await refusal_at_the_good_nodes_address(bench) == "tls"
        assert bench.fleet.counts[GOOD].received.total() == 1


async def test_an_address_is_all_that_full_goes_by() -> None:
    async with harness() as bench:
        assert await refusal_at_the_good_nodes_address(bench) == "wrong_node"
        assert bench.fleet.counts[GOOD].received.total() == 1, "the token has been there"


async def test_a_node_first_met_at_anothers_address_is_believed_where_it_is() -> None:
    async with harness(certificates="self_signed", verify="pin") as bench:
        assert await refusal_at_the_good_nodes_address(bench) == "wrong_node"
        assert (await bench.scrape(BAD)).node is not None
