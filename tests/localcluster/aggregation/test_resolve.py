from __future__ import annotations

from typing import Any

import pytest

from metrics_api.errors import KubeUnreachableError
from metrics_api.localcluster.aggregation.apiservice import ServiceReference
from metrics_api.localcluster.aggregation.resolve import BACKEND_ANNOTATION, Address, Obstacle, ResolveError, Resolver
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import ENDPOINT_SLICES, SERVICES, Resource
from metrics_api.localcluster.stored import JsonObject
from tests.fakes import FakeClock
from tests.localcluster.aggregation.stand_in import endpoint_slice, service

MS = ServiceReference("kube-system", "ms", 443)


def resolver(*slices: JsonObject, **spec: Any) -> Resolver:
    objects = ObjectStore(FakeClock())
    objects.create(SERVICES, service(**spec))
    objects.load(ENDPOINT_SLICES, slices)
    return Resolver(objects, seed=1)


def test_a_ready_endpoint_is_dialled_at_the_port_of_its_slice() -> None:
    assert resolver(endpoint_slice(10250, "192.0.2.1")).resolve(MS) == Address("192.0.2.1", 10250)


def test_an_endpoint_that_does_not_say_whether_it_is_ready_counts() -> None:
    assert resolver(endpoint_slice(10250, "192.0.2.1", ready=None)).resolve(MS).host == "192.0.2.1"


def test_all_ready_endpoints_of_all_slices_get_their_turn() -> None:
    found = resolver(
        endpoint_slice(1, "192.0.2.1", "192.0.2.2", name="a"),
        endpoint_slice(2, "192.0.2.3", name="b"),
        endpoint_slice(3, "192.0.2.4", name="c", ready=False),
    )
    hosts = {found.resolve(MS) for _ in range(100)}
    assert hosts == {Address("192.0.2.1", 1), Address("192.0.2.2", 1), Address("192.0.2.3", 2)}


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_types_that_have_endpoints(kind: str) -> None:
    assert resolver(endpoint_slice(1, "192.0.2.1"), type=kind).resolve(MS).host == "192.0.2.1"


def test_an_external_name_is_dialled_at_the_port_of_the_apiservice() -> None:
    found = resolver(type="ExternalName", externalName="ms.example", ports=[])
    assert found.resolve(ServiceReference("kube-system", "ms", 4443)) == Address("ms.example", 4443)
    assert found.obstacle(MS) is None


def test_a_port_without_a_name_matches_a_slice_without_one() -> None:
    slices = endpoint_slice(1, "192.0.2.1")
    del slices["ports"][0]["name"]
    assert resolver(slices, ports=[{"port": 443}]).resolve(MS).port == 1


def test_the_primary_family_is_preferred() -> None:
    six = {**endpoint_slice(6, "2001:db8::1", name="six"), "addressType": "IPv6"}
    found = resolver(six, endpoint_slice(4, "192.0.2.1"), ipFamilies=["IPv6", "IPv4"])
    assert {str(found.resolve(MS)) for _ in range(50)} == {"[2001:db8::1]:6"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"clusterIP": "None"}, 'cannot route to service with ClusterIP "None"', id="headless"),
        pytest.param({"type": "Strange"}, 'unsupported service type "Strange"', id="unknown-type"),
        pytest.param({"ports": [{"port": 80}]}, 'no service port 443 found for service "ms"', id="no-such-port"),
        pytest.param({"ports": None}, 'no service port 443 found for service "ms"', id="no-ports"),
        pytest.param(
            {"ports": [{"port": 443, "name": "web"}]}, 'no endpoints available for service "ms"', id="other-name"
        ),
    ],
)
def test_a_service_that_leads_nowhere(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ResolveError) as caught:
        resolver(endpoint_slice(1), **spec).resolve(MS)
    assert str(caught.value) == message


def test_a_service_that_does_not_exist() -> None:
    with pytest.raises(ResolveError, match='services "ms" not found'):
        Resolver(ObjectStore(FakeClock())).resolve(MS)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://", "https://h:port", "127.0.0.1:1"])
def test_an_annotation_that_is_no_https_url(url: str) -> None:
    objects = ObjectStore(FakeClock())
    annotated = service()
    annotated["metadata"]["annotations"] = {BACKEND_ANNOTATION: url}
    objects.create(SERVICES, annotated)
    with pytest.raises(ResolveError, match=BACKEND_ANNOTATION):
        Resolver(objects).resolve(MS)


class Broken(ObjectStore):
    """Cannot be read, for one of the two resources."""

    def __init__(self, broken: Resource) -> None:
        super().__init__(FakeClock())
        super().create(SERVICES, service())
        self._broken = broken

    def get(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        self._fail(resource)
        return super().get(resource, namespace, name)

    def list(self, resource: Resource, namespace: str | None = None) -> Any:
        self._fail(resource)
        return super().list(resource, namespace)

    def _fail(self, resource: Resource) -> None:
        if resource is self._broken:
            raise KubeUnreachableError("out of order")


@pytest.mark.parametrize(
    ("broken", "reason"), [(SERVICES, "ServiceAccessError"), (ENDPOINT_SLICES, "EndpointsAccessError")]
)
def test_what_cannot_be_read_is_unknown(broken: Resource, reason: str) -> None:
    message = 'service/ms in "kube-system" cannot be checked due to: out of order'
    assert Resolver(Broken(broken)).obstacle(MS) == Obstacle("Unknown", reason, message)


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_only_services_with_a_cluster_ip_alone_are_looked_at_before_dialling(kind: str) -> None:
    assert resolver(type=kind).obstacle(MS) is None
