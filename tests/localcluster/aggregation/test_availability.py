"""The condition Available: when it is looked at, and what it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from metrics_api.localcluster.aggregation.apiservice import Condition, parse_api_service
from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.resources import API_SERVICES, ENDPOINT_SLICES, SERVICES
from metrics_api.localcluster.seams import Receive, Scope, Send
from metrics_api.timetext import format_rfc3339
from tests.fakes import settle
from tests.localcluster.aggregation.extension_server import ExtensionServer, Received, answer, hang
from tests.localcluster.aggregation.stand_in import (
    NAME,
    NODES,
    PATH,
    StandIn,
    api_service,
    endpoint_slice,
    running,
    service,
)

DATA = Path(__file__).parents[2] / "data" / "kube-apiserver"


def probes(extension: ExtensionServer) -> list[Received]:
    return [each for each in extension.received if each.values("user-agent") == ["Go-http-client/1.1"]]


def test_the_condition_of_a_real_cluster_is_read() -> None:
    found = parse_api_service(json.loads((DATA / "apiservice-available.json").read_bytes()))
    assert found.condition == Condition("True", "Passed", "all checks passed", "2026-11-21T02:06:20Z")
    assert found.available


async def test_a_backend_that_answers_becomes_available_and_is_proxied_from_then_on() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {PATH: answer(200, b"not even looked at"), NODES: answer(200, b"served")}
        stand_in.register(extension.port, available=False)
        before = await stand_in.client.get(NODES)
        condition = await stand_in.until_condition("True", "Passed")
        after = await stand_in.client.get(NODES)

    now = format_rfc3339(stand_in.clock.now())
    assert condition == Condition("True", "Passed", "all checks passed", now)
    assert (before.status_code, after.status_code) == (503, 200)


async def test_a_check_is_five_requests_by_a_master_with_the_front_proxys_certificate() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes[PATH] = answer(200, b"{}")
        stand_in.register(extension.port)
        await stand_in.aggregator.idle()
        before = len(probes(extension))
        await stand_in.clock.advance(30)
        await stand_in.aggregator.idle()

        assert len(probes(extension)) == before + 5
    for probe in probes(extension):
        assert (probe.method, probe.target, probe.peer) == ("GET", PATH, "front-proxy-client")
        assert probe.values("x-remote-user") == ["system:kube-aggregator"]
        assert probe.values("x-remote-group") == ["system:masters"]
        assert probe.values("accept-encoding") == ["gzip"]
        assert {name for name, _ in probe.headers} == {
            "host", "user-agent", "accept-encoding", "x-remote-user", "x-remote-group"
        }  # fmt: skip


@pytest.mark.parametrize("status", [301, 401, 403, 404, 500, 503])
async def test_only_a_success_counts(status: int) -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes[PATH] = answer(status, b"", [("location", "/")] if status == 301 else [])
        stand_in.register(extension.port, available=False)
        condition = await stand_in.until_condition("False", "FailedDiscoveryCheck")
        response = await stand_in.client.get(NODES)

    url = f"https://127.0.0.1:{extension.port}{PATH}"
    assert condition.message == f"failing or missing response from {url}: bad status from {url}: {status}"
    assert response.text == "service unavailable\n"


async def test_one_success_of_five_is_enough() -> None:
    count = 0

    async def one_in_five(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal count
        count += 1
        await answer(200 if count % 5 == 3 else 500)(scope, receive, send)

    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes[PATH] = one_in_five
        stand_in.register(extension.port, available=False)
        await stand_in.until_condition("True", "Passed")


async def test_a_backend_that_hangs_is_given_up_after_the_probes_limit() -> None:
    assert Timing().probe_timeout == 5
    async with (
        ExtensionServer() as extension,
        running(replace(Timing(), probe_timeout=0.05), controllers=True) as stand_in,
    ):
        extension.routes[PATH] = hang
        stand_in.register(extension.port, available=False)
        condition = await stand_in.until_condition("False", "FailedDiscoveryCheck")

    url = f"https://127.0.0.1:{extension.port}{PATH}"
    assert condition.message == f'failing or missing response from {url}: Get "{url}": context deadline exceeded'


async def test_a_backend_that_refuses_connections() -> None:
    async with ExtensionServer() as gone:
        pass
    async with running(controllers=True) as stand_in:
        stand_in.register(gone.port, available=False)
        condition = await stand_in.until_condition("False", "FailedDiscoveryCheck")

    url = f"https://127.0.0.1:{gone.port}{PATH}"
    reason = f"dial tcp 127.0.0.1:{gone.port}: connect: connection refused"
    assert condition.message == f'failing or missing response from {url}: Get "{url}": {reason}'


def no_service(stand_in: StandIn) -> None:
    stand_in.objects.delete(SERVICES, "kube-system", "ms")


def other_port(stand_in: StandIn) -> None:
    stand_in.objects.replace(SERVICES, service(ports=[{"name": "https", "port": 8443}]))


def no_slices(stand_in: StandIn) -> None:
    stand_in.objects.delete(ENDPOINT_SLICES, "kube-system", "ms-1")


def none_ready(stand_in: StandIn) -> None:
    stand_in.objects.replace(ENDPOINT_SLICES, endpoint_slice(1, ready=False))


def port_of_another_name(stand_in: StandIn) -> None:
    stand_in.objects.replace(SERVICES, service(ports=[{"name": "web", "port": 443}]))


CASES: list[tuple[Callable[[StandIn], None], str, str]] = [
    (no_service, "ServiceNotFound", 'service/ms in "kube-system" is not present'),
    (other_port, "ServicePortError", 'service/ms in "kube-system" is not listening on port 443'),
    (no_slices, "EndpointsNotFound", 'cannot find endpointslices for service/ms in "kube-system"'),
    (
        none_ready,
        "MissingEndpoints",
        'endpointslices for service/ms in "kube-system" have no addresses with port name "https"',
    ),
    (
        port_of_another_name,
        "MissingEndpoints",
        'endpointslices for service/ms in "kube-system" have no addresses with port name "web"',
    ),
]


@pytest.mark.parametrize(("spoil", "reason", "message"), CASES, ids=[each[0].__name__ for each in CASES])
async def test_what_stands_in_the_way_is_found_when_it_comes_and_when_it_goes(
    spoil: Callable[[StandIn], None], reason: str, message: str
) -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes[PATH] = answer(200, b"{}")
        stand_in.register(extension.port, available=False)
        await stand_in.until_condition("True", "Passed")
        spoil(stand_in)
        condition = await stand_in.until_condition("False", reason)
        for resource, good in ((SERVICES, service()), (ENDPOINT_SLICES, endpoint_slice(extension.port))):
            metadata = good["metadata"]
            if stand_in.objects.find(resource, metadata["namespace"], metadata["name"]) is None:
                stand_in.objects.create(resource, good)
            else:
                stand_in.objects.replace(resource, good)
        await stand_in.until_condition("True", "Passed")

    assert condition.message == message


async def test_the_transition_time_moves_with_the_status_only() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes[PATH] = answer(500)
        stand_in.register(extension.port, available=False)
        failed = await stand_in.until_condition("False", "FailedDiscoveryCheck")
        stand_in.clock.step_wall(100)
        no_service(stand_in)
        other_reason = await stand_in.until_condition("False", "ServiceNotFound")
        stand_in.clock.step_wall(100)
        stand_in.objects.create(SERVICES, service())
        extension.routes[PATH] = answer(200)
        passed = await stand_in.until_condition("True", "Passed")

    assert failed.changed == other_reason.changed
    assert passed.changed == format_rfc3339(stand_in.clock.now())


async def test_a_condition_that_stays_the_same_is_not_written_again() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes[PATH] = answer(200)
        stand_in.register(extension.port, available=False)
        await stand_in.until_condition("True", "Passed")
        await stand_in.aggregator.idle()
        before = stand_in.objects.version
        await stand_in.clock.advance(30)
        await stand_in.aggregator.idle()

        assert stand_in.objects.version == before


async def test_what_a_check_found_is_not_written_over_a_change_made_meanwhile() -> None:
    asked, go_on = asyncio.Barrier(6), asyncio.Event()

    async def fail_late(scope: Scope, receive: Receive, send: Send) -> None:
        await asked.wait()
        await go_on.wait()
        await answer(500)(scope, receive, send)

    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes[PATH] = answer(200)
        stand_in.register(extension.port, available=False)
        await stand_in.until_condition("True", "Passed")
        await stand_in.aggregator.idle()
        extension.routes[PATH] = fail_late
        stand_in.objects.replace(API_SERVICES, api_service(versionPriority=50))
        await asked.wait()
        statuses = []
        end = stand_in.objects.subscribe(API_SERVICES, lambda _: statuses.append(stand_in.condition()))
        stand_in.objects.replace(API_SERVICES, api_service(versionPriority=60))
        extension.routes[PATH] = answer(200)
        go_on.set()
        await stand_in.aggregator.idle()
        end()

    assert {found.status for found in statuses if found} == {"True"}


async def test_a_backend_that_recovers_is_found_by_the_back_off_and_not_only_by_the_resync() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes[PATH] = answer(500)
        stand_in.register(extension.port, available=False)
        await stand_in.until_condition("False", "FailedDiscoveryCheck")
        await stand_in.aggregator.idle()
        extension.routes[PATH] = answer(200)
        await stand_in.clock.advance(0.1)
        await stand_in.until_condition("True", "Passed")


async def test_a_deleted_apiservice_is_checked_no_more() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes[PATH] = answer(200)
        stand_in.register(extension.port, available=False)
        await stand_in.until_condition("True", "Passed")
        await stand_in.aggregator.idle()
        stand_in.objects.delete(API_SERVICES, "", NAME)
        await stand_in.aggregator.idle()
        seen = len(extension.received)
        await stand_in.clock.advance(3600)
        await stand_in.aggregator.idle()

        assert len(extension.received) == seen
        assert stand_in.aggregator.availability.unavailable == {}


async def test_a_local_apiservice_is_always_available_and_nobody_is_asked() -> None:
    async with running(controllers=True) as stand_in:
        stand_in.objects.create(API_SERVICES, api_service(service=None, caBundle=None))
        condition = await stand_in.until_condition("True", "Local")

    assert condition.message == "Local APIServices are always available"


async def test_becoming_unavailable_is_counted_by_reason() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes[PATH] = answer(200)
        stand_in.register(extension.port, available=False)
        await stand_in.until_condition("True", "Passed")
        no_service(stand_in)
        await stand_in.until_condition("False", "ServiceNotFound")

        availability = stand_in.aggregator.availability
        assert availability.became_unavailable == {(NAME, "ServiceNotFound"): 1}
        assert availability.unavailable == {NAME: True}


async def test_a_ca_bundle_without_a_certificate_leaves_the_condition_as_it_was() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes[PATH] = answer(200)
        stand_in.register(extension.port, available=False)
        await stand_in.until_condition("True", "Passed")
        await stand_in.aggregator.idle()
        stand_in.objects.replace(API_SERVICES, api_service(caBundle="bm8gcGVt"))
        await settle()
        response = await stand_in.client.get(NODES)

        condition = stand_in.condition()
    assert condition is not None
    assert (condition.status, response.status_code) == ("True", 500)
