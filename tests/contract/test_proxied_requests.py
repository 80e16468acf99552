"""What an extension server sees of a request (contract §1.4, §1.5)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.contract.backend import READER, READER_TOKEN, ROBOT_TOKEN
from tests.contract.cluster import NODES, Cluster
from tests.localcluster.aggregation.extension_server import SERVER_NAME, ExtensionServer, Received, answer

ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


@pytest.fixture
async def proxied(cluster: Cluster, extension: ExtensionServer) -> ExtensionServer:
    """The extension server, Available, with a resource that everything can be sent to."""
    extension.routes[NODES] = answer(200, {})
    await cluster.available(extension)
    await cluster.proxied()
    extension.received.clear()
    return extension


async def sent(extension: ExtensionServer, client: httpx.AsyncClient, path: str = NODES, **how: Any) -> Received:
    """Return the request that arrived for one that was sent."""
    await client.request(how.pop("method", "GET"), path, **how)
    return extension.arrivals(path.partition("?")[0])[-1]


async def test_a_certificates_user_comes_with_groups_and_credential(cluster: Cluster, proxied: ExtensionServer) -> None:
    received = await sent(proxied, cluster.client("alice", ["devs", "system:masters"]))

    assert received.values("x-remote-user") == ["alice"]
    assert received.values("x-remote-group") == ["devs", "system:masters", "system:authenticated"]
    assert received.values("x-remote-uid") == []
    (credential,) = received.values("x-remote-extra-authentication.kubernetes.io%2fcredential-id")
    assert credential.startswith("X509SHA256=")


async def test_a_tokens_user_comes_with_its_uid_and_without_the_token(
    cluster: Cluster, proxied: ExtensionServer
) -> None:
    received = await sent(proxied, cluster.client(token=ROBOT_TOKEN))

    assert received.values("x-remote-user") == ["robot"]
    assert received.values("x-remote-uid") == ["42"]
    assert received.values("authorization") == []
    assert ROBOT_TOKEN not in str(received)


async def test_the_impersonated_user_is_the_one_that_comes(cluster: Cluster, proxied: ExtensionServer) -> None:
    headers = [
        ("Impersonate-User", "bob"),
        ("Impersonate-Group", "system:masters"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-Scopes", "all"),
    ]
    received = await sent(proxied, cluster.admin, headers=headers)

    assert received.values("x-remote-user") == ["bob"]
    assert received.values("x-remote-uid") == ["7"]
    assert received.values("x-remote-extra-scopes") == ["all"]
    assert [name for name, _ in received.headers if name.startswith("impersonate")] == []


async def test_what_a_client_claims_about_itself_is_removed(cluster: Cluster, proxied: ExtensionServer) -> None:
    forged = {"X-Remote-User": "root", "X-Remote-Group": "gods", "X-Remote-Extra-Rank": "high"}
    received = await sent(proxied, cluster.client("alice", ["system:masters"]), headers=forged)

    assert received.values("x-remote-user") == ["alice"]
    assert received.values("x-remote-group") == ["system:masters", "system:authenticated"]
    assert received.values("x-remote-extra-rank") == []


async def test_the_host_is_the_backends(cluster: Cluster, proxied: ExtensionServer) -> None:
    received = await sent(proxied, cluster.admin, headers={"Host": "example.com"})

    assert received.values("host") == [f"{proxied.host}:{proxied.port}"]


async def test_where_it_comes_from_is_added(cluster: Cluster, proxied: ExtensionServer) -> None:
    received = await sent(proxied, cluster.admin, headers={"X-Forwarded-For": "203.0.113.9"})

    assert received.values("x-forwarded-for") == ["203.0.113.9, 127.0.0.1"]
    assert received.values("x-forwarded-proto") == ["https"]
    assert len(received.values("x-forwarded-host")) == 1
    assert received.values("x-forwarded-uri") == [NODES]


async def test_the_audit_id_is_the_same_on_both_sides(cluster: Cluster, proxied: ExtensionServer) -> None:
    response = await cluster.admin.get(NODES)

    assert proxied.arrivals(NODES)[-1].values("audit-id") == [response.headers["audit-id"].partition(",")[0]]


async def test_a_clients_other_headers_are_passed_on(cluster: Cluster, proxied: ExtensionServer) -> None:
    headers = {
        "User-Agent": "tests",
        "Accept": "application/vnd.kubernetes.protobuf, */*",
        "Accept-Encoding": "gzip, br",
        "If-None-Match": '"abc"',
        "Cookie": "a=b",
        "X-Own": "1",
    }
    received = await sent(proxied, cluster.admin, headers=headers)

    assert {name: received.values(name.lower()) for name in headers} == {
        name: [value] for name, value in headers.items()
    }


async def test_gzip_is_asked_for_when_the_client_does_not_say(cluster: Cluster, proxied: ExtensionServer) -> None:
    request = cluster.admin.build_request("GET", NODES)
    del request.headers["accept-encoding"]
    await cluster.admin.send(request)

    assert proxied.arrivals(NODES)[-1].values("accept-encoding") == ["gzip"]


async def test_hop_by_hop_headers_are_removed(cluster: Cluster, proxied: ExtensionServer) -> None:
    headers = {"Connection": "keep-alive, X-Mine", "X-Mine": "1", "TE": "gzip", "Proxy-Authorization": "Basic eA=="}
    received = await sent(proxied, cluster.admin, headers=headers)

    for name in ("x-mine", "te", "proxy-authorization"):
        assert received.values(name) == []


@pytest.mark.parametrize(
    ("query", "arrives"),
    [
        pytest.param("b=2&a=1", "a=1&b=2", id="sorted-by-key"),
        pytest.param("b=2&a=2&a=1", "a=2&a=1&b=2", id="values-of-a-key-keep-their-order"),
        pytest.param("a=1;c=3&b=2", "b=2", id="a-semicolon-drops-the-parameter"),
        pytest.param("a=x%20y", "a=x+y", id="a-space-becomes-a-plus"),
        pytest.param("a=%7e%2C", "a=~%2C", id="encoded-in-one-way"),
    ],
)
async def test_the_query_is_written_anew(cluster: Cluster, proxied: ExtensionServer, query: str, arrives: str) -> None:
    await cluster.admin.get(f"{NODES}?{query}")

    assert proxied.arrivals(NODES)[-1].target == f"{NODES}?{arrives}"


async def test_the_path_is_encoded_anew(cluster: Cluster, proxied: ExtensionServer) -> None:
    await cluster.admin.get(f"{NODES}/%6e%20%31")

    assert proxied.received[-1].target == f"{NODES}/n%201"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_other_methods_and_their_bodies_are_passed_on(
    cluster: Cluster, proxied: ExtensionServer, method: str
) -> None:
    received = await sent(proxied, cluster.admin, method=method, content=b"body")

    assert (received.method, received.body) == (method, b"body")


async def test_who_has_no_rights_never_reaches_it_and_who_has_them_does(
    cluster: Cluster, proxied: ExtensionServer
) -> None:
    reader = cluster.client(token=READER_TOKEN)
    refused = await reader.get(NODES)
    rule = {"apiGroups": ["metrics.k8s.io"], "resources": ["nodes"], "verbs": ["get", "list"]}
    await cluster.create(ROLES, {"metadata": {"name": "contract-reader"}, "rules": [rule]})
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": READER.name}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "contract-reader"}
    binding = {"metadata": {"name": "contract-reader"}, "subjects": [subject], "roleRef": reference}
    unreached = proxied.arrivals(NODES)
    await cluster.create(BINDINGS, binding)
    allowed = await cluster.eventually(lambda: reader.get(NODES), lambda got: got.status_code == 200)

    assert (refused.status_code, refused.json()["reason"], unreached) == (403, "Forbidden", [])
    assert refused.json()["message"] == (
        'nodes.metrics.k8s.io is forbidden: User "reader" cannot list resource "nodes" in API group "metrics.k8s.io"'
        " at the cluster scope"
    )
    assert allowed.status_code == 200


async def test_the_front_proxys_certificate_is_presented_and_the_services_name_asked_for(
    cluster: Cluster, proxied: ExtensionServer
) -> None:
    received = await sent(proxied, cluster.admin)

    assert received.peer == "front-proxy-client"
    assert set(proxied.sni) == {SERVER_NAME}


async def test_connections_are_kept(cluster: Cluster, proxied: ExtensionServer) -> None:
    first, second = [await sent(proxied, cluster.admin) for _ in range(2)]

    assert first.connection == second.connection
