"""``metrics-api compare``: our values beside those of the metrics server that a cluster has, before it is replaced.

Ours are made in this process, with the rights of the kubeconfig: nothing in the cluster is changed, and nobody else is
served. Theirs are read through kube-apiserver, as every autoscaler reads them, or from a server of its own address.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol

from metrics_api import logs
from metrics_api.clock import Clock, SystemClock
from metrics_api.commands.comparison import Comparison, Values, render
from metrics_api.commands.connecting import find_kubeconfig, open_client, open_cluster
from metrics_api.commands.direct import direct_access, named_files
from metrics_api.commands.usage import KubeReader, Measured, measured_nodes, measured_pods, served_version
from metrics_api.doctor.rendering import plain
from metrics_api.errors import KubeError
from metrics_api.model import Row
from metrics_api.settings.parse import parse_settings
from metrics_api.settings.values import Settings
from metrics_api.timetext import parse_duration

_log = logging.getLogger(__name__)
_RESOLUTION = "--metric-resolution=15s"
"""What metrics-server's manifests set; the flag's own default is a minute."""
_START = 15.0
"""Seconds that the first lists and the first scrape of a large cluster may take."""
_PERIODS = 3
"""Idle containers are served from their second sample."""
_DIFFERENT = 1


class Shadow(Protocol):
    """Our server, unseen."""

    def rows(self, resource: str) -> Iterable[Row]:
        """Return what would be served of ``nodes`` or ``pods`` now."""
        ...

    def failures(self) -> Sequence[str]:
        """Return why nodes cannot be scraped, a sentence for each reason."""
        ...


def run(arguments: Sequence[str]) -> int:
    """Compare; return 0 when nothing speaks against ours, 1 when something does or theirs cannot be read.

    Raises:
        SettingsError: flags of ``serve`` are wrong.
        KubeConfigError: there is no usable way to kube-apiserver.
    """
    options, settings = parse(arguments)
    logs.configure(level=settings.verbosity, json=settings.logging_format == "json", stream=sys.stderr)
    for warning in settings.warnings:
        _log.warning(warning)
    try:
        return asyncio.run(_compare(options, settings))
    except KubeError as error:
        print(f"error: {plain(str(error))}", file=sys.stderr)
        return _DIFFERENT


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, Settings]:
    """Return the command's own options, and the settings of ``serve`` that stand behind ``--``."""
    words = list(arguments)
    split = words.index("--") if "--" in words else len(words)
    parser = _parser()
    options = parser.parse_args(words[:split])
    if "://" in options.against and not options.against.startswith("https://"):
        parser.error(f"--against: only https:// URLs are asked, not {options.against!r}")
    kubeconfig = find_kubeconfig(options.kubeconfig)
    settings = parse_settings([f"--kubeconfig={kubeconfig}", _RESOLUTION, *words[split + 1 :]], os.environ)
    return options, settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="metrics-api compare",
        description="Run beside the metrics server of a cluster, change nothing, and compare every value. "
        "The comparison begins when ours serves all that theirs does: after some seconds, after "
        f"{_PERIODS} periods of --metric-resolution and {_START:.0f} s at the latest, a minute as a rule.",
        usage="%(prog)s [--kubeconfig FILE] [--against KUBECONFIG|URL] [--for 5m] [--every 15s] [-- flags of serve]",
    )
    parser.add_argument(
        "--kubeconfig",
        default="",
        metavar="FILE",
        help="for ours: watching, and asking kubelets, so it needs get on nodes/stats or nodes/metrics and a token, or "
        "a client certificate that kubelets accept (default: as for top)",
    )
    parser.add_argument(
        "--against",
        default="",
        metavar="KUBECONFIG|URL",
        help="where theirs are read: a cluster's metrics API (default: that of --kubeconfig), or https://host:port",
    )
    parser.add_argument("--token-file", default="", help="bearer token for the URL; no other token is ever sent there")
    parser.add_argument("--ca-file", default="", help="authorities of the URL's certificate")
    parser.add_argument("--insecure", action="store_true", help="do not verify the URL's certificate")
    parser.add_argument(
        "--for", dest="seconds", type=_duration, default=300.0, metavar="DURATION", help="how long (default: 5m)"
    )
    parser.add_argument(
        "--every", type=_duration, default=15.0, metavar="DURATION", help="how often both are read (default: 15s)"
    )
    return parser


