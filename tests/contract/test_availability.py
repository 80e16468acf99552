"""The availability controller: its probes, when it looks, and what it writes (contract §2)."""

from __future__ import annotations

import pytest

from metrics_api.localcluster.seams import Receive, Scope, Send
from metrics_api.localcluster.stored import JsonObject
from tests.contract.cluster import API_SERVICES, ENDPOINT_SLICES, NAME, NODES, PATH, Cluster, api_service
from tests.contract.test_proxied_responses import Answering, garbage, half_a_header, register_raw, reset
from tests.localcluster.aggregation.extension_server import ExtensionServer, Received, answer, hang
from tests.localcluster.aggregation.raw_backend import Connection, raw_backend

PROBER = "system:kube-aggregator"


def probes(extension: ExtensionServer) -> list[Received]:
    """Return what the controller asked for; discovery, which may ask for the same path, says what it accepts."""
    return [each for each in extension.arrivals(PATH) if each.user == PROBER and not each.values("accept")]


async def test_one_that_answers_is_available(cluster: Cluster, extension: ExtensionServer) -> None:
    await cluster.register(extension)
    condition = await cluster.condition("True")

    assert condition.pop("lastTransitionTime")
    assert condition == {"type": "Available", "status": "True", "reason": "Passed", "message": "all checks passed"}


async def test_a_probe_is_a_masters_get_with_the_front_proxys_certificate(
    cluster: Cluster, extension: ExtensionServer
) -> None:
    await cluster.available(extension)
    probe, *_ = probes(extension)

    assert (probe.method, probe.target, probe.peer) == ("GET", PATH, "front-proxy-client")
    assert probe.values("x-remote-group") == ["system:masters"]
    assert probe.values("user-agent")[0].startswith("Go-http-client/")
    assert probe.values("accept-encoding") == ["gzip"]


async def test_five_probes_are_sent_at_once_and_again_every_thirty_seconds(
    cluster: Cluster, extension: ExtensionServer
) -> None:
    await cluster.available(extension)
    await cluster.backend.pass_time(10)  # the events of creation have their own checks
    first = len(probes(extension))
    await cluster.backend.pass_time(31)
    then = len(probes(extension)) - first

    assert first % 5 == 0
    assert then == 5


@pytest.mark.parametrize("status", [201, 204])
async def test_any_success_counts(cluster: Cluster, extension: ExtensionServer, status: int) -> None:
    extension.routes[PATH] = answer(status)
    await cluster.register(extension)

    assert (await cluster.condition("True"))["reason"] == "Passed"


@pytest.mark.parametrize("status", [302, 401, 403, 404, 500, 503])
async def test_nothing_else_does(cluster: Cluster, extension: ExtensionServer, status: int) -> None:
    extension.routes[PATH] = answer(status, b"", [("location", PATH)] if status == 302 else [])
    await cluster.register(extension)
    condition = await cluster.condition("False")

    url = f"https://{extension.host}:{extension.port}{PATH}"
    assert condition["reason"] == "FailedDiscoveryCheck"
    assert condition["message"] == f"failing or missing response from {url}: bad status from {url}: {status}"


