"""Stand-ins for what the client is given, and a client made with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.client import KubeletClient
from metrics_api.kubelet.http1 import Response
from metrics_api.kubelet.options import KubeletOptions
from metrics_api.kubelet.transport import Target
from metrics_api.model import NodeInfo
from tests.fakes import FakeClock
from tests.kubelet.documents import NOW, node, pod, read, summary


class Tokens:
    """Credentials that hand out one token after the other, a new one at each refresh."""

    def __init__(self, *tokens: str | None) -> None:
        self.tokens = list(tokens)
        self.refreshed = 0
        self.read = 0

    async def token(self, *, refresh: bool = False) -> str | None:
        self.read += 1
        if refresh:
            self.refreshed += 1
            if len(self.tokens) > 1:
                self.tokens.pop(0)
        return self.tokens[0]


SUMMARY = summary(pod())
RESOURCE = read("resource_1_36_small_t0.txt")
ADDRESSES = (("InternalIP", "10.0.0.7"), ("InternalIP", "fd00::7"))
Answer = Callable[[Target], Response]


class FakeTransport:
    """Answers as told, and remembers what was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Target] = []
        self.headers: list[bytes] = []
        self.deadlines: list[float] = []
        self.closed: list[str] = []
        self.forgotten: list[str] = []

    async def get(self, target: Target, *, deadline: float, authorization: bytes = b"") -> Response:
        self.asked.append(target)
        self.headers.append(authorization)
        self.deadlines.append(deadline)
        return self.answer(target)

    def close(self, node_uid: str) -> None:
        self.closed.append(node_uid)

    def forget(self, node_uid: str) -> None:
        self.close(node_uid)
        self.forgotten.append(node_uid)

    async def aclose(self) -> None:
        self.closed.append("*")

    @property
    def paths(self) -> list[str]:
        return [target.head.split(b" ")[1].split(b"?")[0].decode() for target in self.asked]


def is_summary(target: Target) -> bool:
    return b"/stats/summary" in target.head


def by_path(summary_answer: Response, resource_answer: Response | None = None) -> Answer:
    def answer(target: Target) -> Response:
        if is_summary(target):
            return summary_answer
        return resource_answer or Response(200, RESOURCE)

    return answer


async def no_names(name: str) -> Sequence[str]:
    raise OSError(f"no such name {name}")


def make(
    answer: Answer, *, options: KubeletOptions | None = None, tokens: Tokens | None = None
) -> tuple[KubeletClient, FakeTransport, FakeClock]:
    transport, clock = FakeTransport(answer), FakeClock(NOW)
    options = options or KubeletOptions(address_types=("InternalIP", "Hostname"))
    return (
        KubeletClient(options, tokens or Tokens("token-1", "token-2"), transport, clock, resolve=no_names),
        transport,
        clock,
    )


def asked_node(name: str = "node-a") -> NodeInfo:
    return node(name, addresses=ADDRESSES)


async def failure(client: KubeletClient, asked: NodeInfo | None = None) -> ScrapeError:
    with pytest.raises(ScrapeError) as caught:
        await client.scrape(asked or asked_node(), deadline=10)
    return caught.value
