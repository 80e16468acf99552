"""``metrics-api doctor``: what is wrong with a cluster's metrics API, or why one object has no metrics.

Exit codes: 0 nothing worse than information, 1 warnings, 2 errors, 64 wrong arguments, 69 the cluster cannot be asked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from metrics_api.clock import SystemClock
from metrics_api.commands.connecting import find_kubeconfig, open_client
from metrics_api.commands.direct import direct_access, same_credentials
from metrics_api.doctor.findings import EXIT_UNAVAILABLE
from metrics_api.errors import KubeConfigError

if TYPE_CHECKING:
    from metrics_api.doctor.findings import Finding
    from metrics_api.doctor.inside import Inside
    from metrics_api.doctor.looking import Looking
    from metrics_api.kube.access import KubeAccess
    from metrics_api.kube.client import KubeClient

EXIT_USAGE = 64  # EX_USAGE of sysexits.h: 2 means that errors were found
_LARGEST_BODY = 64 << 20
_LARGEST_CA = 1 << 20
_ANSWERS = (403, 404)  # HTTP statuses by which a working API server refuses what is asked of it


def run(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = parse(arguments)
    try:
        return asyncio.run(_doctor(options))
    except KubeConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_UNAVAILABLE


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message}\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; what makes no sense ends the program with 64."""
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    if options.kind in ("pod", "hpa") and options.name.count("/") != 1:
        place = f": {options.namespace}/{options.name}" if options.namespace and "/" not in options.name else ""
        parser.error(f"{options.kind} wants NAMESPACE/NAME{place} (-n is the namespace of the server's Service)")
    if options.kind == "node" and (not options.name or "/" in options.name):
        parser.error("node wants NAME")
    if options.kind is None and options.name:
        parser.error("a name wants pod, node or hpa before it")
    if options.kind is not None and options.preflight:
        parser.error("--preflight looks at the whole cluster, not at one object")
    if options.server and urlsplit(options.server).scheme != "https":
        parser.error("--server must be https://<host>:<port>")
    if options.server_ca and not options.server:
        parser.error("--server-ca is for --server")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="metrics-api doctor",
        description="Say what is wrong with a cluster's metrics API and what to do about it; or why one object has no "
        "metrics, and when to expect them. Nothing is changed.",
        epilog="exit codes: 0 nothing worse than information, 1 warnings, 2 errors, 64 wrong arguments, 69 the cluster "
        "cannot be asked",
    )
    parser.add_argument("kind", nargs="?", choices=("pod", "node", "hpa"), help="look at one object only")
    parser.add_argument("name", nargs="?", default="", help="its name: NAMESPACE/NAME; of a node NAME")
    parser.add_argument("--preflight", action="store_true", help="is the cluster ready for an installation?")
    parser.add_argument("-n", "--namespace", default="", help="of the server's Service (default: the APIService says)")
    parser.add_argument("--service", default="", help="the server's Service (default: the APIService says)")
    parser.add_argument("--kubeconfig", default="", help="default: $KUBECONFIG, then ~/.kube/config, then in-cluster")
    parser.add_argument("--context", default="", help="of the kubeconfig (default: its current one)")
    parser.add_argument("--output", "-o", choices=("text", "json"), default="text")
    parser.add_argument("--timeout", type=_seconds, default=10.0, help="seconds for each request (default: 10)")
    parser.add_argument(
        "--server",
        default="",
        metavar="URL",
        help="ask the server itself there, where kube-apiserver does not reach it; it gets your credentials",
    )
    parser.add_argument(
        "--server-ca", default="", metavar="FILE", help="its authority (default: caBundle of the APIService)"
    )
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 300:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds between 1 and 300")
    return seconds


async def _doctor(options: argparse.Namespace) -> int:
    from metrics_api.doctor.findings import exit_code
    from metrics_api.doctor.looking import Looking
    from metrics_api.doctor.rendering import as_json, as_text
    from metrics_api.kube.config import load_access

    async with contextlib.AsyncExitStack() as stack:
        access = await load_access(find_kubeconfig(options.kubeconfig), context=options.context)
        looking = Looking(await stack.enter_async_context(_client(access)), options.timeout)
        await _check_reachable(looking)
        inside = await _inside(options, looking, access, stack)
        findings = await _findings(options, looking, inside)
    print(as_json(findings) if options.output == "json" else as_text(findings))
    return exit_code(findings)


