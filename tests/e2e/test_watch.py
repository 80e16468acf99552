"""Watches, by clients that nobody here wrote: kubectl, Python, JavaScript, and what informers of client-go send."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from kubernetes import client, config, dynamic
from kubernetes import watch as kubernetes_watch
from kubernetes.client.exceptions import ApiException

from metrics_api.localcluster.cluster import LocalCluster
from tests.e2e.asking import asking
from tests.e2e.programs import TOOLS, run
from tests.e2e.serving import GROUP, Serving, serving

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("watch"),
    pytest.mark.timeout(120),
]

NODES = ["node-00000", "node-00001"]
SYSTEM = "kube-system"
PATIENCE = 30
NODE_PROGRAM = Path(__file__).parents[1] / "clients" / "node" / "client.js"
NODE_ENTRY = TOOLS / "node" / "node_modules" / "@kubernetes" / "client-node" / "dist" / "index.js"


class Watched:
    """A cluster whose metrics can be watched over the aggregation layer."""

    def __init__(self, kubeconfig: Path, http: httpx.AsyncClient) -> None:
        self.kubeconfig = kubeconfig
        self.http = http
        """Asks the stand-in for kube-apiserver as an administrator."""
        self._labels = 0

    async def pods(self, namespace: str = SYSTEM) -> list[str]:
        listed = await self.http.get(f"{GROUP}/namespaces/{namespace}/pods")
        return [item["metadata"]["name"] for item in listed.json()["items"]]

    async def relabel(self, name: str, *, kind: str = f"namespaces/{SYSTEM}/pods") -> None:
        """Give an object a new label, which changes its metrics at once."""
        self._labels += 1
        answer = await self.http.patch(
            f"/api/v1/{kind}/{name}",
            headers={"content-type": "application/merge-patch+json"},
            json={"metadata": {"labels": {"changed": str(self._labels)}}},
        )
        assert answer.is_success, answer.text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    directory = tmp_path_factory.mktemp("watched")
    async with LocalCluster(nodes=2, pods_per_node=5) as cluster:
        pair = cluster.serving_pair()
        (directory / "tls.crt").write_bytes(pair.certificate)
        (directory / "tls.key").write_bytes(pair.key)
        certificate = [f"--tls-cert-file={directory / 'tls.crt'}", f"--tls-private-key-file={directory / 'tls.key'}"]
        async with serving(cluster, directory, "--enable-watch", *certificate) as server:
            await server.until(lambda: server.items("nodes"), lambda found: len(found) == 2)
            await server.until(lambda: server.items(f"namespaces/{SYSTEM}/pods"), lambda found: len(found) >= 2)
            cluster.register_extension(server.port)
            kubeconfig = directory / "admin.kubeconfig"
            kubeconfig.write_text(cluster.admin_kubeconfig())
            async with asking(kubeconfig) as http:
                await server.until(lambda: http.get(f"{GROUP}/nodes"), lambda answer: answer.status_code == 200)
                yield Watched(kubeconfig, http)


@contextlib.asynccontextmanager
async def lines_of(*command: str, kubeconfig: Path) -> AsyncIterator[Callable[[], Any]]:
    """Run a program that does not end by itself, and yield what returns its next line in words."""
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment)
    assert process.stdout is not None

    async def line() -> list[str]:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return (await process.stdout.readline()).decode().split()

    try:
        yield line
    finally:
        process.terminate()
        await process.communicate()


async def test_kubectl_prints_each_change(watched: Watched, kubectl: str) -> None:
    names = await watched.pods()
    command = (kubectl, "get", "podmetrics", "-n", SYSTEM, "-w", "--output-watch-events")
    async with lines_of(*command, kubeconfig=watched.kubeconfig) as line:
        assert await line() == ["EVENT", "NAME", "CPU", "MEMORY", "WINDOW"]
        assert [(await line())[:2] for _ in names] == [["ADDED", name] for name in names]
        await watched.relabel(names[-1])
        while (found := await line())[1] != names[-1]:  # others may have been measured meanwhile
            pass
        assert (found[0], len(found)) == ("MODIFIED", 5)


@pytest.mark.parametrize("output", ["name", "json", "wide"])
async def test_kubectl_prints_only_changes(watched: Watched, kubectl: str, output: str) -> None:
    command = (kubectl, "get", "nodemetrics", NODES[1], "--watch-only", "-o", output)
    async with lines_of(*command, kubeconfig=watched.kubeconfig) as line:
        printed = asyncio.create_task(line())
        while not printed.done():
            await watched.relabel(NODES[1], kind="nodes")  # again, until the watch has begun
            await asyncio.wait({printed}, timeout=0.2)
        first = await printed
    expected = {"name": ["nodes.metrics.k8s.io/node-00001"], "json": ["{"], "wide": ["NAME", "CPU", "MEMORY", "WINDOW"]}
    assert first == expected[output] or first == ["nodemetrics.metrics.k8s.io/node-00001"]


async def test_kubectl_sees_the_verb(watched: Watched, kubectl: str) -> None:
    finished = await run(
        kubectl, "api-resources", "--api-group=metrics.k8s.io", "--verbs=list,watch", "-o", "name",
        kubeconfig=watched.kubeconfig,
    )  # fmt: skip
    assert finished.out.split() == ["nodes.metrics.k8s.io", "pods.metrics.k8s.io"]


async def test_the_python_client_streams(watched: Watched) -> None:
    names = await watched.pods()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stream() -> list[tuple[str, str]]:
        seen = []
        with config.new_client_from_config(str(watched.kubeconfig)) as api:  # type: ignore[no-untyped-call] # none
            listing = client.CustomObjectsApi(api).list_namespaced_custom_object
            watching = kubernetes_watch.Watch()  # type: ignore[no-untyped-call] # it has no types
            arguments = ("metrics.k8s.io", "v1beta1", SYSTEM, "pods")
            for event in watching.stream(listing, *arguments, timeout_seconds=PATIENCE):  # type: ignore[no-untyped-call] # none
                seen.append((event["type"], event["object"]["metadata"]["name"]))
                if len(seen) == len(names):
                    loop.call_soon_threadsafe(begun.set)
                if seen[-1] == ("MODIFIED", names[0]):
                    break
        return seen

    streaming = asyncio.create_task(asyncio.to_thread(stream))
    await asyncio.wait_for(begun.wait(), PATIENCE)
    await watched.relabel(names[0])
    seen = await streaming
    assert seen[: len(names)] == [("ADDED", name) for name in names]
    assert seen[-1] == ("MODIFIED", names[0])


async def test_the_python_client_hears_that_a_version_is_of_another_replica(watched: Watched) -> None:
    def stream() -> None:
        with config.new_client_from_config(str(watched.kubeconfig)) as api:  # type: ignore[no-untyped-call] # none
            watching = kubernetes_watch.Watch()  # type: ignore[no-untyped-call] # it has no types
            listing = client.CustomObjectsApi(api).list_cluster_custom_object
            arguments = ("metrics.k8s.io", "v1", "nodes")
            for _ in watching.stream(listing, *arguments, resource_version="7"):  # type: ignore[no-untyped-call] # none
                raise AssertionError("there is no event after a version that nobody knows")

    with pytest.raises(ApiException) as raised:
        await asyncio.to_thread(stream)
    assert (raised.value.status, str(raised.value.reason).split(":")[0]) == (410, "Expired")


async def test_the_dynamic_client_watches(watched: Watched) -> None:
    def stream() -> list[tuple[str, str]]:
        with config.new_client_from_config(str(watched.kubeconfig)) as api:  # type: ignore[no-untyped-call] # none
            found = dynamic.DynamicClient(api)  # type: ignore[no-untyped-call] # it has no types
            nodes = found.resources.get(api_version="metrics.k8s.io/v1", kind="NodeMetrics")
            assert "watch" in nodes.verbs
            return [(event["type"], event["object"].metadata.name) for event in nodes.watch(timeout=1)]

    assert (await asyncio.to_thread(stream))[:2] == [("ADDED", name) for name in NODES]


async def test_the_node_client_watches_and_informs(watched: Watched) -> None:
    node = shutil.which("node")
    if node is None or not NODE_ENTRY.exists():
        pytest.skip("needs node, and @kubernetes/client-node: run `make tools` on a machine with npm")
    names = await watched.pods()
    questions = [f"{question}:{SYSTEM}" for question in ("watchMetrics", "informMetrics")]
    finished = await run(node, NODE_PROGRAM, NODE_ENTRY, *questions, kubeconfig=watched.kubeconfig)
    assert finished.code == 0, finished.err
    answers = json.loads(finished.out)
    assert [sorted(answers[question]) for question in questions] == [[f"ADDED {name}" for name in sorted(names)]] * 2


AGENT = "informer/v1.36.0 (linux/amd64) kubernetes/abcdef0"


class Stream:
    """The events of one watch."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, dict[str, Any]]:
        async with asyncio.timeout(PATIENCE):
            event = json.loads(await anext(self._lines))
        return event["type"], event["object"]

    async def rest(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what comes until the server ends the watch as it should."""
        async with asyncio.timeout(PATIENCE):
            events = [json.loads(line) async for line in self._lines]
        return [(event["type"], event["object"]) for event in events]


@contextlib.asynccontextmanager
async def streaming(http: httpx.AsyncClient, path: str, query: str) -> AsyncIterator[Stream]:
    headers = {"user-agent": AGENT, "accept": "application/json", "accept-encoding": "gzip"}
    async with http.stream("GET", f"{path}?{query}&watch=true", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        yield Stream(response)


async def test_an_informer_lists_by_a_watch_and_goes_on_from_its_bookmark(watched: Watched) -> None:
    marked = "allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&timeoutSeconds=389"
    async with streaming(watched.http, f"{GROUP}/nodes", marked) as stream:
        initial = [await stream.next() for _ in range(3)]
    assert [kind for kind, _ in initial] == ["ADDED", "ADDED", "BOOKMARK"]
    mark = initial[-1][1]["metadata"]
    assert mark["annotations"] == {"k8s.io/initial-events-end": "true"}
    await watched.relabel(NODES[0], kind="nodes")
    following = f"allowWatchBookmarks=true&resourceVersion={mark['resourceVersion']}&timeoutSeconds=400"
    async with streaming(watched.http, f"{GROUP}/nodes", following) as stream:
        kind, shown = await stream.next()
        while shown["metadata"]["name"] != NODES[0]:
            kind, shown = await stream.next()
    assert kind == "MODIFIED"
    assert int(shown["metadata"]["resourceVersion"]) > int(mark["resourceVersion"])


async def test_an_old_informer_lists_and_watches_and_lists_again_when_told_that_it_is_too_late(
    watched: Watched,
) -> None:
    listed = (await watched.http.get(f"{GROUP}/pods?limit=500&resourceVersion=0")).json()
    version = listed["metadata"]["resourceVersion"]
    async with streaming(watched.http, f"{GROUP}/pods", f"resourceVersion={version}&timeoutSeconds=400") as stream:
        await watched.relabel((await watched.pods())[0])
        assert (await stream.next())[0] == "MODIFIED"
    of_another = int(version) ^ 1 << 40
    async with streaming(watched.http, f"{GROUP}/pods", f"resourceVersion={of_another}") as stream:
        kind, status = await stream.next()
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    again = (await watched.http.get(f"{GROUP}/pods?limit=500")).json()
    assert len(again["items"]) == len(listed["items"])


async def _stop(server: Serving) -> int:
    server.process.terminate()
    return await asyncio.wait_for(server.process.wait(), 10)


async def test_watches_end_in_order_when_the_server_stops(tmp_path: Path) -> None:
    async with (
        LocalCluster(nodes=1, pods_per_node=1) as cluster,
        serving(cluster, tmp_path, "--enable-watch", "--max-requests-inflight=1", "--max-watchers=1") as server,
    ):
        await server.until(lambda: server.items("nodes"), lambda found: len(found) == 1)
        async with streaming(server.client, f"{GROUP}/nodes", "") as stream:
            assert (await stream.next())[0] == "ADDED"
            refused = await server.client.get(f"{GROUP}/nodes?watch=true")
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
            metrics = (await server.client.get("/metrics")).text.splitlines()
            assert "metrics_api_watchers 1.0" in metrics
            ended = asyncio.create_task(_stop(server))
            assert {kind for kind, _ in await stream.rest()} <= {"MODIFIED"}  # and no error of the connection
            assert await ended == 0
