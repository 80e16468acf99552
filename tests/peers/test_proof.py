"""Who has the key proves it, to the one certificate at the other end, and to nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_api.errors import PeerError
from metrics_api.peers.proof import LEAST_KEY, SCHEME, PeerKey

KEY = PeerKey(b"k" * LEAST_KEY)
OURS, OTHER = b"o" * 32, b"x" * 32


def test_both_sides_come_to_the_same_proof() -> None:
    header, expected = KEY.ask(OURS)

    assert KEY.answer(header, [OTHER, OURS]) == expected


def test_each_question_has_a_proof_of_its_own() -> None:
    assert KEY.ask(OURS)[0] != KEY.ask(OURS)[0]


def test_a_proof_for_another_certificate_is_none() -> None:
    header, _ = KEY.ask(OTHER)

    assert KEY.answer(header, [OURS]) is None
    assert KEY.answer(header, []) is None


def test_a_proof_with_another_key_is_none() -> None:
    header, expected = PeerKey(b"j" * LEAST_KEY).ask(OURS)

    assert KEY.answer(header, [OURS]) is None
    assert KEY.ask(OURS)[1] != expected


def test_the_question_is_not_its_own_answer() -> None:
    header, expected = KEY.ask(OURS)

    assert expected not in header


HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)


@settings(deadline=None)
@given(st.text(max_size=200) | st.tuples(st.just(SCHEME), HEX, HEX).map(" ".join))
def test_whatever_else_is_shown_proves_nothing(header: str) -> None:
    assert KEY.answer(header, [OURS]) is None


def test_the_key_is_read_from_its_file_without_the_space_around_it(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\n" + b"k" * LEAST_KEY + b"\n")

    assert KEY.answer(PeerKey.read(str(file)).ask(OURS)[0], [OURS])


@pytest.mark.parametrize("content", [None, b"", b" " * 100, b"k" * (LEAST_KEY - 1) + b"\n"])
def test_a_key_that_is_none_is_said_to_be_none(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(PeerError, match=str(file)) as caught:
        PeerKey.read(str(file))
    assert "kkk" not in str(caught.value)
