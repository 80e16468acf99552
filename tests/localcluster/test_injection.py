"""Faults by name."""

from __future__ import annotations

import re

import pytest

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.cluster_faults import CLUSTER_FAULTS
from metrics_api.localcluster.injection import Plan, inject, parse_plan
from metrics_api.localcluster.node_faults import NODE_FAULTS


def test_a_plan_is_read() -> None:
    assert parse_plan("hang=2, tls,no-endpoints,hang") == Plan({"hang": 3, "tls": 1}, ("no-endpoints",))
    assert parse_plan("") == Plan()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hnag=1", "no fault 'hnag', did you mean hang? Of nodes there are hang, "),
        ("zzz", "no fault 'zzz'. Of nodes there are hang, "),
        ("hang=0", "the number of nodes must be"),
        ("hang=", "the number of nodes must be"),
        ("hang=\u00b2", "the number of nodes must be"),
        ("no-endpoints=1", "it takes no number"),
    ],
)
def test_what_is_wrong_in_a_plan_is_said_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_plan(text)


def test_a_plan_says_what_it_costs() -> None:
    plan = parse_plan("hang=2,slow,tls,csr-pending")
    assert (plan.faulty_nodes, plan.silent_nodes, plan.breaks, plan.needs_own_certificates) == (4, 3, False, True)
    assert plan.nodes_with_silent_pods == 3
    without_pods = parse_plan("no-container-data=2,error")
    assert (without_pods.silent_nodes, without_pods.nodes_with_silent_pods) == (1, 3)
    assert parse_plan("no-endpoints").breaks
    assert not NODE_FAULTS.keys() & CLUSTER_FAULTS.keys()


async def test_the_last_nodes_are_chosen_and_too_few_are_refused() -> None:
    async with LocalCluster(nodes=3, pods_per_node=1) as cluster:
        assert await inject(cluster, parse_plan("hang,error")) == {"node-00001": "hang", "node-00002": "error"}
        with pytest.raises(ValueError, match="faults for 4 nodes are wanted, and there are 3"):
            await inject(cluster, parse_plan("hang=4"))
