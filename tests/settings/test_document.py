from pathlib import Path

import pytest

from metrics_api.settings.document import render_help, render_page
from metrics_api.settings.flags import FLAGS
from metrics_api.settings.inert import INERT

PAGE = Path(__file__).parents[2] / "docs" / "flags.md"


def test_the_page_in_docs_is_what_the_tables_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(), "run `make docs`"


@pytest.mark.parametrize("name", [*FLAGS, *INERT])
def test_every_flag_is_in_page_and_help(name: str) -> None:
    assert f"--{name}`" in render_page() or f"--{name} " in render_page()
    assert f"--{name} " in render_help().replace("\n", " ")


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_with_effect_is_in_the_page_with_its_variable(flag: str) -> None:
    assert f"`{FLAGS[flag].environment}` |" in render_page()


def test_no_row_of_a_table_is_broken_by_a_bar_in_a_cell() -> None:
    rows = [line for line in render_page().splitlines() if line.startswith("|")]

    assert {row.replace("\\|", "").count("|") for row in rows} == {5}


def test_help_fits_a_terminal() -> None:
    assert max(map(len, render_help().splitlines())) <= 100
