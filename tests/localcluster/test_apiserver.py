"""The server's life: start, stop, faults of its connections, kubeconfigs."""

from __future__ import annotations

import asyncio
import base64
import ssl
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml

from metrics_api.errors import StartupError
from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.authorities import Authorities
from metrics_api.localcluster.bootstrap import publish_authentication_config
from metrics_api.localcluster.kubeconfig import (
    admin_kubeconfig,
    certificate_kubeconfig,
    service_account_kubeconfig,
    write_kubeconfig,
)
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import CONFIG_MAPS, NODES, SERVICE_ACCOUNTS
from metrics_api.localcluster.seams import Receive, Scope, Send
from metrics_api.localcluster.users import User
from tests.fakes import FakeClock
from tests.localcluster.fake_aggregator import FakeAggregator
from tests.localcluster.watcher import watch

Connect = Callable[..., httpx.AsyncClient]


async def test_a_stopped_server_refuses_connections_and_comes_back_on_its_port(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    objects.create(NODES, {"metadata": {"name": "n1"}})
    port = server.port
    await server.stop()
    with pytest.raises(httpx.ConnectError):
        await admin.get("/api/v1/nodes")
    await server.start()

    response = await admin.get("/api/v1/nodes/n1")

    assert response.status_code == 200
    assert server.port == port


async def test_a_server_that_is_away_closes_connections_without_an_answer(
    server: ApiServer, admin: httpx.AsyncClient
) -> None:
    await admin.get("/version")
    server.faults.away = True
    with pytest.raises(httpx.TransportError):
        await admin.get("/version")
    server.faults.away = False

    assert (await admin.get("/version")).status_code == 200


async def test_dropped_connections_cut_watches_short(server: ApiServer, admin: httpx.AsyncClient) -> None:
    async with watch(admin, "/api/v1/nodes") as watcher:
        await server.drop_connections()
        with pytest.raises(httpx.TransportError):
            await watcher.until_end()
    assert server.watches.count == 0
    assert (await admin.get("/version")).status_code == 200


async def test_stopping_ends_watches_in_order(server: ApiServer, admin: httpx.AsyncClient) -> None:
    async with watch(admin, "/api/v1/nodes") as watcher:
        stopping = asyncio.create_task(server.stop())
        assert await watcher.until_end() == []
        await stopping


async def test_a_taken_port_is_an_error_that_names_it(
    server: ApiServer, authorities: Authorities, clock: FakeClock
) -> None:
    second = ApiServer(ObjectStore(clock), authorities, clock, port=server.port)

    with pytest.raises(StartupError, match=str(server.port)):
        await second.start()


def test_a_server_that_was_never_started_has_no_port(authorities: Authorities, clock: FakeClock) -> None:
    with pytest.raises(RuntimeError):
        _ = ApiServer(ObjectStore(clock), authorities, clock).port


async def test_objects_that_exist_are_kept_when_the_server_is_made(
    objects: ObjectStore, authorities: Authorities, clock: FakeClock
) -> None:
    ApiServer(objects, authorities, clock)
    version = objects.version
    ApiServer(objects, authorities, clock)

    assert objects.version == version


async def test_new_authorities_are_published_to_watches(
    server: ApiServer, admin: httpx.AsyncClient, objects: ObjectStore
) -> None:
    path = "/api/v1/namespaces/kube-system/configmaps"
    query = {"fieldSelector": "metadata.name=extension-apiserver-authentication"}
    rotated = Authorities.create()
    async with watch(admin, path, **query) as watcher:
        _, before = await watcher.next()
        publish_authentication_config(objects, rotated)
        kind, after = await watcher.next()

    assert kind == "MODIFIED"
    assert before["data"]["requestheader-client-ca-file"] != after["data"]["requestheader-client-ca-file"]
    assert after["data"]["requestheader-client-ca-file"] == rotated.front_proxy.certificate.decode()


async def test_requests_are_witnessed_with_user_verb_and_status(
    server: ApiServer, admin: httpx.AsyncClient, connect: Connect
) -> None:
    await admin.get("/api/v1/namespaces/shop/pods")
    await admin.get("/apis/apps/v1/namespaces/shop/deployments/d")
    await connect("alice").get("/metrics")
    async with watch(admin, "/api/v1/nodes"):
        pass

    seen = [(one.user, one.verb, one.resource or one.path, one.status) for one in server.witness.requests()]
    assert seen == [
        ("kubernetes-admin", "list", "pods", 200),
        ("kubernetes-admin", "get", "deployments.apps", 404),
        ("alice", "get", "/metrics", 403),
        ("kubernetes-admin", "watch", "nodes", 200),
    ]


async def test_a_bug_in_a_handler_is_a_500_and_not_a_broken_connection(
    server: ApiServer, admin: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(FakeAggregator):
        async def __call__(self, scope: Scope, receive: Receive, send: Send, user: User) -> None:
            raise ZeroDivisionError

    server.aggregator = Broken()

    response = await admin.get("/apis/metrics.k8s.io/v1beta1/nodes")

    assert response.status_code == 500
    assert response.json()["reason"] == "InternalError"
    assert "a bug in the stand-in API server" in caplog.text


async def test_an_administrators_kubeconfig_works_by_itself(server: ApiServer, tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", admin_kubeconfig(server))
    document = yaml.safe_load(path.read_text())
    [cluster], [user] = document["clusters"], document["users"]
    pair = tmp_path / "pair.pem"
    encoded = (user["user"]["client-certificate-data"], user["user"]["client-key-data"])
    pair.write_bytes(b"".join(map(base64.b64decode, encoded)))
    authority = base64.b64decode(cluster["cluster"]["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    context.load_cert_chain(pair)

    async with httpx.AsyncClient(verify=context, base_url=cluster["cluster"]["server"], trust_env=False) as client:
        response = await client.get("/api/v1/pods")

    assert response.status_code == 200
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert document["current-context"] == document["contexts"][0]["name"]


async def test_a_service_accounts_kubeconfig_has_its_token(
    server: ApiServer, connect: Connect, objects: ObjectStore
) -> None:
    account = {"metadata": {"name": "metrics-server", "namespace": "kube-system"}}
    uid = objects.create(SERVICE_ACCOUNTS, account)["metadata"]["uid"]
    document = yaml.safe_load(service_account_kubeconfig(server, "kube-system", "metrics-server"))
    token = document["users"][0]["user"]["token"]

    await connect(token=token).get("/version")

    user = server.tokens.find(token)
    assert user is not None
    assert (user.name, user.uid) == ("system:serviceaccount:kube-system:metrics-server", uid)
    assert server.witness.requests()[-1].user == user.name


async def test_a_named_users_kubeconfig_has_a_certificate_with_the_groups(server: ApiServer) -> None:
    document = yaml.safe_load(certificate_kubeconfig(server, "alice", ["dev"]))

    assert document["users"][0]["name"] == "alice"
    assert b"BEGIN CERTIFICATE" in base64.b64decode(document["users"][0]["user"]["client-certificate-data"])


def test_a_cluster_has_its_config_before_it_serves(
    objects: ObjectStore, authorities: Authorities, clock: FakeClock
) -> None:
    ApiServer(objects, authorities, clock)

    assert objects.get(CONFIG_MAPS, "kube-system", "extension-apiserver-authentication") is not None
