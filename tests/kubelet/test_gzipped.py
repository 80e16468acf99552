from __future__ import annotations

import gzip
import zlib

import pytest

from metrics_api.errors import DecodeError, ScrapeError
from metrics_api.kubelet.gzipped import gunzip

TEXT = b"container_cpu_usage_seconds_total 1\n" * 20
LIMIT = 1 << 20


def test_what_was_packed_comes_out() -> None:
    assert gunzip(gzip.compress(TEXT), LIMIT) == TEXT


def test_as_much_as_is_allowed_comes_out() -> None:
    assert gunzip(gzip.compress(TEXT), len(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("packed", "limit"),
    [(gzip.compress(TEXT), len(TEXT) - 1), (gzip.compress(bytes(LIMIT)), LIMIT)],
    ids=["more than allowed", "more than a hundredfold"],
)
def test_a_bomb_is_not_unpacked(packed: bytes, limit: int) -> None:
    with pytest.raises(ScrapeError) as caught:
        gunzip(packed, limit)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        TEXT,
        gzip.compress(TEXT)[:-1],
        gzip.compress(TEXT)[:20],
        gzip.compress(TEXT) + b"x",
        gzip.compress(TEXT) * 2,
        zlib.compress(TEXT),
        gzip.compress(TEXT)[:-8] + bytes(8),
    ],
    ids=["nothing", "plain", "cut at the end", "cut", "something follows", "two members", "deflate", "wrong checksum"],
)
def test_what_is_not_one_whole_member_is_refused(packed: bytes) -> None:
    with pytest.raises(DecodeError):
        gunzip(packed, LIMIT)


def test_one_layer_only_is_taken_off() -> None:
    assert gunzip(gzip.compress(gzip.compress(TEXT)), LIMIT) == gzip.compress(TEXT)
