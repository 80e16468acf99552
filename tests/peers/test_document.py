"""The document between replicas: read as it comes, whatever pieces it comes in, and never more than is allowed."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_api.errors import PeerError
from metrics_api.handover import Counter, NodeHandover, PodHandover, Served
from metrics_api.peers.document import LARGEST_FRAME, decode, encode

COUNTER = Counter("app", 2.0, 5, 1.0, 3, 7, 4096, 15_000, 1.0, 1.0, 3, 0, True, False)
NODES = [
    NodeHandover(
        f"node-{number}",
        f"uid-{number}",
        1e9,
        msgspec.structs.replace(COUNTER, name=""),
        tuple(
            PodHandover(f"pod-{each}", (COUNTER,) * each, Served(1.0, 5, (("app", 1, 2),))) for each in range(number)
        ),
    )
    for number in range(4)
]
WHOLE = b"".join(map(encode, NODES))


async def pieces(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(*parts: bytes) -> list[NodeHandover]:
    return [node async for node in decode(pieces(parts))]


@settings(deadline=None)
@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
async def test_it_is_read_whatever_pieces_it_comes_in(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(WHOLE)]

    assert await read(*(WHOLE[start:end] for start, end in itertools.pairwise(ends))) == NODES


@pytest.mark.parametrize("cut", [1, 3, 5, 40])
async def test_one_that_breaks_off_is_noticed(cut: int) -> None:
    with pytest.raises(PeerError, match="too early"):
        await read(WHOLE[:-cut])


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\x93\x01", msgspec.msgpack.encode({"name": "n"}), msgspec.msgpack.encode(["n", "u", -1.0])],
)
async def test_a_frame_that_is_no_node_is_refused(body: bytes) -> None:
    with pytest.raises(PeerError, match="cannot be understood"):
        await read(len(body).to_bytes(4, "big") + body)


async def test_a_frame_nested_without_end_is_refused() -> None:
    node = msgspec.msgpack.encode([*msgspec.to_builtins(NODES[0]), None])
    body = node[:-1] + b"\x91" * 100_000 + b"\x90"
    with pytest.raises(PeerError, match="cannot be understood"):
        await read(len(body).to_bytes(4, "big") + body)


async def test_a_frame_that_announces_too_much_is_refused_before_it_is_read() -> None:
    with pytest.raises(PeerError, match="frame of"):
        await read((LARGEST_FRAME + 1).to_bytes(4, "big"))


@settings(deadline=None)
@given(st.binary(max_size=300))
async def test_no_bytes_lead_to_another_error(content: bytes) -> None:
    with contextlib.suppress(PeerError):
        await read(content)


def test_a_node_that_is_too_large_is_left_out() -> None:
    pods = tuple(PodHandover(f"pod-{number}", (COUNTER,) * 900) for number in range(200))

    assert encode(msgspec.structs.replace(NODES[0], pods=pods)) == b""
