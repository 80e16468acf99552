"""From replica to replica over real TLS; and all who pretend to be one, on either side."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

import httpx
import pytest

from metrics_api.errors import PeerError
from metrics_api.handover import Counter, NodeHandover, PodHandover
from metrics_api.peers.asking import PATIENCE, ask
from metrics_api.peers.document import LARGEST_FRAME, MEDIA_TYPE, PATH
from metrics_api.peers.finding import Place
from metrics_api.peers.proof import SCHEME, PeerKey
from metrics_api.store.store import Store
from tests.peers.replicas import (
    KEY,
    SHORT_INTRODUCTION,
    SHORT_SILENCE,
    connect,
    full_store,
    giving,
    known_store,
    stranger,
    taken,
)

OTHER_KEY = PeerKey(b"a key that only other replicas know")


def asking() -> httpx.AsyncClient:
    return httpx.AsyncClient(verify=False, trust_env=False)  # noqa: S501 - what is tested does not rest on it


async def test_a_replica_gives_all_it_has_and_the_other_serves_it(tmp_path: Path) -> None:
    giver, taker = full_store(), known_store()
    async with giving(tmp_path, giver) as place:
        async for node in ask(place, KEY):
            taker.take_over(node, delay=0)

    assert [(row.name, row.usage) for row in taker.pods(None)] == [(row.name, row.usage) for row in giver.pods(None)]
    assert [(row.name, row.usage) for row in taker.nodes()] == [(row.name, row.usage) for row in giver.nodes()]
    assert taker.served_pods == 12


@pytest.mark.parametrize(("store", "has_begun"), [(known_store(), True), (full_store(), False)])
async def test_a_replica_without_samples_or_still_starting_says_so(
    tmp_path: Path, store: Store, has_begun: bool
) -> None:
    async with giving(tmp_path, store, has_begun=has_begun) as place:
        with pytest.raises(PeerError, match="it is starting too, or it is this replica"):
            await taken(place)


async def test_a_replica_with_another_key_is_no_peer(tmp_path: Path) -> None:
    async with giving(tmp_path, full_store()) as place:
        with pytest.raises(PeerError, match="it does not know our key"):
            await taken(place, OTHER_KEY)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer token-of-the-administrator"},
        {"authorization": f"{SCHEME} {'0' * 64} {'0' * 64}"},
        {"authorization": KEY.ask(b"another certificate")[0]},
        {"x-remote-user": "admin", "x-remote-group": "system:masters"},
    ],
    ids=["nothing", "a token", "zeros", "a proof for another certificate", "headers of the front proxy"],
)
@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
async def test_without_the_key_nobody_gets_samples(tmp_path: Path, path: str, headers: dict[str, str]) -> None:
    async with giving(tmp_path, full_store()) as place, asking() as client:
        answer = await client.get(f"https://{place}{path}", headers=headers)

    assert answer.status_code == 401
    assert answer.json()["kind"] == "Status"
    assert "authentication-info" not in answer.headers


@pytest.mark.parametrize("path", ["/peer", "/peer/samples/node-0", "//peer/samples", "/apis"])
async def test_the_other_gate_decides_on_every_other_path(tmp_path: Path, path: str) -> None:
    async with giving(tmp_path, full_store()) as place, asking() as client:
        answer = await client.get(f"https://{place}{path}", headers={"authorization": KEY.ask(b"")[0]})

    assert answer.status_code == 403


class Endless:
    """More samples than the buffers between two replicas can hold."""

    served_nodes = 1

    def selected_nodes(self) -> list[str]:
        return ["node"] * 10_000

    def hand_over(self, node_name: str) -> NodeHandover:
        counter = Counter("", 1.0, 1, 0.0, 0, 1, 1, 1, 1.0, 1.0, 0, 0, True, False)
        return NodeHandover(node_name, "u", 1.0, counter, (PodHandover("p" * 200, (counter,) * 900),) * 10)


async def test_no_fifth_replica_is_given_samples_at_the_same_time(tmp_path: Path) -> None:
    async with giving(tmp_path, Endless()) as place, contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            asked = await stack.enter_async_context(contextlib.aclosing(ask(place, KEY)))
            assert (await anext(asked)).name == "node"
        with pytest.raises(PeerError, match="it answers 429"):
            await taken(place)


async def test_replicas_that_ask_at_the_same_moment_are_counted_before_any_is_answered(tmp_path: Path) -> None:
    async def one() -> str:
        async with contextlib.aclosing(ask(place, KEY)) as asked:
            first = await anext(asked)
            begun.append(first.name)
            await enough.wait()
            return first.name

    async with giving(tmp_path, Endless()) as place:
        begun: list[str] = []
        enough = asyncio.Event()
        askers = [asyncio.create_task(one()) for _ in range(12)]
        refused = 0
        for answered in asyncio.as_completed(askers):  # those who are given to stay until all others were refused
            with contextlib.suppress(PeerError):
                await answered
                continue
            refused += 1
            if refused == 8:
                enough.set()

    assert (len(begun), refused) == (4, 8)


async def test_one_who_stands_in_between_gets_and_gives_nothing(tmp_path: Path) -> None:
    """He passes everything on, in both directions, over TLS of his own."""
    seen = bytearray()
    async with giving(tmp_path / "giver", full_store()) as place:

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            from_giver, to_giver = await connect(place)

            async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                while piece := await source.read(65536):
                    seen.extend(piece)
                    sink.write(piece)

            try:
                await asyncio.gather(copy(reader, to_giver), copy(from_giver, writer))
            finally:
                to_giver.close()

        async with stranger(tmp_path / "between", pass_on) as between:
            with pytest.raises(PeerError, match="it does not know our key"):
                await taken(between)

    assert b"node-0" not in seen
    assert seen.count(b"401") >= 2


def answers(*texts: str) -> list[bytes]:
    return [text.replace("\n", "\r\n").encode() for text in texts]


async def _answer(place_texts: list[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for text in place_texts:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        await writer.drain()


HEAD = "HTTP/1.1 401 Unauthorized\ncontent-length: 0\n\n"
STRANGERS = {
    "anything at all": (
        ["HTTP/1.1 200 OK\ncontent-length: 2\n\n", "HTTP/1.1 200 OK\ncontent-length: 2\n\nhi"],
        "prove",
    ),
    "a proof that is none": (
        [HEAD, f"HTTP/1.1 200 OK\nauthentication-info: {'0' * 64}\ncontent-type: {MEDIA_TYPE}\ncontent-length: 0\n\n"],
        "prove",
    ),
    "a redirect": ([HEAD, "HTTP/1.1 302 Found\nlocation: https://elsewhere/\ncontent-length: 0\n\n"], "answers 302"),
    "no HTTP": (["220 mail.example.com ESMTP\n\n"], "RemoteProtocolError"),
    "half an answer": ([HEAD, "HTTP/1.1 200 OK\nauthenti"], "RemoteProtocolError"),
}


@pytest.mark.parametrize(("texts", "said"), STRANGERS.values(), ids=STRANGERS)
async def test_a_stranger_is_not_believed_who_says(tmp_path: Path, texts: list[str], said: str) -> None:
    async with stranger(tmp_path, lambda *streams: _answer(answers(*texts), *streams)) as place:
        with pytest.raises(PeerError, match=said):
            await taken(place)


async def test_a_stranger_who_says_nothing_is_left(tmp_path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with stranger(tmp_path, say_nothing) as place:
        with pytest.raises(PeerError, match="Timeout"):
            await taken(place, patience=SHORT_SILENCE)


async def test_a_stranger_who_drips_is_left_all_the_same(tmp_path: Path) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"x: y\r\n")
            await writer.drain()
            await asyncio.sleep(SHORT_INTRODUCTION.introduction / 20)

    async with stranger(tmp_path, drip) as place:
        with pytest.raises(PeerError, match="did not prove in time"):
            await taken(place, patience=SHORT_INTRODUCTION)


async def test_where_nobody_listens_nobody_is_waited_for() -> None:
    with pytest.raises(PeerError, match="ConnectError"):
        await taken(Place("127.0.0.1", 1))


async def test_an_address_that_is_none_is_no_peer() -> None:
    with pytest.raises(PeerError, match="InvalidURL"):
        await taken(Place("fe80::1%eth0\n", 1))


class Broken:
    """Talks as a replica that has the key and a defect."""

    def __init__(self, directory: Path, head: str, body: bytes) -> None:
        self._directory = directory
        self._head = head
        self._body = body

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from metrics_api.serving.certificates import find_pair

        fingerprint = find_pair("", "", str(self._directory), "127.0.0.1").fingerprint()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD.replace("\n", "\r\n").encode())
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        shown = re.search(rf"(?i)authorization: ({SCHEME} .*)\r\n", request)
        assert shown is not None
        head = f"HTTP/1.1 200 OK\nauthentication-info: {KEY.answer(shown[1], [fingerprint])}\n{self._head}\n\n"
        writer.write(head.replace("\n", "\r\n").encode() + self._body)
        await writer.drain()
        await reader.read()


LENGTH = "content-length: 12"
DEFECTS = {
    "another version": (
        f"content-type: application/vnd.metrics-api.samples.v2\n{LENGTH}",
        b"",
        "another version's form",
    ),
    "compression": (f"content-type: {MEDIA_TYPE}\ncontent-encoding: gzip\n{LENGTH}", b"", "another version's form"),
    "nonsense": (f"content-type: {MEDIA_TYPE}\n{LENGTH}", b"\0\0\0\x08nonsense", "cannot be understood"),
    "an endless frame": (
        f"content-type: {MEDIA_TYPE}\n{LENGTH}",
        (LARGEST_FRAME + 1).to_bytes(4, "big") + b"12345678",
        "frame of",
    ),
    "half a frame and then silence": (f"content-type: {MEDIA_TYPE}\ncontent-length: 999", b"\0\0\0\xff", "ReadTimeout"),
}


@pytest.mark.parametrize(("head", "body", "said"), DEFECTS.values(), ids=DEFECTS)
async def test_a_peer_is_left_that_gives(tmp_path: Path, head: str, body: bytes, said: str) -> None:
    async with stranger(tmp_path, Broken(tmp_path, head, body)) as place:
        with pytest.raises(PeerError, match=said):
            await taken(place, patience=SHORT_SILENCE if "Timeout" in said else PATIENCE)