async def test_the_body_does_not_matter(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes[PATH] = answer(200, b"no JSON at all")
    await cluster.register(extension)

    assert (await cluster.condition("True"))["reason"] == "Passed"


async def test_one_success_of_five_is_enough(cluster: Cluster, extension: ExtensionServer) -> None:
    asked = 0

    async def every_fifth(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal asked
        asked += 1
        await answer(200 if asked % 5 == 0 else 500)(scope, receive, send)

    extension.routes[PATH] = every_fifth
    await cluster.register(extension)

    assert (await cluster.condition("True"))["reason"] == "Passed"


async def test_one_that_refuses_connections_fails_the_check(cluster: Cluster, extension: ExtensionServer) -> None:
    assert extension.socket is not None
    await extension.socket.aclose()
    await cluster.register(extension)
    condition = await cluster.condition("False", "FailedDiscoveryCheck")

    url = f"https://{extension.host}:{extension.port}{PATH}"
    assert condition["message"].startswith(f'failing or missing response from {url}: Get "{url}": dial tcp ')
    assert condition["message"].endswith("connect: connection refused")


def is_unavailable_for(condition: JsonObject, host: str, port: int, why: str) -> bool:
    """Whether the check has failed because a request did, for a reason that begins like this."""
    url = f"https://{host}:{port}{PATH}"
    message: str = condition["message"]
    return message.startswith(f'failing or missing response from {url}: Get "{url}": {why}')


@pytest.mark.parametrize("misbehave", [garbage, reset, half_a_header])
async def test_one_whose_answer_is_none_fails_the_check(cluster: Cluster, misbehave: Answering) -> None:
    async def behave(connection: Connection) -> None:
        await connection.request()
        await misbehave(connection)

    host = cluster.backend.place.host
    async with raw_backend(behave, host=host) as port:
        await register_raw(cluster, port)
        condition = await cluster.condition("False", "FailedDiscoveryCheck")

    assert is_unavailable_for(condition, host, port, "")


async def test_one_that_hangs_fails_the_check(hasty: Cluster, hasty_extension: ExtensionServer) -> None:
    hasty_extension.routes[PATH] = hang
    await hasty.register(hasty_extension)
    condition = await hasty.condition("False", "FailedDiscoveryCheck")

    assert is_unavailable_for(condition, hasty_extension.host, hasty_extension.port, "context deadline exceeded")


async def test_a_success_that_breaks_off_is_one(cluster: Cluster) -> None:
    async def half(connection: Connection) -> None:
        await connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")

    async with raw_backend(half, host=cluster.backend.place.host) as port:
        await register_raw(cluster, port)

        assert (await cluster.condition("True"))["reason"] == "Passed"


async def test_one_that_recovers_is_found_without_a_change_of_any_object(
    cluster: Cluster, extension: ExtensionServer
) -> None:
    extension.routes[PATH] = answer(500)
    await cluster.register(extension)
    await cluster.condition("False")
    extension.routes[PATH] = answer(200)

    assert (await cluster.condition("True"))["reason"] == "Passed"


async def test_one_that_fails_is_found_by_the_next_round(cluster: Cluster, extension: ExtensionServer) -> None:
    await cluster.available(extension)
    extension.routes[PATH] = answer(500)

    assert (await cluster.condition("False"))["reason"] == "FailedDiscoveryCheck"
    assert (await cluster.admin.get(NODES)).status_code == 503


async def test_endpoints_that_come_and_go_are_followed(cluster: Cluster, extension: ExtensionServer) -> None:
    await cluster.available(extension)
    path = f"{ENDPOINT_SLICES}/ms-1"
    found = []
    for ready, status in ((False, "False"), (True, "True")) * 2:
        endpoints = [{"addresses": [extension.host], "conditions": {"ready": ready}}]
        await cluster.change(path, {"endpoints": endpoints})
        found.append((await cluster.condition(status))["reason"])

    assert found == ["MissingEndpoints", "Passed"] * 2


async def test_the_transition_time_moves_with_the_status_only(cluster: Cluster, extension: ExtensionServer) -> None:
    await cluster.create(API_SERVICES, api_service())
    before = await cluster.condition("False", "ServiceNotFound")
    await cluster.backend.pass_time(2)
    await cluster.admin.delete(f"{API_SERVICES}/{NAME}")
    await cluster.create(API_SERVICES, api_service())
    made_anew = await cluster.condition("False", "ServiceNotFound")
    await cluster.backend.pass_time(2)
    extension.routes[PATH] = answer(500)
    await cluster.create("/api/v1/namespaces/kube-system/services", _service())
    changed_reason = await cluster.condition("False", "EndpointsNotFound")

    assert made_anew["lastTransitionTime"] > before["lastTransitionTime"]
    assert changed_reason["lastTransitionTime"] == made_anew["lastTransitionTime"]


def _service() -> dict[str, object]:
    ports = [{"name": "https", "port": 443, "protocol": "TCP"}]
    return {"metadata": {"name": "ms"}, "spec": {"type": "ClusterIP", "ports": ports}}
