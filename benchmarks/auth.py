"""What authentication and authorization cost a request, and what first requests of many users do to the others.

Run ``python -m benchmarks.auth``. The gate is asked as the application asks it, with everything remembered, for a user
named by the front proxy, one with a certificate and one with a token. Then 1,000 users ask for the first time,
ten in every millisecond, with reviews that take 50 ms each, while a known user goes on asking.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import statistics
import time
from typing import Any

from benchmarks.report import print_report
from benchmarks.routes import FixedView
from metrics_api.api.app import build_api
from metrics_api.api.probes import PING, Probes
from metrics_api.auth.access import Authorizer
from metrics_api.auth.authentication import Authenticator
from metrics_api.auth.gate import Gate
from metrics_api.auth.peers import PeerJudge
from metrics_api.auth.reviews import Reviewer
from metrics_api.auth.tokens import TokenAuthenticator
from metrics_api.auth.trust import FrontProxyRules, Trust
from metrics_api.clock import SystemClock
from metrics_api.pki import Authority
from metrics_api.serving.inflight import InFlight

_HEADERS = (
    (b"host", b"10.0.0.1:10250"),
    (b"user-agent", b"kube-controller-manager/v1.36.0 (linux/amd64) kubernetes/abc/horizontal-pod-autoscaler"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip"),
    (b"audit-id", b"6f1f9f4e-95b5-4d0b-8a8c-0d3c1f6f7f10"),
    (b"x-forwarded-for", b"10.0.0.2"),
)
_IDENTITY = (
    (b"x-remote-extra-authentication.kubernetes.io%2fcredential-id", b"JTI=5a0b6f1e-7f0c-4a39-8d0f-3f0a1b8f7c11"),
    (b"x-remote-group", b"system:serviceaccounts"),
    (b"x-remote-group", b"system:serviceaccounts:kube-system"),
    (b"x-remote-group", b"system:authenticated"),
    (b"x-remote-user", b"system:serviceaccount:kube-system:horizontal-pod-autoscaler"),
)


_AT_ONCE = 10  # newcomers in a millisecond


class _Reviews:
    """A kube-apiserver that allows everything after a while."""

    delay = 0.0

    async def post(self, path: str, body: bytes, *, timeout: float) -> bytes:  # noqa: ASYNC109 - the protocol's
        await asyncio.sleep(self.delay)
        if path.endswith("tokenreviews"):
            return b'{"status":{"authenticated":true,"user":{"username":"carol"}}}'
        return b'{"status":{"allowed":true}}'


class Bench:
    """An application with a gate, one without, and the connections that ask them."""

    def __init__(self) -> None:
        clock, users, proxies = SystemClock(), Authority.create("users"), Authority.create("proxies")
        self.reviews = _Reviews()
        reviewer = Reviewer(self.reviews, clock)
        rules = FrontProxyRules(allowed_names=("front-proxy-client",))
        judge = PeerJudge(Trust(users.certificate, proxies.certificate, rules))
        self.in_flight = InFlight(0)
        gate = Gate(
            judge,
            Authenticator(judge, TokenAuthenticator(reviewer, clock, lifetime=3600), clock),
            Authorizer(reviewer, clock, allowed_lifetime=3600, denied_lifetime=3600),
            peer_chain=lambda scope: scope["state"]["chain"],
            always_allowed=("/livez",),
            in_flight=self.in_flight,
        )
        probes = Probes((PING,), (PING,), (PING,))
        view = FixedView(seed=1)
        self.name = view.nodes()[0].name
        self.checked = build_api(view, probes, version="0.0.0", gate=gate)
        self.unchecked = build_api(view, probes, version="0.0.0")
        self.ways: dict[str, tuple[tuple[bytes, ...], tuple[tuple[bytes, bytes], ...]]] = {
            "front proxy": (_chain(proxies, "front-proxy-client"), (*_HEADERS, *_IDENTITY)),
            "certificate": (_chain(users, "alice"), _HEADERS),
            "token": ((), (*_HEADERS, (b"authorization", b"Bearer " + b"x" * 900))),
        }

    async def ask(self, application: Any, chain: tuple[bytes, ...], headers: Any) -> None:
        """Answer one request for one node."""
        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/apis/metrics.k8s.io/v1beta1/nodes/{self.name}",
            "query_string": b"",
            "headers": headers,
            "state": {"chain": chain},
        }
        await application(scope, _receive, _send)
        self.in_flight.leave(scope)


async def _receive() -> Any:
    raise RuntimeError("nobody reads a body")


async def _send(message: Any) -> None:
    if message.get("status", 200) != 200:
        raise RuntimeError(f"answered {message['status']}")


def _chain(authority: Authority, name: str) -> tuple[bytes, ...]:
    leaf = authority.issue(name, client=True).certificate
    return tuple(ssl.PEM_cert_to_DER_cert(each.decode()) for each in (leaf, authority.certificate))


async def _best(bench: Bench, way: str, requests: int, rounds: int) -> tuple[float, float]:
    """Return µs a request without and with checks, the best of rounds that take turns."""
    chain, headers = bench.ways[way]
    best = {bench.unchecked: float("inf"), bench.checked: float("inf")}
    for _ in range(rounds):
        for application in best:
            start = time.perf_counter()
            for _ in range(requests):
                await bench.ask(application, chain, headers)
            best[application] = min(best[application], (time.perf_counter() - start) / requests)
    return best[bench.unchecked] * 1e6, best[bench.checked] * 1e6


async def _newcomers(bench: Bench, users: int) -> dict[str, float]:
    """Return how long a known user waits for an answer while this many others ask for the first time."""
    chain, headers = bench.ways["front proxy"]

    async def first(number: int) -> None:
        identity = (*_HEADERS, (b"x-remote-user", b"user-%d" % number), (b"x-remote-group", b"system:authenticated"))
        await bench.ask(bench.checked, chain, identity)

    async def known(samples: list[float]) -> None:
        while newcomers:
            start = time.perf_counter()
            await asyncio.sleep(0)  # its turn comes after what others do on the loop
            await bench.ask(bench.checked, chain, headers)
            samples.append((time.perf_counter() - start) * 1e3)

    async def arrive() -> None:
        for number in range(users):
            task = asyncio.create_task(first(number))
            newcomers.add(task)
            task.add_done_callback(newcomers.discard)
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0.001)

    bench.reviews.delay = 0.05
    samples: list[float] = []
    newcomers: set[asyncio.Task[None]] = set()
    start = time.perf_counter()
    arriving = asyncio.create_task(arrive())
    newcomers.add(arriving)
    arriving.add_done_callback(newcomers.discard)
    await known(samples)
    return {
        "all_ms": (time.perf_counter() - start) * 1e3,
        "p50_ms": statistics.median(samples),
        "p99_ms": statistics.quantiles(samples, n=100)[98],
        "max_ms": max(samples),
    }


async def measure(requests: int, rounds: int, users: int) -> dict[str, Any]:
    """Return the figures: µs a request by way and without checks, and the known user's wait."""
    bench = Bench()
    result: dict[str, Any] = {}
    for way in bench.ways:
        without, with_ = await _best(bench, way, requests, rounds)
        result[way] = {"without_us": without, "with_us": with_, "checks_us": with_ - without, "ratio": with_ / without}
    result["newcomers"] = await _newcomers(bench, users)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    import uvloop

    result = uvloop.run(measure(options.requests, options.rounds, options.users))
    newcomers = result.pop("newcomers")
    tables = {
        "checks, µs a request": [{"way": way, **figures} for way, figures in result.items()],
        f"a known user beside {options.users} first requests": [newcomers],
    }
    print_report("auth", tables, as_json=options.json)


if __name__ == "__main__":
    main()
