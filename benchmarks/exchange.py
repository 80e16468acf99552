"""What the parts of a scrape cost, next to the least that any client pays: CPU for one document over loopback TLS.

A kubelet in another process sends documents of pods with pressure figures, in chunks, over kept connections. The same
are read by a blocking socket that only reads, by the transport, and by the client, which decodes too, in turns. What
recording costs is measured by ``benchmarks.record``. Run ``python -m benchmarks.exchange``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import uvloop

from benchmarks.decode import make_containers, make_summary
from benchmarks.report import circumstances, quantile
from metrics_api.clock import SystemClock
from metrics_api.kubelet.address import SUMMARY_PATH
from metrics_api.kubelet.client import KubeletClient
from metrics_api.kubelet.options import KubeletOptions, TlsOptions
from metrics_api.kubelet.requests import build_target
from metrics_api.kubelet.routes import find_route, resolve_by_system
from metrics_api.kubelet.tls import TlsContexts
from metrics_api.kubelet.transport import KubeletTransport
from metrics_api.model import Endpoint, NodeInfo
from metrics_api.pki import Authority

_NODE_NAME = "node-17.example.internal"  # as the documents of ``benchmarks.decode`` say
_END = b"0\r\n\r\n"
_DEADLINE = 10.0
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
_TOKEN = "t" * 900  # the length of a service account's
_DOCUMENTS = 10

Exchange = Callable[[int], Awaitable[None]]
"""Fetches a document over the connection of that number."""


class _Token:
    async def token(self, *, refresh: bool = False) -> str | None:
        return _TOKEN


def _documents(pods: int) -> list[bytes]:
    rng = random.Random(1)
    containers = make_containers(pods, rng)
    return [make_summary(containers, rng) for _ in range(_DOCUMENTS)]


def _serve(pipe: Pipe, pods: int) -> None:
    """Be the kubelet: answer whatever is asked."""
    pair = Authority.create("benchmark").issue("kubelet", ip_addresses=["127.0.0.1"], server=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "pair.pem")
        file.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(file)
    answers = [b"%b%x\r\n%b\r\n%b" % (_HEAD, len(body), body, _END) for body in _documents(pods)]

    def answer(accepted: socket.socket) -> None:
        with context.wrap_socket(accepted, server_side=True) as tls:
            turn = 0
            while tls.recv(65_536):
                tls.sendall(answers[turn % len(answers)])
                turn += 1

    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        pipe.send(listener.getsockname()[1])
        while True:
            accepted, _ = listener.accept()
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=answer, args=(accepted,), daemon=True).start()


def _blocking(port: int, connections: int) -> Exchange:
    """Return what only reads: TLS and the kernel, and the least of Python."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sockets = [context.wrap_socket(socket.create_connection(("127.0.0.1", port))) for _ in range(connections)]
    request = f"GET {SUMMARY_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {_TOKEN}\r\n\r\n".encode()
    buffer = memoryview(bytearray(65_536))

    async def exchange(number: int) -> None:
        sockets[number].sendall(request)
        count = sockets[number].recv_into(buffer)
        while buffer[count - len(_END) : count] != _END:
            count = sockets[number].recv_into(buffer)

    return exchange


async def _parts(port: int, connections: int) -> dict[str, Exchange]:
    clock = SystemClock()
    options = KubeletOptions(port=port, denied_networks=(), tls=TlsOptions(verify="none"))
    addresses = (("InternalIP", "127.0.0.1"),)
    nodes = [NodeInfo(_NODE_NAME, f"uid-{number}", {}, addresses) for number in range(connections)]
    route = await find_route(nodes[0], options, resolve_by_system)
    targets = [build_target(node, route, Endpoint.SUMMARY, tls=True) for node in nodes]
    authorization = f"Authorization: Bearer {_TOKEN}\r\n".encode()
    transport, behind = [KubeletTransport(TlsContexts(options.tls, clock)) for _ in range(2)]
    client = KubeletClient(options, _Token(), behind, clock)

    async def transported(number: int) -> None:
        await transport.get(targets[number], deadline=_DEADLINE, authorization=authorization)

    async def decoded(number: int) -> None:
        await client.scrape(nodes[number], deadline=_DEADLINE)

    return {
        "a blocking socket that only reads": _blocking(port, connections),
        "the transport": transported,
        "the client, which decodes too": decoded,
    }


async def _measure(port: int, options: argparse.Namespace) -> dict[str, list[float]]:
    """Return microseconds of CPU for one exchange, a figure for each round."""
    parts = await _parts(port, options.connections)
    found: dict[str, list[float]] = {name: [] for name in parts}
    for number_of_round in range(options.rounds + 1):
        for name, exchange in parts.items():
            began = time.process_time()
            for number in range(options.connections):
                await exchange(number)
            if number_of_round:  # the first makes the connections
                found[name].append((time.process_time() - began) / options.connections * 1e6)
    return found


def main() -> None:
    """Measure; print JSON, then a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pods", type=int, default=30, help="in a document")
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    kubelet = processes.Process(target=_serve, args=(theirs, options.pods), daemon=True)
    kubelet.start()
    try:
        found = uvloop.run(_measure(ours.recv(), options))
    finally:
        kubelet.terminate()
    result = {
        name: {part: round(quantile(values, share)) for part, share in (("tenth", 0.1), ("median", 0.5))}
        for name, values in found.items()
    }
    print(json.dumps({**circumstances(), "pods": options.pods, "cpu_us": result}))
    print(f"\n{options.pods} pods, µs of CPU for a document{'tenth':>12}{'median':>10}")
    for name, figures in result.items():
        print(f"{name:38}{figures['tenth']:>12}{figures['median']:>10}")


if __name__ == "__main__":
    main()
