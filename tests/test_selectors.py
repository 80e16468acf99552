from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.errors import SelectorError
from metrics_api.gotext import quote
from metrics_api.selectors import (
    FieldRequirement,
    LabelRequirement,
    parse_field_selector,
    parse_label_selector,
)
from metrics_api.selectors.bounds import LONGEST, MOST_TERMS

_CASES = json.loads((Path(__file__).parent / "data/metrics-server/selector-cases.json").read_text())
_FIELDS = ("metadata.name", "metadata.namespace")
_LONG = "a" * 64
_TEXTS = st.text(st.sampled_from("ab/.-_=!<>(), \t\\é\0") | st.characters(), max_size=40)


@pytest.mark.parametrize(("text", "code", "message"), _CASES["labelSelector"])
def test_a_label_selector_is_taken_or_refused_as_metrics_server_does(text: str, code: int, message: str | None) -> None:
    if code == 200:
        assert not parse_label_selector(text).is_empty
        return
    with pytest.raises(SelectorError) as caught:
        parse_label_selector(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(("text", "code", "message"), _CASES["fieldSelector"])
def test_a_field_selector_is_taken_or_refused_as_metrics_server_does(text: str, code: int, message: str | None) -> None:
    if code == 200:
        parse_field_selector(text).require_supported(*_FIELDS)
        return
    with pytest.raises(SelectorError) as caught:
        parse_field_selector(text).require_supported(*_FIELDS)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier", id="open"),
        pytest.param("a in (b,", "unable to parse requirement: found '', expected: ',', or identifier", id="comma"),
        pytest.param("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'", id="no-comma"),
        pytest.param("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier", id="sign"),
        pytest.param("/b", 'Invalid value: "/b": prefix part must be non-empty', id="empty-prefix"),
        pytest.param("b/", 'Invalid value: "b/": name part must be non-empty; name part must consist of', id="no-name"),
        pytest.param("a" * 254 + "/b", "prefix part must be no more than 253 bytes", id="long-prefix"),
        pytest.param("a in (-b,c,-d)", 'unable to parse requirement: [values[0][a]: Invalid value: "-b"', id="several"),
        pytest.param("a>9223372036854775808", "the value must be an integer", id="beyond-int64"),
        pytest.param("a=" + "é" * 32, "must be no more than 63 bytes; a valid label must be", id="bytes-not-letters"),
    ],
)
def test_what_is_wrong_with_a_label_selector_is_said(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_label_selector(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "labels", "selected"),
    [
        pytest.param("", {}, True, id="nothing-asked"),
        pytest.param("a=b", {"a": "b"}, True, id="equal"),
        pytest.param("a=b", {"a": "c"}, False, id="not-equal"),
        pytest.param("a=b", {}, False, id="equal-without-the-label"),
        pytest.param("a=", {"a": ""}, True, id="equal-to-blank"),
        pytest.param("a=", {}, False, id="blank-is-not-absent"),
        pytest.param("a!=b", {}, True, id="unequal-without-the-label"),
        pytest.param("a!=b", {"a": "b"}, False, id="unequal"),
        pytest.param("a in (b,c)", {"a": "c"}, True, id="in"),
        pytest.param("a in (b,c)", {"a": "d"}, False, id="not-in-the-set"),
        pytest.param("a in (b,c)", {}, False, id="in-without-the-label"),
        pytest.param("a in ()", {"a": ""}, True, id="in-the-blank-set"),
        pytest.param("a in (b,)", {"a": ""}, True, id="in-with-trailing-blank"),
        pytest.param("a notin (b,c)", {"a": "b"}, False, id="notin"),
        pytest.param("a notin (b,c)", {}, True, id="notin-without-the-label"),
        pytest.param("a", {"a": ""}, True, id="exists"),
        pytest.param("a", {}, False, id="does-not-exist"),
        pytest.param("!a", {}, True, id="absent"),
        pytest.param("!a", {"a": "b"}, False, id="not-absent"),
        pytest.param("a>1", {"a": "2"}, True, id="greater"),
        pytest.param("a>1", {"a": "1"}, False, id="not-greater"),
        pytest.param("a<10", {"a": "9"}, True, id="numbers-not-text"),
        pytest.param("a>1", {}, False, id="greater-without-the-label"),
        pytest.param("a<1", {"a": "x"}, False, id="not-a-number"),
        pytest.param("a<1", {"a": "0_0"}, False, id="python-number-only"),
        pytest.param("in in (in),notin", {"in": "in", "notin": ""}, True, id="keywords-as-keys"),
        pytest.param("a=b,c!=d,!e", {"a": "b"}, True, id="all-of-them"),
        pytest.param("a=b,c!=d,!e", {"a": "b", "e": ""}, False, id="not-all-of-them"),
        pytest.param("a=b\0,c=d", {"a": "b", "c": "d"}, True, id="nul-ends-a-word"),
    ],
)
def test_a_label_selector_selects(text: str, labels: dict[str, str], selected: bool) -> None:
    assert parse_label_selector(text).matches(labels) is selected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a=b", "a==b"),
        ("a=b", "a in (b)"),
        ("a!=b", "a notin (b)"),
        ("a,b=c", "b=c , a"),
        ("a in (x,y,x)", "a in (y,x)"),
    ],
)
def test_selectors_that_mean_the_same_are_equal_and_hash_alike(one: str, other: str) -> None:
    assert parse_label_selector(one) == parse_label_selector(other)
    assert hash(parse_label_selector(one)) == hash(parse_label_selector(other))


