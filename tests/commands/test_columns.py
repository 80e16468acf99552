import pytest

from metrics_api.commands.columns import columns, mebibytes, millicores, percent


def test_cells_are_padded_to_three_beyond_the_widest() -> None:
    text = columns(("NAME", "CPU(cores)"), [("a-rather-long-name", "1m"), ("b", "200m")])

    assert text.splitlines() == [
        "NAME                 CPU(cores)",
        "a-rather-long-name   1m",
        "b                    200m",
    ]


def test_what_a_server_names_its_objects_cannot_steer_a_terminal() -> None:
    text = columns(None, [("\x1b[2Jevil\n\u202e", "1m"), ("web-\u00e9", "2m")])

    assert text.splitlines() == [
        r"\x1b[2Jevil\n\u202e   1m",
        "web-\u00e9" + " " * 17 + "2m",
    ]


def test_a_table_without_header_and_rows_is_empty() -> None:
    assert columns(None, []) == ""


@pytest.mark.parametrize(
    ("nanocores", "text"), [(0, "0m"), (1, "1m"), (1_000_000, "1m"), (1_000_001, "2m"), (2_500_000_000, "2500m")]
)
def test_millicores_are_rounded_up(nanocores: int, text: str) -> None:
    assert millicores(nanocores) == text


def test_mebibytes_are_cut() -> None:
    assert mebibytes(2 * 2**20 - 1) == "1Mi"


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(1, 3, "33%"), (5, 2, "250%"), (1, None, "<unknown>"), (1, 0, "<unknown>")]
)
def test_a_percentage_is_cut_and_unknown_without_a_whole(part: int, whole: int | None, text: str) -> None:
    assert percent(part, whole) == text
