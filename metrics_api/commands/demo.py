"""``metrics-api demo``: a cluster in this process, our server beside it, and ``top`` through the aggregation layer."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from metrics_api import logs
from metrics_api.commands.connecting import open_cluster
from metrics_api.commands.demo_server import DemoServer, metrics_server_arguments, server_arguments
from metrics_api.commands.top import node_table, parse_interval, pod_table
from metrics_api.commands.usage import KubeReader, NodeRow, PodRow, node_rows, pod_rows
from metrics_api.errors import KubeError, StartupError
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.cluster_faults import CLUSTER_FAULTS
from metrics_api.localcluster.injection import Plan, inject, parse_plan
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.node_faults import NODE_FAULTS

_PATIENCE = 120.0
_FEWEST_NODES = 3
_LOOK = 0.2
_VERSION = "v1beta1"
_CLEAR = "\x1b[H\x1b[2J"


def run(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code.

    Raises:
        StartupError: the cluster or the server does not start.
    """
    import uvloop

    options = parse(arguments)
    return uvloop.run(_until_interrupted(options))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; what makes no sense ends the program."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.once + options.keep + options.no_server > 1:
        parser.error("--once, --keep and --no-server exclude each other")
    if options.no_server and options.fault.cluster:
        parser.error("--no-server registers no server, so only faults of nodes go with it")
    if options.once and options.fault.breaks:
        parser.error("--once waits for metrics, and with such a fault there are none")
    if options.nodes is None:
        options.nodes = max(_FEWEST_NODES, options.fault.faulty_nodes + 2)
    if options.fault.faulty_nodes > options.nodes:
        parser.error(f"faults for {options.fault.faulty_nodes} nodes are wanted: give --nodes, at least as many")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="metrics-api demo",
        description="Start a small cluster in this process, on loopback, and show what the metrics API says of it. "
        "It is for demonstration and tests; it is not a Kubernetes.",
    )
    parser.add_argument("--nodes", type=_count, help="how many nodes (default: 3; two more than have a fault)")
    parser.add_argument("--pods", type=_count, default=10, help="how many pods on each (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="of names and loads: the same seed, the same cluster")
    parser.add_argument("--once", action="store_true", help="print once, when everything has metrics, and exit")
    parser.add_argument("--keep", action="store_true", help="print nothing more once it runs: leave it to other tools")
    parser.add_argument("--no-server", action="store_true", help="start the cluster alone, for any extension server")
    parser.add_argument(
        "--fault",
        type=_plan,
        default=Plan(),
        metavar="NAME[=NODES],…",
        help=f"what goes wrong; of nodes: {', '.join(NODE_FAULTS)}; of the cluster: {', '.join(CLUSTER_FAULTS)}",
    )
    parser.add_argument("--interval", type=parse_interval, default=5.0, help="seconds between two prints (default: 5)")
    return parser


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= 5000:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number between 1 and 5000")
    return number


def _plan(text: str) -> Plan:
    try:
        return parse_plan(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


async def _until_interrupted(options: argparse.Namespace) -> int:
    demo = asyncio.ensure_future(_demo(options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, demo.cancel)
    try:
        return await demo
    except asyncio.CancelledError:
        print("\nstopped", file=sys.stderr)
        return 0


async def _demo(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="metrics-api-demo-") as folder, contextlib.ExitStack() as log_files:
        directory = Path(folder)
        # What the stand-in cluster logs is for who looks into a fault, not for the terminal that shows the tables.
        logs.configure(level=0, json=False, stream=log_files.enter_context((directory / "cluster.log").open("w")))
        async with _cluster(options) as cluster:
            kubeconfig = write_kubeconfig(directory / "kubeconfig", cluster.admin_kubeconfig())
            server = DemoServer.prepare(cluster, directory)
            if options.fault.cluster:  # else when it listens: then kube-apiserver finds it at the first look
                cluster.register_extension(server.port)
            _announce(await inject(cluster, options.fault), options.fault)
            if options.no_server:
                _say(_how_to_attach(kubeconfig, server))
                await asyncio.get_running_loop().create_future()
            async with server.running(), open_cluster(str(kubeconfig)) as kube:
                if options.fault.breaks:
                    _say(_how_to_examine(kubeconfig, server))
                    await server.ended()
                await _wait_until_ready(server)
                if not options.fault.cluster:
                    cluster.register_extension(server.port)
                await _wait_until_available(cluster, server)
                await _wait_for_rows(kube, options, server)
                if not options.once:
                    _say(f"\nFor kubectl in another terminal:\n\n    export KUBECONFIG={kubeconfig}\n")
                    if options.fault != Plan():
                        _say(f"And for what is wrong:\n\n    {_this_program()} doctor\n")
                if options.keep:
                    await server.ended()
                await _show(kube, options, str(kubeconfig))
    return 0


@contextlib.asynccontextmanager
async def _cluster(options: argparse.Namespace) -> AsyncIterator[LocalCluster]:
    began = time.monotonic()
    _say("A cluster for demonstration and tests, on loopback only. It is not a Kubernetes.")
    many = options.nodes > 50 and not options.fault.needs_own_certificates
    async with LocalCluster(
        nodes=options.nodes,
        pods_per_node=options.pods,
        seed=options.seed,
        certificates="shared" if many else "per_node",
    ) as cluster:
        kubelets = "1 kubelet" if options.nodes == 1 else f"{options.nodes} kubelets"
        _say(f"{kubelets} and an API server at {cluster.api.url} in {time.monotonic() - began:.1f} s")
        yield cluster


async def _wait_until_ready(server: DemoServer) -> None:
    with _Progress() as progress:
        async for _ in _looks(server):
            progress.show(f"waiting for the server on port {server.port} to be ready")
            if await server.is_ready():
                return
    raise StartupError(f"the server was not ready within {_PATIENCE:.0f} s. {server.last_words()}")


async def _wait_until_available(cluster: LocalCluster, server: DemoServer) -> None:
    with _Progress() as progress:
        async for _ in _looks(server):
            available, why = cluster.availability(_VERSION)
            progress.show(f"APIService {_VERSION}.metrics.k8s.io: {why}")
            if available:
                return
    raise StartupError(f"the APIService did not become Available within {_PATIENCE:.0f} s. {server.last_words()}")


async def _wait_for_rows(kube: KubeReader, options: argparse.Namespace, server: DemoServer) -> None:
    nodes = options.nodes - options.fault.silent_nodes
    pods = (options.nodes - options.fault.nodes_with_silent_pods) * options.pods
    with _Progress() as progress:
        async for _ in _looks(server):
            node_list, pod_list = await _read(kube)
            measured = sum(row.cpu is not None for row in node_list)
            progress.show(f"metrics of {measured}/{nodes} nodes and {len(pod_list)}/{pods} pods")
            if measured >= nodes and len(pod_list) >= pods:
                return
    raise StartupError(f"not everything had metrics within {_PATIENCE:.0f} s. {server.last_words()}")


async def _looks(server: DemoServer) -> AsyncIterator[None]:
    """Yield again and again, until patience ends; a server that has ended ends it at once."""
    for _ in range(int(_PATIENCE / _LOOK)):
        server.check()
        yield
        await asyncio.sleep(_LOOK)


async def _show(kube: KubeReader, options: argparse.Namespace, kubeconfig: str) -> None:
    again = f"  ({options.interval:g} s; Ctrl-C stops everything; export KUBECONFIG={kubeconfig})"
    while True:
        nodes, pods = await _read(kube)
        tables = f"{node_table(nodes)}\n\n{pod_table(pods, with_namespace=True)}"
        if options.once:
            print(tables, flush=True)
            return
        print(f"{_CLEAR if sys.stdout.isatty() else ''}{tables}\n\n{again}", flush=True)
        await asyncio.sleep(options.interval)


async def _read(kube: KubeReader) -> tuple[list[NodeRow], list[PodRow]]:
    try:
        return await node_rows(kube, _VERSION), await pod_rows(kube, _VERSION, namespace="")
    except KubeError as error:
        _say(f"the API server says: {error}")
        return [], []


def _announce(chosen: Mapping[str, str], plan: Plan) -> None:
    for node, fault in chosen.items():
        _say(f"{node} {NODE_FAULTS[fault].summary} ({fault})")
    for fault in plan.cluster:
        _say(f"{CLUSTER_FAULTS[fault].summary} ({fault})")


def _how_to_examine(kubeconfig: Path, server: DemoServer) -> str:
    return (
        "\nThe metrics API does not work like this. What is wrong, seen from outside and from inside:\n\n"
        f"    export KUBECONFIG={kubeconfig}\n"
        f"    {_this_program()} doctor --server https://127.0.0.1:{server.port} "
        f"--server-ca {server.directory / 'serving-ca.crt'}\n\n"
        "Ctrl-C stops everything."
    )


def _how_to_attach(kubeconfig: Path, server: DemoServer) -> str:
    ours = _in_lines(f"{_this_program()} serve", server_arguments(server))
    metrics_server = _in_lines("metrics-server", metrics_server_arguments(server))
    return (
        f"\n    export KUBECONFIG={kubeconfig}\n\n"
        f"Point any extension server at it that listens on 127.0.0.1:{server.port}, and hand it the API group\n"
        "once it does. For example this one:\n\n"
        f"{ours}\n\n    kubectl apply -f {server.manifest}\n\n"
        "or metrics-server, which has no v1:\n\n"
        f"{metrics_server}\n\n    kubectl apply -f {server.manifest_of_one_version}\n\n"
        "Then watch it become Available:\n\n"
        "    kubectl get apiservices --watch\n\n"
        "Ctrl-C stops everything."
    )


def _in_lines(program: str, arguments: Sequence[str]) -> str:
    return " \\\n        ".join((f"    {program}", *arguments))


def _this_program() -> str:
    """Return how this program was called, so that it can be called again from anywhere."""
    called = Path(sys.argv[0])
    return str(called.absolute()) if called.name == "metrics-api" else f"{sys.executable} -m metrics_api"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class _Progress:
    """One line that changes in place on a terminal; elsewhere a line for each change of its text."""

    def __init__(self) -> None:
        self._shown = ""
        self._in_place = sys.stderr.isatty()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._in_place and self._shown:
            print(file=sys.stderr)

    def show(self, text: str) -> None:
        if text == self._shown:
            return
        self._shown = text
        print(
            f"\r\x1b[K{text}" if self._in_place else text,
            end="" if self._in_place else "\n",
            file=sys.stderr,
            flush=True,
        )
