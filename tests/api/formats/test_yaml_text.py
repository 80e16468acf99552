from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics_api.api.formats import yaml_text

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "yes",
        "NO",
        "on",
        "y",
        "null",
        "~",
        "1",
        "1e3",
        "0x1f",
        "1_000",
        "1:30",
        ".inf",
        "2026-01-01",
        "=",
        "<<",
        "- a",
        "#",
    ]
)
_SCALARS = _TEXTS | st.integers(-(2**53), 2**53) | st.booleans() | st.none()
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4), max_leaves=20
)


@settings(deadline=None)
@given(st.dictionaries(_TEXTS, _VALUES, max_size=5))
def test_any_document_is_read_back_by_another_reader(value: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_text.document(value)) == value


@settings(deadline=None)
@given(st.lists(st.dictionaries(_TEXTS, _VALUES, min_size=1, max_size=4), min_size=1, max_size=4))
def test_entries_one_after_the_other_are_a_sequence(values: list[dict[str, Any]]) -> None:
    assert yaml.safe_load(b"".join(map(yaml_text.item, values))) == values


def test_a_document_looks_as_by_kubernetes() -> None:
    value = {
        "kind": "List",
        "items": [{"b": {"x": []}, "a": "15s"}, {"c": {}}],
        "metadata": {},
        "no": [1, [True], None],
    }
    assert yaml_text.document(value).decode() == (
        'items:\n- a: 15s\n  b:\n    x: []\n- c: {}\nkind: List\nmetadata: {}\n"no":\n- 1\n-\n  - true\n- null\n'
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("web-1", "web-1"),
        ("k8s.io/x", "k8s.io/x"),
        ("251008935n", "251008935n"),
        ("50Mi", "50Mi"),
        ("1m0s", "1m0s"),
        ("14.996s", "14.996s"),
        ("", '""'),
        ("true", '"true"'),
        ("n", '"n"'),
        ("1500000000", '"1500000000"'),
        ("1e3", '"1e3"'),
        ("2026-11-21T02:02:02Z", '"2026-11-21T02:02:02Z"'),
        ('node "a" not found', '"node \\"a\\" not found"'),
        ("a\nb\x7f\ufeff\u2028", '"a\\nb\\u007f\\ufeff\\u2028"'),
        ("é😀", '"é😀"'),
    ],
)
def test_a_text_is_quoted_where_it_could_be_taken_for_something_else(text: str, written: str) -> None:
    assert yaml_text.scalar(text) == written
    assert yaml.safe_load(written) == text


def test_an_empty_document_is_an_empty_mapping() -> None:
    assert yaml.safe_load(yaml_text.document({})) == {}
