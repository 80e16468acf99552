"""What looks like a fault and is none, or is not known: facts of which the checks say nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from metrics_api.doctor.findings import Severity
from metrics_api.doctor.judging import judge
from metrics_api.doctor.objects import Metadata
from metrics_api.doctor.workloads import Container, EnvironmentVariable
from metrics_api.settings.flag import environment_name
from tests.doctor.reports import (
    FARGATE,
    FORBIDDEN,
    MIB,
    SMALL,
    api_service,
    deployed,
    failing,
    inside,
    node,
    pod,
    sized,
    verified,
    well,
)

SERVING = Container("metrics-server", args=("--secure-port=1",))
BY_VARIABLE = EnvironmentVariable(environment_name("verified-tls"), "kube-system/metrics-server-tls")


@pytest.mark.parametrize(
    "changes",
    [
        {"pods": (pod("--secure-port=1", "--verified-tls=kube-system/metrics-server-tls"),)},
        {"pods": (pod(containers=(msgspec.structs.replace(SERVING, env=(BY_VARIABLE,)),)),)},
        {"deployment": deployed(SERVING, Container("proxy", args=("--verified-tls", "a/b")))},
        {"pods": FORBIDDEN},
        {"pods": (), **inside(flags={"verified-tls": "a/b"})},
        {"api_services": {"v1": api_service(), "v1beta1": api_service(insecure_skip_tls_verify=True)}},
    ],
    ids=["the flag", "the variable", "the Deployment", "nothing is known", "the server says so", "another's bundle"],
)
def test_a_server_that_has_its_certificate_is_rightly_verified(changes: dict[str, Any]) -> None:
    found = judge(well(**{"api_services": {"v1": None, "v1beta1": verified()}, **changes}))
    assert "verified-tls-left" not in {finding.id for finding in found}


@pytest.mark.parametrize(
    "changes",
    [
        inside(memory=None) | {"pods": (sized(limits="1Mi"),)},
        inside(memory=150 * MIB) | {"pods": (sized(limits="200Mi", requests="200Mi"),)},
        inside(memory=900 * MIB),
        inside(memory=900 * MIB) | {"pods": (sized(limits="a lot"),)},
        {"nodes": (SMALL,), "node_memory": {"n1": 1 << 30}},
        {"nodes": (node("n1"),), "node_memory": {"n1": 9 << 30}},
    ],
)
def test_of_memory_that_is_enough_or_not_known_nothing_is_said(changes: dict[str, Any]) -> None:
    assert not [each for each in judge(well(**changes)) if each.id in ("server-memory-short", "node-memory-above")]


def test_the_server_that_told_is_measured_by_its_own_limit() -> None:
    other = msgspec.structs.replace(sized(limits="200Mi"), metadata=Metadata("metrics-server-b", "kube-system"))
    facts = well(pods=(other, sized(limits="1Gi")), **inside(memory=190 * MIB))
    assert "server-memory-short" not in {finding.id for finding in judge(facts)}


@pytest.mark.parametrize(
    "changes",
    [{"node_reports": (failing("n2"),)}, {"nodes": (node("n1"),)}, {"node_reports": (failing(reason="tls"),)}],
    ids=["another node", "no Fargate node", "it answers"],
)
def test_only_the_fargate_node_of_the_server_itself_is_excused(changes: dict[str, Any]) -> None:
    found = {each.id: each.severity for each in judge(well(**{"node_reports": (failing(),), **FARGATE, **changes}))}
    assert "kubelet-fargate" not in found
    assert Severity.ERROR in found.values()