def test_selectors_that_differ_are_not_equal() -> None:
    texts = ["a", "!a", "a=b", "a!=b", "a=", "a>1", "a<1", "a in (b,c)", "a,b", ""]
    assert len({parse_label_selector(text) for text in texts}) == len(texts)


def test_requirements_are_sorted_by_key() -> None:
    assert parse_label_selector("b,a in (z,y)").requirements == (
        LabelRequirement("a", "In", ("y", "z")),
        LabelRequirement("b", "Exists"),
    )


@pytest.mark.parametrize("text", ["=", "==", "!=", ",=,", "!=,="])
def test_a_field_term_of_an_operator_alone_says_nothing(text: str) -> None:
    assert parse_field_selector(text).is_empty


@pytest.mark.parametrize(
    ("text", "fields", "selected"),
    [
        pytest.param("metadata.name=x", {"metadata.name": "x"}, True, id="equal"),
        pytest.param("metadata.name=x", {"metadata.name": "y"}, False, id="not-equal"),
        pytest.param("metadata.name!=x", {"metadata.name": "x"}, False, id="unequal"),
        pytest.param("metadata.namespace=", {"metadata.name": "x"}, True, id="a-field-it-lacks-is-blank"),
        pytest.param("metadata.namespace!=a,metadata.name=x", {"metadata.name": "x"}, True, id="both"),
        pytest.param(r"metadata.name=a\,b\=\\", {"metadata.name": r"a,b=" + "\\"}, True, id="escaped"),
    ],
)
def test_a_field_selector_selects(text: str, fields: dict[str, str], selected: bool) -> None:
    assert parse_field_selector(text).matches(fields) is selected


def test_a_field_selector_names_the_value_it_requires() -> None:
    selector = parse_field_selector("metadata.namespace!=a,metadata.name==x")
    assert selector.exact("metadata.name") == "x"
    assert selector.exact("metadata.namespace") is None
    assert selector.requirements[1] == FieldRequirement("metadata.namespace", "!=", "a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"metadata.name=a\b", r"invalid field selector: invalid escape sequence: \b"),
        ("metadata.name=x,metadata.foo=y", '"metadata.foo" is not a known field selector'),
        ("z=1,b=2", '"b" is not a known field selector'),
    ],
)
def test_what_is_wrong_with_a_field_selector_is_said(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_field_selector(text).require_supported(*_FIELDS)
    assert message in str(caught.value)


@given(_TEXTS)
def test_any_text_is_a_selector_or_a_selector_error(text: str) -> None:
    for parse in (parse_label_selector, parse_field_selector):
        with contextlib.suppress(SelectorError):
            selector = parse(text)
            assert parse(text) == selector
            assert selector.matches({"a": "b"}) in (True, False)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('say "hi"\\', r'"say \"hi\"\\"'),
        ("tab\tend\n", r'"tab\tend\n"'),
        ("é\x00\x7f", r'"é\x00\x7f"'),
        ("\u200b\U000e0001", r'"\u200b\U000e0001"'),
    ],
)
def test_text_is_quoted_as_go_quotes_it(text: str, quoted: str) -> None:
    assert quote(text) == quoted


def test_a_selector_of_many_faults_is_refused_with_the_first_of_them() -> None:
    with pytest.raises(SelectorError) as caught:
        parse_label_selector(f"a in ({','.join(f'.{number}' for number in range(490))})")
    assert str(caught.value).endswith(", ...]")
    assert len(str(caught.value)) < 7000


def test_a_selector_may_have_five_hundred_terms() -> None:
    assert len(parse_label_selector(",".join(f"a{i}" for i in range(MOST_TERMS))).requirements) == MOST_TERMS
    assert len(parse_field_selector(",".join(f"a{i}=" for i in range(MOST_TERMS))).requirements) == MOST_TERMS


@pytest.mark.parametrize("parse", [parse_label_selector, parse_field_selector])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a=," * MOST_TERMS, "the selector has more than 500 terms", id="terms"),
        pytest.param("a=" + "b" * LONGEST, "the selector has more than 16384 characters", id="characters"),
    ],
)
def test_what_is_too_long_for_a_selector_is_refused_unread(
    parse: Callable[[str], object], text: str, message: str
) -> None:
    with pytest.raises(SelectorError) as caught:
        parse(text)
    assert str(caught.value) == message
