"""``metrics-api top``: what ``kubectl top`` prints, for any kubeconfig, where there is no kubectl."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from metrics_api.commands.columns import UNKNOWN, columns, mebibytes, millicores, percent
from metrics_api.commands.connecting import find_kubeconfig, open_cluster
from metrics_api.commands.usage import KubeReader, NodeRow, PodRow, node_rows, pod_rows, served_version
from metrics_api.doctor.rendering import plain
from metrics_api.errors import KubeError

_CLEAR = "\x1b[H\x1b[2J"
_DEFAULT_NAMESPACE = "default"


def run(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = parse(arguments)
    try:
        return asyncio.run(_top(options))
    except KubeError as error:
        print(f"error: {plain(str(error))}", file=sys.stderr)
        return 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; a name may stand anywhere, as kubectl takes it. What makes no sense ends the program."""
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    of_nodes = options.kind.startswith("no")
    if options.name and options.selector:
        parser.error("only one of a name and --selector can be given")
    if options.name and options.all_namespaces:
        parser.error("a pod is named within a namespace: give --namespace instead of --all-namespaces")
    if of_nodes and (options.containers or options.all_namespaces or options.namespace != _DEFAULT_NAMESPACE):
        parser.error("--containers, --all-namespaces and --namespace are for pods")
    return options


def parse_interval(text: str) -> float:
    """Return the seconds between two prints; for argparse."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds between 1 and 3600")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="metrics-api top", description="Show the resource usage of nodes or pods.")
    parser.add_argument("kind", choices=("nodes", "node", "no", "pods", "pod", "po"), metavar="nodes|pods")
    parser.add_argument("name", nargs="?", default="", help="one node or pod; all when left out")
    parser.add_argument("-n", "--namespace", default=_DEFAULT_NAMESPACE, help="the pods' namespace (default: default)")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="pods of all namespaces")
    parser.add_argument("-l", "--selector", default="", help="only objects whose labels match, such as app=web")
    parser.add_argument("--containers", action="store_true", help="one row a container")
    parser.add_argument("--sort-by", choices=("cpu", "memory"), help="the busiest first")
    parser.add_argument("--no-headers", action="store_true", help="print no header line")
    parser.add_argument("-w", "--watch", action="store_true", help="print again and again until interrupted")
    parser.add_argument("--interval", type=parse_interval, default=5.0, help="seconds between two prints with --watch")
    parser.add_argument("--kubeconfig", default="", help="default: $KUBECONFIG, then ~/.kube/config, then in-cluster")
    return parser


async def _top(options: argparse.Namespace) -> int:
    async with open_cluster(find_kubeconfig(options.kubeconfig)) as kube:
        while True:
            text = await render(kube, options)
            if not options.watch:
                print(text)
                return 0
            print(f"{_CLEAR if sys.stdout.isatty() else ''}{text}", flush=True)
            await asyncio.sleep(options.interval)


async def render(kube: KubeReader, options: argparse.Namespace) -> str:
    """Return the table that the options ask for.

    Raises:
        KubeError: there is no metrics API, no metrics yet, or no such object.
    """
    version = await served_version(kube)
    if options.kind.startswith("no"):
        nodes = await node_rows(kube, version, name=options.name, selector=options.selector)
        if not any(row.cpu is not None for row in nodes):
            raise KubeError("metrics not available yet")
        return node_table(nodes, sort_by=options.sort_by, header=not options.no_headers)
    namespace = "" if options.all_namespaces else options.namespace
    pods = await pod_rows(kube, version, namespace=namespace, name=options.name, selector=options.selector)
    if not pods:
        return f"No resources found in {namespace} namespace." if namespace else "No resources found"
    return pod_table(
        pods,
        with_namespace=options.all_namespaces,
        containers=options.containers,
        sort_by=options.sort_by,
        header=not options.no_headers,
    )


def node_table(rows: Sequence[NodeRow], *, sort_by: str | None = None, header: bool = True) -> str:
    """Return nodes as ``kubectl top nodes`` prints them; those without metrics come last, as ``<unknown>``."""
    ordered = sorted(rows, key=lambda row: row.cpu is None)
    if sort_by is not None:
        ordered.sort(key=lambda row: -1 if row.cpu is None else (getattr(row, sort_by) or 0), reverse=True)
    cells = [
        (row.name, *([UNKNOWN] * 4))
        if row.cpu is None or row.memory is None
        else (
            row.name,
            millicores(row.cpu),
            percent(row.cpu, row.allocatable_cpu),
            mebibytes(row.memory),
            percent(row.memory, row.allocatable_memory),
        )
        for row in ordered
    ]
    return columns(("NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)") if header else None, cells)


def pod_table(
    rows: Sequence[PodRow],
    *,
    with_namespace: bool,
    containers: bool = False,
    sort_by: str | None = None,
    header: bool = True,
) -> str:
    """Return pods as ``kubectl top pods`` prints them, or their containers."""
    ordered = list(rows)
    if sort_by is not None:
        ordered.sort(key=lambda row: int(getattr(row, sort_by)), reverse=True)
    cells = []
    for row in ordered:
        place = (row.namespace,) if with_namespace else ()
        if containers:
            cells += [(*place, row.name, c.name, millicores(c.cpu), mebibytes(c.memory)) for c in row.containers]
        else:
            cells.append((*place, row.name, millicores(row.cpu), mebibytes(row.memory)))
    names = ("NAMESPACE",) * with_namespace + (("POD", "NAME") if containers else ("NAME",))
    return columns((*names, "CPU(cores)", "MEMORY(bytes)") if header else None, cells)
