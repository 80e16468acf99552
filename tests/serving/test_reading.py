"""Requests out of bytes, however they are cut."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metrics_api.serving.asgi import Scope
from metrics_api.serving.reading import LARGEST_BODY, OF_GUESTS, OF_PROVEN, HeadLimits, Reader, RefusedError

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_", min_size=1, max_size=12).map(str.encode)
VALUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30).map(str.encode)
PATH = st.lists(TOKEN, max_size=4).map(lambda parts: b"/" + b"/".join(parts))
GET = b"GET / HTTP/1.1\r\n\r\n"
FRAMING = (b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"host", b"expect")
HEADERS = st.lists(st.tuples(TOKEN.filter(lambda name: name.lower() not in FRAMING), VALUE), max_size=6)
REQUEST = st.tuples(st.sampled_from((b"GET", b"POST", b"HEAD")), PATH, VALUE.filter(lambda v: b"#" not in v), HEADERS,
                    st.binary(max_size=40))  # fmt: skip


class Owner:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.asked_for: list[Scope] = []
        self.stays: list[bool] = []
        self.count = self.whole = 0
        self.ends = self.is_overrun = False

    def begun(self) -> None:
        self.count += 1

    def asked(self, scope: Scope, *, may_stay: bool) -> None:
        self.asked_for.append(scope)
        self.stays.append(may_stay)

    def arrived(self) -> None:
        self.whole += 1

    def end_with_answer(self) -> None:
        self.ends = True

    def overrun(self) -> None:
        self.is_overrun = True


def reader(limits: HeadLimits = OF_PROVEN) -> tuple[Reader, Owner]:
    owner = Owner()
    return Reader(owner, limits, {"type": "http"}, {"who": "alice"}), owner


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


def feed(parts: Reader, data: bytes, pieces: int) -> None:
    step = -(-len(data) // pieces)
    for start in range(0, len(data), step):
        parts.feed(data[start : start + step])


@given(st.lists(REQUEST, min_size=1, max_size=4), st.lists(st.integers(min_value=0), max_size=12))
@example([(b"GET", b"/", b"", [], b"")], list(range(60)))
def test_requests_are_the_same_however_their_bytes_are_cut(requests: list[Any], places: list[int]) -> None:
    data, wanted = b"", []
    for method, path, query, headers, body in requests:
        lines = [*headers, (b"Content-Length", b"%d" % len(body))]
        data += b"%b %b?%b HTTP/1.1\r\n" % (method, path, query)
        data += b"".join(b"%b: %b\r\n" % each for each in lines) + b"\r\n" + body
        lowered = [(name.lower(), value) for name, value in lines]
        wanted.append((method.decode(), path.decode(), query, lowered))
    parts, owner = reader()
    for piece in cut(data, places):
        parts.feed(piece)
    names = ("method", "path", "query_string", "headers")
    assert [tuple(scope[name] for name in names) for scope in owner.asked_for] == wanted
    assert owner.count == owner.whole == len(requests)
    assert owner.stays == [True] * len(requests)
    assert (parts.is_incomplete, owner.ends, owner.is_overrun) == (False, False, False)


@given(st.binary(max_size=400), st.lists(st.integers(min_value=0), max_size=6))
@example(b"GET / HTTP/1.1\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nGET", [])
@example(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [])
def test_whatever_comes_is_read_or_refused(data: bytes, places: list[int]) -> None:
    parts, _ = reader(OF_GUESTS)
    with contextlib.suppress(RefusedError):
        for piece in cut(data, places):
            parts.feed(piece)


def test_each_request_has_a_state_of_its_own() -> None:
    parts, owner = reader()
    parts.feed(b"GET /%2e HTTP/1.1\r\n\r\n" * 2)
    first, second = owner.asked_for
    assert (first["path"], first["raw_path"]) == ("/.", b"/%2e")
    first["state"]["more"] = 1
    assert second["state"] == {"who": "alice"}


@pytest.mark.parametrize(
    ("head", "stays"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
    ],
)
def test_whether_the_client_asks_again(head: bytes, stays: bool) -> None:
    parts, owner = reader()
    parts.feed(head)
    assert owner.stays == [stays]


@pytest.mark.parametrize(
    ("announced", "ends"),
    [
        (b"content-length: %d" % LARGEST_BODY, False),
        (b"content-length: %d" % (LARGEST_BODY + 1), True),
        (b"content-length: 99999999999999999", True),
        (b"transfer-encoding: chunked", True),
        (b"expect: 100-Continue\r\ncontent-length: 1", True),
        (b"expect: another-thing\r\ncontent-length: 1", False),
    ],
)
def test_what_a_body_announces_is_judged_before_it_comes(announced: bytes, ends: bool) -> None:
    parts, owner = reader()
    parts.feed(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % announced)
    assert owner.ends == ends
    assert parts.is_incomplete


def test_a_body_is_counted_as_it_comes() -> None:
    parts, owner = reader()
    parts.feed(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    parts.feed(chunk * 2)
    assert not owner.is_overrun
    parts.feed(chunk)
    assert owner.is_overrun


@pytest.mark.parametrize("pieces", [1, 3, 200])
def test_trailers_are_no_headers(pieces: int) -> None:
    parts, owner = reader()
    head = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
    feed(parts, head + b"1\r\nx\r\n0\r\nX-Remote-User: root\r\nX-Remote-Group: system:masters\r\n\r\n" + GET, pieces)
    assert [scope["headers"] for scope in owner.asked_for] == [[(b"transfer-encoding", b"chunked")], []]
    assert owner.whole == 2


@pytest.mark.parametrize(
    ("begun", "endless"),
    [(b"0\r\nx: ", b"a" * 0x4000), (b"0\r\n", b"x: y\r\n" * 0x1000), (b"1;", b"a" * 0x4000)],
    ids=["one long trailer", "many trailers", "the extension of a chunk"],
)
def test_what_is_around_a_body_is_counted_too(begun: bytes, endless: bytes) -> None:
    parts, owner = reader()
    parts.feed(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + begun)
    for _ in range(6):
        parts.feed(endless)
    assert owner.is_overrun


def test_a_body_of_the_greatest_length_may_come_in_any_pieces() -> None:
    parts, owner = reader()
    chunk = b"200\r\n" + b"x" * 0x200 + b"\r\n"
    feed(parts, b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + chunk * 128 + b"0\r\n\r\n", 1000)
    assert (parts.is_incomplete, owner.is_overrun) == (False, False)


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_head_is_counted_whether_it_comes_whole_or_in_pieces(pieces: int) -> None:
    fits = b"GET / HTTP/1.1\r\nx: %b\r\n\r\n" % (b"a" * (OF_GUESTS.size - 100))
    parts, owner = reader(OF_GUESTS)
    for _ in range(2):
        feed(parts, fits, pieces)
    assert len(owner.asked_for) == 2
    large = b"GET / HTTP/1.1\r\nx: %b\r\n\r\n" % (b"a" * OF_GUESTS.size)
    with pytest.raises(RefusedError, match="431"):
        feed(parts, large, pieces)
    assert len(owner.asked_for) == 2