async def _findings(options: argparse.Namespace, looking: Looking, inside: Inside) -> list[Finding]:
    from metrics_api.doctor.answers import judge_hpa, judge_node, judge_pod
    from metrics_api.doctor.gathering import Target, gather
    from metrics_api.doctor.judging import CHECKS, PREFLIGHT, judge
    from metrics_api.doctor.single import gather_hpa, gather_node, gather_pod

    clock = SystemClock()
    namespace, _, name = options.name.rpartition("/")
    match options.kind:
        case "pod":
            return judge_pod(await gather_pod(looking, inside, namespace, name, clock.now()))
        case "node":
            return judge_node(await gather_node(looking, inside, name, clock.now()))
        case "hpa":
            return judge_hpa(await gather_hpa(looking, namespace, name))
    target = Target(options.namespace, options.service)
    facts = await gather(looking, target, inside, clock, installing=options.preflight)
    return judge(facts, PREFLIGHT if options.preflight else CHECKS)


async def _check_reachable(looking: Looking) -> None:
    """Raise ``KubeConfigError`` when kube-apiserver gives no answer, or only faults: then nothing can be found."""
    from metrics_api.doctor.facts import Unknown
    from metrics_api.doctor.objects import Node, Version

    version = await looking.fetch("/version", Version)
    if not isinstance(version, Unknown) or version.code in _ANSWERS:
        return
    if version.code in (None, 401):
        raise KubeConfigError(f"kube-apiserver cannot be asked: {version.why}")
    nodes = await looking.many("/api/v1/nodes", Node, most=1)  # a fault of one path is not a fault of all
    if isinstance(nodes, Unknown) and nodes.code not in _ANSWERS:
        raise KubeConfigError(f"kube-apiserver answers with faults only: {version.why}; {nodes.why}")


def _client(access: KubeAccess) -> AbstractAsyncContextManager[KubeClient]:
    return open_client(access, largest_body=_LARGEST_BODY)


async def _inside(
    options: argparse.Namespace, looking: Looking, access: KubeAccess, stack: contextlib.AsyncExitStack
) -> Inside:
    from metrics_api.doctor.inside import DIRECT, Inside
    from metrics_api.doctor.looking import Looking
    from metrics_api.kube.access import Server

    if not options.server:
        return Inside(looking)
    authority, server_name = await _server_authority(options, looking)
    server = Server(options.server.rstrip("/"), tls_server_name=server_name)
    direct = await direct_access(server, await same_credentials(access, authority))
    return Inside(Looking(await stack.enter_async_context(_client(direct)), options.timeout), DIRECT)


async def _server_authority(options: argparse.Namespace, looking: Looking) -> tuple[bytes, str | None]:
    """Return what the server's certificate must be signed by, and the name it must have when not that of the URL.

    Raises:
        KubeConfigError: neither a file nor the APIService says; unverified, nobody gets credentials.
    """
    from base64 import b64decode

    from metrics_api.doctor.facts import GROUP, VERSIONS
    from metrics_api.doctor.objects import ApiService

    if options.server_ca:
        return _read(options.server_ca), None
    for version in VERSIONS:
        found = await looking.one(f"/apis/apiregistration.k8s.io/v1/apiservices/{version}.{GROUP}", ApiService)
        if isinstance(found, ApiService) and found.spec.ca_bundle and found.spec.service is not None:
            service = found.spec.service
            try:
                return b64decode(found.spec.ca_bundle, validate=True), f"{service.name}.{service.namespace}.svc"
            except ValueError as error:
                raise KubeConfigError(f"caBundle of APIService {version}.{GROUP} is no base64") from error
    raise KubeConfigError("--server: no APIService has a caBundle to verify it by, so give --server-ca FILE")


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(_LARGEST_CA)
    except OSError as error:
        raise KubeConfigError(f"--server-ca: cannot read {path}: {error.strerror}") from error
