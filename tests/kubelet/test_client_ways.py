"""A scrape: which address is dialled, for how long, and what is remembered of a node."""

from __future__ import annotations

from collections.abc import Sequence

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.client import KubeletClient
from metrics_api.kubelet.dialing import ConnectError
from metrics_api.kubelet.http1 import Response
from metrics_api.kubelet.options import KubeletOptions
from metrics_api.kubelet.transport import Target
from tests.fakes import FakeClock
from tests.kubelet.documents import NOW, node, pod, summary
from tests.kubelet.fakes import (
    ADDRESSES,
    RESOURCE,
    SUMMARY,
    FakeTransport,
    Tokens,
    asked_node,
    by_path,
    failure,
    is_summary,
    make,
)


def refused(target: Target) -> ConnectError:
    return ConnectError("refused", f"{target.route.ip} refused")


async def test_where_no_connection_comes_about_the_other_ip_version_is_tried_and_kept() -> None:
    def answer(target: Target) -> Response:
        if target.route.ip.version == 4:
            raise refused(target)
        return Response(200, SUMMARY)

    client, transport, _ = make(answer)
    for _ in range(2):
        await client.scrape(asked_node(), deadline=10)
    assert [target.route.ip.version for target in transport.asked] == [4, 6, 6]


async def test_where_no_address_can_be_connected_to_the_first_failure_is_told() -> None:
    def answer(target: Target) -> Response:
        raise refused(target)

    client, transport, _ = make(answer)
    for _ in range(2):
        assert str(await failure(client)) == "10.0.0.7 refused"
    assert [target.route.ip.version for target in transport.asked] == [4, 6, 4, 6]


async def test_a_node_with_one_address_is_dialled_once() -> None:
    def answer(target: Target) -> Response:
        raise refused(target)

    client, transport, _ = make(answer)
    assert (await failure(client, node(addresses=ADDRESSES[:1]))).reason == "refused"
    assert len(transport.asked) == 1


async def test_a_failure_after_connecting_does_not_lead_to_another_address() -> None:
    def answer(target: Target) -> Response:
        raise ScrapeError("reset", "broken off")

    client, transport, _ = make(answer)
    assert (await failure(client)).reason == "reset"
    assert len(transport.asked) == 1


async def test_a_changed_address_is_dialled_at_the_next_scrape() -> None:
    client, transport, _ = make(lambda _: Response(200, SUMMARY))
    await client.scrape(asked_node(), deadline=10)
    await client.scrape(node(addresses=(("InternalIP", "10.0.0.8"),)), deadline=10)
    assert [str(target.route.ip) for target in transport.asked] == ["10.0.0.7", "10.0.0.8"]


async def test_a_name_is_resolved_again_after_some_minutes_and_not_at_each_scrape() -> None:
    found: list[str] = []

    async def resolve(name: str) -> Sequence[str]:
        found.append(name)
        return [f"10.0.0.{len(found)}"]

    transport, clock = FakeTransport(lambda _: Response(200, SUMMARY)), FakeClock(NOW)
    options = KubeletOptions(address_types=("Hostname",))
    client = KubeletClient(options, Tokens("t"), transport, clock, resolve=resolve)
    named = node(addresses=(("Hostname", "node-a.example"),))
    for seconds in (0, 150, 149, 2):
        clock.move_to(clock.monotonic() + seconds)
        await client.scrape(named, deadline=10)
    assert [str(target.route.ip) for target in transport.asked] == ["10.0.0.1"] * 3 + ["10.0.0.2"]


async def test_another_nodes_answer_closes_the_connection_and_looks_for_the_way_anew() -> None:
    client, transport, _ = make(lambda _: Response(200, SUMMARY.replace(b"node-a", b"node-b")))
    assert (await failure(client)).reason == "wrong_node"
    assert transport.closed == ["uid-node-a"]


async def test_a_node_is_not_recognized_by_a_machine_that_was_never_it() -> None:
    """A key that was pinned when another machine answered is let go of; one that the node itself showed is kept."""
    bodies = [summary(pod(), nodeName="node-b"), SUMMARY, summary(pod(), nodeName="node-b")]
    client, transport, _ = make(lambda _: Response(200, bodies.pop(0)))
    assert (await failure(client)).reason == "wrong_node"
    assert transport.forgotten == ["uid-node-a"]
    await client.scrape(asked_node(), deadline=10)
    assert (await failure(client)).reason == "wrong_node"
    assert transport.forgotten == ["uid-node-a"]
    assert transport.closed == ["uid-node-a", "uid-node-a"]


async def test_all_requests_of_a_scrape_share_its_deadline() -> None:
    def answer(target: Target) -> Response:
        clock.move_to(clock.monotonic() + 6)
        return Response(404, b"") if is_summary(target) else Response(200, RESOURCE)

    client, transport, clock = make(answer)
    await client.scrape(asked_node(), deadline=10)
    assert transport.deadlines == [10, 4]


async def test_a_scrape_whose_time_is_over_asks_no_more() -> None:
    def answer(target: Target) -> Response:
        clock.move_to(clock.monotonic() + 11)
        return Response(404, b"")

    client, transport, clock = make(answer)
    assert (await failure(client)).reason == "timeout"
    assert len(transport.asked) == 1


async def test_a_node_without_an_address_is_not_asked() -> None:
    client, transport, _ = make(lambda _: Response(200, SUMMARY))
    assert (await failure(client, node())).reason == "no_address"
    assert transport.asked == []


async def test_a_denied_address_is_not_asked() -> None:
    client, transport, _ = make(lambda _: Response(200, SUMMARY))
    assert (await failure(client, node(addresses=(("InternalIP", "169.254.169.254"),)))).reason == "denied_address"
    assert transport.asked == []


async def test_a_forgotten_node_is_new_again_and_its_connection_closed() -> None:
    client, transport, _ = make(by_path(Response(404, b"")))
    await client.scrape(asked_node(), deadline=10)
    client.forget("uid-node-a")
    client.forget("never heard of")
    await client.scrape(asked_node(), deadline=10)
    assert transport.paths.count("/stats/summary") == 2
    assert transport.closed == ["uid-node-a", "never heard of"]


async def test_closing_the_client_closes_its_transport() -> None:
    client, transport, _ = make(lambda _: Response(200, SUMMARY))
    await client.close()
    assert transport.closed == ["*"]
