"""Good inputs with something wrong in them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.fuzz.seeds import WORDS


@st.composite
def spoiled(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Return one of the seeds with some of its bytes replaced, removed, doubled or cut off; or any bytes."""
    if draw(st.integers(0, 15)) == 0:
        return draw(st.binary(max_size=300))
    body = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        at, length = draw(st.integers(0, len(body))), draw(st.integers(0, 12))
        body[at : at + length] = draw(
            st.binary(max_size=12) | st.sampled_from(WORDS) | st.just(bytes(body[at : at + 4 * length]))
        )
    return bytes(body[: draw(st.integers(0, len(body)))]) if draw(st.integers(0, 7)) == 0 else bytes(body)
