"""Order, exit code, and how findings are printed."""

from __future__ import annotations

import json

from metrics_api.doctor.findings import Finding, Severity, error, exit_code, info, some, warning, worst_first
from metrics_api.doctor.rendering import as_json, as_text

BAD = error("a-thing", "it is broken", "n1: so it said", remedy="mend it")
ODD = warning("another", "it is odd", remedy="look at it")
FACT = info("a-fact", "it is so")


def test_the_worst_comes_first_and_equals_keep_their_order() -> None:
    second = warning("second", "", remedy="")
    assert worst_first([FACT, ODD, second, BAD]) == [BAD, ODD, second, FACT]


def test_the_exit_code_is_the_worst_severity() -> None:
    assert [exit_code(found) for found in ([], [FACT], [FACT, ODD], [ODD, BAD])] == [0, 0, 1, 2]


def test_evidence_stays_short() -> None:
    assert some(["a", "b"], 2) == ("a", "b")
    assert some(["a", "b", "c", "d"], 2) == ("a", "b", "… and 2 more")


def test_text_has_summary_evidence_remedy_and_a_count() -> None:
    assert as_text([BAD, FACT]) == (
        "ERROR   it is broken  [a-thing]\n        - n1: so it said\n        > mend it\n\n"
        "info    it is so  [a-fact]\n\n1 error, 0 warnings."
    )
    assert as_text([]) == as_text([FACT]).splitlines()[-1] == "Nothing is wrong."


def test_what_was_not_looked_at_is_not_called_well() -> None:
    unseen = Finding("not-looked-forbidden", Severity.INFO, "could not look at the nodes: you may not")
    assert as_text([unseen, FACT]).splitlines()[-1] == "Nothing is wrong with what could be looked at."
    assert as_text([unseen, BAD]).splitlines()[-1] == "1 error, 0 warnings."


def test_what_others_said_cannot_steer_a_terminal_or_forge_a_line() -> None:
    hostile = Finding("x", Severity.ERROR, "a\x1b[2Jb", ("c\r\nERROR   forged", "d\u202ee\x9b"), "f")
    printed = as_text([hostile])
    assert all(line.isprintable() for line in printed.splitlines())
    assert not any(line.startswith("ERROR   forged") for line in printed.splitlines())
    assert as_json([hostile]).isascii()


def test_what_others_said_is_cut_where_it_has_no_end() -> None:
    endless = "x" * 100_000
    finding = Finding("x", Severity.ERROR, endless, (endless, endless), endless)

    for printed in (as_text([finding]), as_json([finding])):
        assert len(printed) < 10_000
        assert printed.count("(100000 characters)") == 4


def test_json_has_all_of_it() -> None:
    document = json.loads(as_json([BAD, ODD]))
    assert document["exitCode"] == 2
    assert document["findings"][0] == {
        "id": "a-thing",
        "severity": "error",
        "summary": "it is broken",
        "evidence": ["n1: so it said"],
        "remedy": "mend it",
    }
