"""Every fault that can be switched on, seen from outside: one test a switch, on a whole cluster.

What a fault does in each of its forms is tested where its code is; here, that the switch a user of the cluster has
works, and that all is well again when it is off.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.aggregation.discovery import DiscoveryStyle
from metrics_api.localcluster.authorities import FRONT_PROXY_NAME, Authorities
from metrics_api.localcluster.bootstrap import publish_authentication_config
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.pki import Authority, KeyPair
from tests.fakes import FakeClock
from tests.localcluster.aggregation.extension_server import ExtensionServer, answer
from tests.localcluster.fleet.wire import until
from tests.localcluster.watcher import watch

GROUP = "/apis/metrics.k8s.io/v1beta1"
NODES = f"{GROUP}/nodes"
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
CONFIG = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
REVIEW = {"spec": {"token": "nonsense"}}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def cluster(clock: FakeClock) -> AsyncIterator[LocalCluster]:
    async with LocalCluster(nodes=1, pods_per_node=1, clock=clock) as running:
        yield running


@pytest.fixture
async def admin(cluster: LocalCluster, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    context = ssl.create_default_context(cadata=cluster.authorities.cluster.certificate.decode())
    pair = cluster.authorities.cluster.issue("admin", organizations=["system:masters"], client=True)
    path = tmp_path / "admin.pem"
    path.write_bytes(pair.certificate + pair.key)
    context.load_cert_chain(path)
    async with httpx.AsyncClient(base_url=cluster.api.url, verify=context, trust_env=False) as client:
        yield client


@pytest.fixture
async def extension(cluster: LocalCluster) -> AsyncIterator[ExtensionServer]:
    """An extension server that asks for the front proxy's certificate, Available."""
    routes = {GROUP: answer(200, {"resources": []}), NODES: answer(200, {"items": []})}
    pair = cluster.serving_pair()
    async with ExtensionServer(pair, routes=routes, front_proxy=cluster.authorities.front_proxy) as running:
        cluster.register_extension(running.port, versions=["v1beta1"])
        await cluster.aggregator.idle()
        assert cluster.availability()[0]
        yield running


async def peer(admin: httpx.AsyncClient, extension: ExtensionServer) -> str | None:
    """Return the common name that the extension server saw; 503 when it would not shake hands."""
    extension.received.clear()
    response = await admin.get(NODES)
    return extension.arrivals(NODES)[-1].peer if response.status_code == 200 else str(response.status_code)


def expired(authority: Authority) -> KeyPair:
    now = datetime.now(UTC)
    return authority.issue(
        FRONT_PROXY_NAME, client=True, not_before=now - timedelta(days=2), not_after=now - timedelta(days=1)
    )


async def test_front_proxy_certificate_missing_wrong_expired_and_rotated(
    cluster: LocalCluster, admin: httpx.AsyncClient, extension: ExtensionServer
) -> None:
    good, authority = cluster.aggregator.front_proxy, cluster.authorities.front_proxy
    found = [await peer(admin, extension)]
    for pair in (
        None,
        Authority.create("somebody else").issue(FRONT_PROXY_NAME, client=True),
        expired(authority),
        authority.issue("front-proxy-client-2", client=True),
        good,
    ):
        cluster.aggregator.front_proxy = pair
        found.append(await peer(admin, extension))

    assert found == [FRONT_PROXY_NAME, None, "503", "503", "front-proxy-client-2", FRONT_PROXY_NAME]


async def test_authorities_rotated(cluster: LocalCluster, admin: httpx.AsyncClient) -> None:
    before = (await admin.get(CONFIG)).json()["data"]
    rotated = Authorities.create()
    publish_authentication_config(cluster.objects, rotated)
    after = (await admin.get(CONFIG)).json()["data"]

    assert before["client-ca-file"] == cluster.authorities.cluster.certificate.decode()
    assert after["client-ca-file"] == rotated.cluster.certificate.decode()
    assert after["requestheader-client-ca-file"] == rotated.front_proxy.certificate.decode()


async def test_reviews_failing(cluster: LocalCluster, admin: httpx.AsyncClient) -> None:
    cluster.api.faults.reviews_fail = True
    failed = await admin.post(TOKEN_REVIEWS, json=REVIEW)
    cluster.api.faults.reviews_fail = False

    assert failed.status_code == 500
    assert (await admin.post(TOKEN_REVIEWS, json=REVIEW)).status_code == 201


async def test_reviews_slow(cluster: LocalCluster, admin: httpx.AsyncClient, clock: FakeClock) -> None:
    cluster.api.faults.review_delay = 7.0
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        asked = group.create_task(admin.post(TOKEN_REVIEWS, json=REVIEW))
        while 7.0 not in clock.sleeps:  # noqa: ASYNC110 - the request is on its way over a socket
            await asyncio.sleep(0)
        unanswered = not asked.done()
        await clock.advance(7)

    assert unanswered
    assert asked.result().status_code == 201


