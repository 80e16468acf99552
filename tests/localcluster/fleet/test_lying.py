"""Kubelets whose answers are well formed and not true, and those with a wrong certificate or none."""

from __future__ import annotations

import ssl
from email.utils import parsedate_to_datetime

import httpx
import pytest

from metrics_api.localcluster.fleet.lying import AnswerForAnother, Flap, OmitPods, SkewedClock
from metrics_api.localcluster.fleet.server import Fleet
from metrics_api.pki import Authority
from tests.localcluster.fleet.wire import RESOURCE, ask, make_fleet

NODE = "node-00000"


async def test_a_kubelet_answers_as_another_node() -> None:
    async with make_fleet() as fleet:
        fleet.behave(NODE, AnswerForAnother("other"))
        answer = await ask(fleet)
    assert answer.json()["node"]["nodeName"] == "other"
    assert answer.json()["pods"]


async def test_a_kubelet_says_nothing_of_its_pods() -> None:
    async with make_fleet() as fleet:
        fleet.behave(NODE, OmitPods())
        answer, other = await ask(fleet), await ask(fleet, RESOURCE)
    assert answer.json()["node"]["cpu"]
    assert answer.json()["pods"] == []
    assert other.status_code == 200


async def test_a_flapping_kubelet_fails_every_other_time() -> None:
    async with make_fleet() as fleet:
        fleet.behave(NODE, Flap())
        assert [(await ask(fleet)).status_code for _ in range(4)] == [500, 200, 500, 200]


async def test_a_node_with_a_clock_of_its_own_shows_it_in_all_it_says() -> None:
    async with make_fleet() as fleet:
        fleet.set_clock(NODE, SkewedClock(fleet.clock, 120.0))
        answer = await ask(fleet)
        now = fleet.clock.now()
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == int(now + 120)


async def connect(fleet: Fleet) -> None:
    """Connect as a client that believes the fleet's authority."""
    context = ssl.create_default_context(cadata=fleet.authority.certificate.decode())
    addresses = fleet.node_object(NODE)["status"]
    url = f"https://{addresses['addresses'][0]['address']}:{addresses['daemonEndpoints']['kubeletEndpoint']['Port']}/"
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        await client.get(url)


async def test_a_kubelet_shows_another_certificate() -> None:
    async with make_fleet() as fleet:
        await connect(fleet)
        fleet.present_certificate(NODE, Authority.create("own").issue("n", dns_names=[NODE], server=True))
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await connect(fleet)


async def test_a_kubelet_without_a_certificate_sends_the_alert_that_go_sends() -> None:
    async with make_fleet() as fleet:
        await fleet.withhold_certificate(NODE)
        with pytest.raises(httpx.ConnectError, match=r"(?i)alert internal error"):
            await connect(fleet)
