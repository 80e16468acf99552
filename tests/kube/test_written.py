"""The objects that this program writes, over the wire: what is sent, and what is made of the answers."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from metrics_api.errors import KubeError, KubeStatusError
from metrics_api.kube.written import ServingObjects
from metrics_api.objects import APIServiceState, Endpoint, LeaseState, ObjectName
from tests.kube.api_server import ApiServer, Step, answer, client_of, serving, status

SERVICE = ObjectName("kube-system", "metrics-server")
NAME = ObjectName("kube-system", "metrics-server-serving")
PATHS = {
    "secret": "/api/v1/namespaces/kube-system/secrets/metrics-server-serving",
    "lease": "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/metrics-server-serving",
    "api_service": "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io",
    "slices": "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices",
}


@asynccontextmanager
async def objects(*steps: Step) -> AsyncIterator[tuple[ServingObjects, ApiServer]]:
    async with serving(*steps) as server, client_of(server) as client:
        yield ServingObjects(client, SERVICE, NAME, ["v1beta1.metrics.k8s.io"]), server


def sent(server: ApiServer) -> Any:
    request = server.requests[-1]
    assert request.method == "PATCH"
    assert request.headers["content-type"] == "application/merge-patch+json"
    return json.loads(request.body)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_a_secret_is_read_and_written_with_its_version() -> None:
    document = {
        "metadata": {"name": "x", "resourceVersion": "7", "annotations": {"a": "b"}},
        "data": {"tls.crt": encoded(b"PEM")},
    }
    async with objects(answer(200, document), answer(200, {})) as (found, server):
        secret = await found.secret()
        await found.write_secret("7", {"tls.crt": b"new", "old": None}, {"a": "c"})

        assert secret is not None
        assert (secret.version, secret.data, secret.annotations) == ("7", {"tls.crt": b"PEM"}, {"a": "b"})
        assert {request.path for request in server.requests} == {PATHS["secret"]}
        assert sent(server) == {
            "metadata": {"resourceVersion": "7", "annotations": {"a": "c"}},
            "data": {"tls.crt": encoded(b"new"), "old": None},
        }


async def test_what_does_not_exist_is_none() -> None:
    gone = status(404, "NotFound", "not found")
    async with objects(gone, gone, gone) as (found, _):
        assert await found.secret() is None
        assert await found.lease() is None
        assert await found.api_services() == []


async def test_empty_objects_as_the_manifest_has_them_are_read() -> None:
    empty = answer(200, {"metadata": {"name": "x", "resourceVersion": "1"}})
    async with objects(empty, empty) as (found, _):
        secret = await found.secret()
        assert secret is not None
        assert secret.data == {}
        assert await found.lease() == LeaseState("1")


async def test_a_lease_is_written_as_it_is_read() -> None:
    spec = {
        "holderIdentity": "a",
        "leaseDurationSeconds": 60,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:20.000000Z",
        "leaseTransitions": 3,
    }
    lease = answer(200, {"metadata": {"resourceVersion": "9"}, "spec": spec})
    async with objects(lease, answer(200, {})) as (found, server):
        read = await found.lease()
        assert read is not None
        await found.write_lease(read)

        assert server.requests[-1].path == PATHS["lease"]
        assert sent(server) == {"metadata": {"resourceVersion": "9"}, "spec": spec}


async def test_trust_is_changed_in_one_patch_that_never_leaves_both_fields() -> None:
    api_service = APIServiceState("v1beta1.metrics.k8s.io", "5", SERVICE, is_insecure=True, ca_bundle=b"")
    async with objects(answer(200, {}), answer(200, {})) as (found, server):
        await found.set_trust(api_service, b"PEM", {"mark": "x"})
        verified = sent(server)
        await found.set_trust(api_service, None, {"mark": None})

        assert server.requests[-1].path == PATHS["api_service"]
        assert verified == {
            "metadata": {"resourceVersion": "5", "annotations": {"mark": "x"}},
            "spec": {"caBundle": encoded(b"PEM"), "insecureSkipTLSVerify": None},
        }
        assert sent(server) == {
            "metadata": {"resourceVersion": "5", "annotations": {"mark": None}},
            "spec": {"caBundle": None, "insecureSkipTLSVerify": True},
        }


async def test_an_api_service_is_read() -> None:
    spec = {"service": {"namespace": "kube-system", "name": "metrics-server", "port": 443}, "caBundle": encoded(b"PEM")}
    document = {"metadata": {"name": "v1beta1.metrics.k8s.io", "resourceVersion": "5"}, "spec": spec}
    async with objects(answer(200, document)) as (found, _):
        assert await found.api_services() == [
            APIServiceState("v1beta1.metrics.k8s.io", "5", SERVICE, is_insecure=False, ca_bundle=b"PEM")
        ]


async def test_a_write_of_an_old_version_is_refused_with_409() -> None:
    async with objects(status(409, "Conflict", "the object has been modified")) as (found, _):
        with pytest.raises(KubeStatusError, match="modified") as raised:
            await found.write_lease(LeaseState("1"))

    assert raised.value.code == 409


async def test_only_ready_endpoints_count_each_once_and_at_the_port_of_its_slice() -> None:
    def part(port: int, *endpoints: dict[str, Any], kind: str = "IPv4", name: str | None = "https") -> dict[str, Any]:
        return {"addressType": kind, "endpoints": list(endpoints), "ports": [{"name": name, "port": port}]}

    ready, unready = {"ready": True}, {"ready": False}
    items = [
        part(
            10250, {"addresses": ["10.0.0.1"], "conditions": ready}, {"addresses": ["10.0.0.2"], "conditions": unready}
        ),
        part(10250, {"addresses": ["10.0.0.1"], "conditions": ready}, {"addresses": ["10.0.0.3"]}),
        part(4443, {"addresses": ["fd00::1"], "conditions": {}}, kind="IPv6", name=""),
        part(10250, {"addresses": ["x" * 64 + ".example"]}, {"addresses": []}),
        part(9090, {"addresses": ["10.0.0.4"]}, name="metrics"),
        part(10250, {"addresses": ["somewhere.example"]}, kind="FQDN"),
        {"addressType": "IPv4", "endpoints": None, "ports": None},
    ]
    async with objects(answer(200, {"items": items})) as (found, server):
        endpoints = await found.endpoints()

        assert endpoints == [Endpoint("10.0.0.1", 10250), Endpoint("10.0.0.3", 10250), Endpoint("fd00::1", 4443)]
        assert server.requests[0].path == PATHS["slices"]
        assert server.requests[0].query == {"labelSelector": "kubernetes.io/service-name=metrics-server"}


@pytest.mark.parametrize(
    "body", [b"no JSON", b'{"metadata": {}, "data": {"tls.crt": "!"}}', b'{"metadata": {}, "data": {"tls.crt": 1}}']
)
async def test_an_answer_that_makes_no_sense_is_an_error(body: bytes) -> None:
    async with objects(answer(200, body)) as (found, _):
        with pytest.raises(KubeError):
            await found.secret()
