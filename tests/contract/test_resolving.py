"""From a Service to an address, and what is said when there is none (contract §1.3, §1.4, the reasons of §2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from metrics_api.pki import KeyPair
from tests.contract.cluster import (
    API_SERVICES,
    ENDPOINT_SLICES,
    NODES,
    PATH,
    SERVICES,
    Cluster,
    api_service,
    endpoint_slice,
    service,
)
from tests.localcluster.aggregation.extension_server import (
    SERVER_NAME,
    ExtensionServer,
    answer,
    authority,
    serving_pair,
)


async def test_a_ready_endpoint_is_dialled(cluster: Cluster, extension: ExtensionServer) -> None:
    extension.routes[NODES] = answer(200, {"here": True})
    await cluster.available(extension)

    assert (await cluster.proxied()).json() == {"here": True}


async def test_an_endpoint_that_does_not_say_whether_it_is_ready_counts(
    cluster: Cluster, extension: ExtensionServer
) -> None:
    await cluster.create(SERVICES, service())
    await cluster.create(ENDPOINT_SLICES, endpoint_slice(extension.host, extension.port, ready=None))
    await cluster.create(API_SERVICES, api_service())

    assert (await cluster.condition("True"))["message"] == "all checks passed"


def require_services(cluster: Cluster) -> None:
    if not cluster.backend.place.dials_services:
        pytest.skip("needs the aggregator's default routing, which needs kube-proxy")


async def test_an_external_name_is_dialled_at_the_apiservices_port(cluster: Cluster) -> None:
    require_services(cluster)
    async with ExtensionServer(routes={PATH: answer(200, {}), NODES: answer(200, {"here": True})}) as extension:
        await cluster.create(SERVICES, service(type="ExternalName", externalName="localhost", ports=None))
        reference = {"namespace": "kube-system", "name": "ms", "port": extension.port}
        await cluster.create(API_SERVICES, api_service(service=reference))
        await cluster.condition("True", "Passed")

        assert (await cluster.proxied()).json() == {"here": True}
        assert set(extension.sni) == {SERVER_NAME}


async def test_a_service_without_a_cluster_ip_leads_nowhere(cluster: Cluster, extension: ExtensionServer) -> None:
    require_services(cluster)
    await cluster.create(SERVICES, service(clusterIP="None"))
    await cluster.create(ENDPOINT_SLICES, endpoint_slice(extension.host, extension.port))
    await cluster.create(API_SERVICES, api_service())
    await cluster.condition("False")
    response = await cluster.admin.get(NODES)

    assert (response.status_code, response.text) == (503, "service unavailable\n")


OTHER_PORT = [{"name": "https", "port": 8443, "protocol": "TCP", "targetPort": "https"}]


@pytest.mark.parametrize(
    ("services", "slices", "reason"),
    [
        pytest.param([], [], "ServiceNotFound", id="no-service"),
        pytest.param([service(ports=OTHER_PORT)], [], "ServicePortError", id="another-port"),
        pytest.param([service()], [], "EndpointsNotFound", id="no-endpoint-slices"),
        pytest.param([service()], [{"ready": False}], "MissingEndpoints", id="none-ready"),
        pytest.param([service()], [{"port_name": "other"}], "MissingEndpoints", id="another-port-name"),
    ],
)
async def test_what_stands_in_the_way_is_the_reason(
    cluster: Cluster,
    extension: ExtensionServer,
    services: list[dict[str, Any]],
    slices: list[dict[str, Any]],
    reason: str,
) -> None:
    for each in services:
        await cluster.create(SERVICES, each)
    for how in slices:
        await cluster.create(ENDPOINT_SLICES, endpoint_slice(extension.host, extension.port, **how))
    await cluster.create(API_SERVICES, api_service())
    condition = await cluster.condition("False")
    response = await cluster.admin.get(NODES)

    assert condition["reason"] == reason
    assert condition["message"]
    assert (response.status_code, response.text) == (503, "service unavailable\n")
    assert extension.received == []


def of_another_authority() -> KeyPair:
    return authority("another-ca").issue("extension server", dns_names=[SERVER_NAME], server=True)


def of_another_name() -> KeyPair:
    return serving_pair("ms.default.svc")


def of_the_common_name_only() -> KeyPair:
    return authority("serving-ca").issue(SERVER_NAME, dns_names=["localhost"], server=True)


UNTRUSTED = [of_another_authority, of_another_name, of_the_common_name_only]


@pytest.mark.parametrize("pair", UNTRUSTED)
async def test_a_certificate_is_refused(cluster: Cluster, pair: Callable[[], KeyPair]) -> None:
    routes = {PATH: answer(200, {})}
    async with ExtensionServer(pair(), host=cluster.backend.place.host, routes=routes) as extension:
        await cluster.register(extension)
        condition = await cluster.condition("False", "FailedDiscoveryCheck")

    assert "tls: failed to verify certificate: x509: " in condition["message"]


@pytest.mark.parametrize("pair", UNTRUSTED)
async def test_insecure_skip_tls_verify_believes_all_of_them(cluster: Cluster, pair: Callable[[], KeyPair]) -> None:
    routes = {PATH: answer(200, {})}
    async with ExtensionServer(pair(), host=cluster.backend.place.host, routes=routes) as extension:
        await cluster.register(extension, api_service(caBundle=None, insecureSkipTLSVerify=True))

        assert (await cluster.condition("True"))["reason"] == "Passed"


async def test_without_bundle_and_without_insecure_the_systems_authorities_decide(
    cluster: Cluster, extension: ExtensionServer
) -> None:
    await cluster.register(extension, api_service(caBundle=None))

    assert "x509: " in (await cluster.condition("False", "FailedDiscoveryCheck"))["message"]
