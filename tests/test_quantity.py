from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.quantity import format_cpu, format_memory, parse_quantity


@pytest.mark.parametrize(
    ("nanocores", "text"),
    [
        (0, "0"),
        (1, "1n"),
        (251_008_935, "251008935n"),
        (1_234_567, "1234567n"),
        (1_200_000, "1200u"),
        (2_000_000, "2m"),
        (50_000_000, "50m"),
        (1_000_000_000, "1"),
        (2_500_000_000, "2500m"),
        (1_000 * 10**9, "1k"),
        (1_500 * 10**9, "1500"),
        (2_000_000 * 10**9, "2M"),
    ],
)
def test_cpu_is_written_in_the_largest_unit_that_divides_it(nanocores: int, text: str) -> None:
    assert format_cpu(nanocores) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1Ki"),
        (12345, "12345"),
        (1_500_000_000, "1500000000"),
        (51200 * 1024, "50Mi"),
        (1_616_273_408, "1578392Ki"),
        (5_242_880, "5Mi"),
        (2**60, "1Ei"),
        (2**63, "8Ei"),
    ],
)
def test_memory_is_written_in_the_largest_binary_unit_that_divides_it(size: int, text: str) -> None:
    assert format_memory(size) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("123n", "0.000000123"),
        ("5u", "0.000005"),
        ("250m", "0.25"),
        ("1.5", "1.5"),
        ("1e3", "1000"),
        ("2E", "2000000000000000000"),
        ("2Ei", "2305843009213693952"),
        ("64Mi", "67108864"),
        ("12k", "12000"),
        ("-1", "-1"),
    ],
)
def test_a_quantity_is_read(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "m", "1mm", "1 Ki", "abc", "NaN", "Infinity", "1KiB", "0x10"])
def test_what_is_no_quantity_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        parse_quantity(text)


@given(st.integers(min_value=0, max_value=2**64))
def test_what_is_written_reads_back_the_same(number: int) -> None:
    assert parse_quantity(format_cpu(number)) * 10**9 == number
    assert parse_quantity(format_memory(number)) == number