def _duration(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not 1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 1s and 24h")
    return seconds


async def _compare(options: argparse.Namespace, settings: Settings) -> int:
    from metrics_api.app.shadow import Shadow  # brings the store and, when it runs, the Kubernetes client

    clock = SystemClock()
    shadow = Shadow(settings, clock)
    comparisons = [Comparison(resource, settings.metric_resolution) for resource in ("nodes", "pods")]
    async with _theirs(options) as theirs:
        version = await served_version(theirs)
        # Before anything is scraped: where theirs may not be read there is nothing to wait for.
        there = [*await measured_nodes(theirs, version), *await measured_pods(theirs, version)]
        running = asyncio.create_task(shadow.run())
        try:
            patience = _PERIODS * settings.metric_resolution + _START
            print(f"waiting until ours serves what theirs does, {patience:.0f} s at most", file=sys.stderr, flush=True)
            await _until_served(shadow, running, {each.name: each for each in there}, patience)
            if not sys.stderr.isatty():
                print(f"comparing for {options.seconds:.0f} s", file=sys.stderr, flush=True)
            end = clock.monotonic() + options.seconds
            while clock.monotonic() < end:
                await _look(comparisons, shadow, theirs, version, clock)
                _progress(comparisons[0].looks, end - clock.monotonic())
                await _rest(running, options.every)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
    return conclude(comparisons, shadow.failures())


async def _until_served(shadow: Shadow, running: asyncio.Task[None], theirs: Values, patience: float) -> None:
    """Wait until ours serves what theirs does, for so long at most: whatever is there then is what is compared."""
    clock = SystemClock()
    end = clock.monotonic() + patience
    while clock.monotonic() < end:
        if theirs.keys() <= {*values(shadow.rows("nodes")), *values(shadow.rows("pods"))}:
            return
        await _rest(running, 1.0)


async def _rest(running: asyncio.Task[None], seconds: float) -> None:
    """Wait; raise what has ended our side."""
    done, _ = await asyncio.wait([running], timeout=seconds)
    if done:
        await running


async def _look(
    comparisons: Sequence[Comparison], shadow: Shadow, theirs: KubeReader, version: str, clock: Clock
) -> None:
    nodes, pods = await asyncio.gather(measured_nodes(theirs, version), measured_pods(theirs, version))
    now = clock.now()
    for comparison, measured in zip(comparisons, (nodes, pods), strict=True):
        comparison.look(now, values(shadow.rows(comparison.resource)), {each.name: each for each in measured})


def values(rows: Iterable[Row]) -> Values:
    """Return rows in the terms of a comparison."""
    found = {}
    for row in rows:
        usage = row.usage
        name = f"{row.namespace}/{row.name}" if row.namespace else row.name
        cpu, memory = (sum(getattr(each, kind) for each in usage.containers) for kind in ("cpu", "memory"))
        # Theirs are read as written, in whole seconds.
        found[name] = Measured(name, float(int(usage.time)), cpu, memory)
    return found


def _progress(looks: int, left: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{looks} looks, {max(left, 0):.0f} s to go ", end="", file=sys.stderr, flush=True)


def conclude(comparisons: Sequence[Comparison], failures: Sequence[str]) -> int:
    """Print what was found, and what kept ours from scraping where that may be why; return the exit code."""
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(render(comparisons))
    faults = [fault for comparison in comparisons for fault in comparison.faults()]
    for fault in faults:
        print(f"DIFFERS: {fault}")
    for failure in failures if faults else ():
        print(f"ours could not scrape {failure}")
    if not faults:
        print("Nothing here speaks against replacing that server by this one.")
    return _DIFFERENT if faults else 0


@contextlib.asynccontextmanager
async def _theirs(options: argparse.Namespace) -> AsyncIterator[KubeReader]:
    if options.against.startswith("https://"):
        from metrics_api.kube.access import Server

        server = Server(options.against.rstrip("/"), insecure=options.insecure)
        access = await direct_access(server, named_files(options.token_file, options.ca_file))
        async with open_client(access) as direct:
            yield direct
    else:
        async with open_cluster(find_kubeconfig(options.against or options.kubeconfig)) as reader:
            yield reader