async def test_config_map_missing(cluster: LocalCluster, admin: httpx.AsyncClient) -> None:
    cluster.api.faults.authentication_config_missing = True
    missing = await admin.get(CONFIG)
    cluster.api.faults.authentication_config_missing = False

    assert missing.status_code == 404
    assert (await admin.get(CONFIG)).status_code == 200


async def test_api_server_away(cluster: LocalCluster, admin: httpx.AsyncClient) -> None:
    cluster.api.faults.away = True
    with pytest.raises(httpx.TransportError):
        await admin.get("/readyz")
    cluster.api.faults.away = False

    assert (await admin.get("/readyz")).text == "ok"


@pytest.mark.parametrize("how", ["status", "event"])
async def test_watch_expired(cluster: LocalCluster, admin: httpx.AsyncClient, how: str) -> None:
    cluster.api.faults.watch_expired = "status" if how == "status" else "event"
    async with watch(admin, "/api/v1/pods", resourceVersion=str(cluster.objects.version)) as watcher:
        if how == "status":
            found = [watcher.response.status_code]
        else:
            found = [obj["code"] for kind, obj in await watcher.until_end() if kind == "ERROR"]

    assert found == [410]


async def test_bookmarks_off(cluster: LocalCluster, admin: httpx.AsyncClient, clock: FakeClock) -> None:
    query = {"allowWatchBookmarks": "true", "timeoutSeconds": "90", "resourceVersion": str(cluster.objects.version)}
    kinds = []
    for on in (True, False):
        cluster.api.faults.bookmarks = on
        async with watch(admin, "/api/v1/nodes", **query) as watcher:
            await clock.advance(90)
            kinds.append({kind for kind, _ in await watcher.until_end()})

    assert kinds == [{"BOOKMARK"}, set()]


async def test_streaming_lists_off(cluster: LocalCluster, admin: httpx.AsyncClient) -> None:
    cluster.api.faults.streaming_lists = False
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with watch(admin, "/api/v1/nodes", **query) as watcher:
        assert watcher.response.status_code == 422


async def test_legacy_discovery_only(cluster: LocalCluster, admin: httpx.AsyncClient) -> None:
    cluster.api.faults.legacy_discovery_only = True
    found = [(await admin.get("/apis", headers={"Accept": accept})) for accept in (f"{V2},application/json", V2)]
    cluster.api.faults.legacy_discovery_only = False

    assert found[0].json()["kind"] == "APIGroupList"
    assert found[1].status_code == 406
    assert (await admin.get("/apis", headers={"Accept": V2})).json()["kind"] == "APIGroupDiscoveryList"


@pytest.mark.parametrize(
    ("style", "asked"),
    [
        (DiscoveryStyle.V2BETA1, [V2.replace("v=v2;", "v=v2beta1;")]),
        (DiscoveryStyle.LEGACY, []),
    ],
    ids=["v2beta1", "legacy"],
)
async def test_extension_servers_are_asked_for_older_discovery_only(
    cluster: LocalCluster, extension: ExtensionServer, clock: FakeClock, style: DiscoveryStyle, asked: list[str]
) -> None:
    cluster.aggregator.discovery_style = style
    extension.received.clear()
    await clock.advance(61)
    await cluster.aggregator.idle()

    assert [each.values("accept")[0] for each in extension.arrivals("/apis")] == asked


async def test_slow_discovery_of_an_extension_server_delays_that_path_alone(
    cluster: LocalCluster, admin: httpx.AsyncClient, extension: ExtensionServer, clock: FakeClock
) -> None:
    cluster.api.faults.discovery_delay = 2.0
    asked = asyncio.create_task(admin.get(NODES.rpartition("/")[0]))
    assert (await admin.get(NODES)).status_code == 200
    await until(lambda: 2.0 in clock.sleeps)
    assert not asked.done()
    await clock.advance(2.0)
    assert (await asked).status_code == 200


async def test_endpoints_flapping(cluster: LocalCluster, admin: httpx.AsyncClient, extension: ExtensionServer) -> None:
    found = []
    for ready in (False, True) * 3:
        cluster.set_endpoint_ready(ready=ready)
        await cluster.aggregator.idle()
        found.append(((await admin.get(NODES)).status_code, cluster.availability()[1].partition(":")[0]))

    assert found == [(503, "MissingEndpoints"), (200, "Passed")] * 3
    assert cluster.aggregator.availability.became_unavailable["v1beta1.metrics.k8s.io", "MissingEndpoints"] == 3


async def test_an_endpoint_needs_an_extension_server(cluster: LocalCluster) -> None:
    with pytest.raises(LookupError, match="no extension server is registered"):
        cluster.set_endpoint_ready(ready=False)
