from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.auth.front_proxy import user_from_headers
from metrics_api.auth.identity import User
from metrics_api.auth.trust import FrontProxyRules

RULES = FrontProxyRules(uid_headers=("x-remote-uid",))


@pytest.mark.parametrize(
    ("headers", "user"),
    [
        pytest.param([(b"x-remote-user", b"alice")], User("alice"), id="a name"),
        pytest.param([], None, id="nothing"),
        pytest.param([(b"x-remote-user", b"")], None, id="an empty name"),
        pytest.param([(b"x-remote-group", b"system:masters")], None, id="a group without a name"),
        pytest.param(
            [(b"x-remote-user", b"a"), (b"x-remote-group", b"g2"), (b"x-remote-group", b"g1")],
            User("a", groups=("g2", "g1")),
            id="groups in order, a line each",
        ),
        pytest.param(
            [(b"x-remote-user", b"a"), (b"x-remote-group", b"g1, g2")],
            User("a", groups=("g1, g2",)),
            id="a comma does not divide",
        ),
        pytest.param(
            [(b"x-remote-user", b"a"), (b"x-remote-group", b""), (b"x-remote-group", b"g")],
            User("a", groups=("g",)),
            id="an empty group is none",
        ),
        pytest.param(
            [(b"x-remote-user", b"a"), (b"x-remote-extra-a%2f%zz", b"c")],
            User("a", extra=(("a%2f%zz", ("c",)),)),
            id="extra, its key not to be decoded",
        ),
        pytest.param(
            [(b"x-remote-user", b"a"), (b"x-remote-user", b"b")], User("a"), id="of two names the first line counts"
        ),
        pytest.param([(b"x-remote-user", b""), (b"x-remote-user", b"b")], None, id="an empty first line stays empty"),
        pytest.param([(b"x-remote-user", b"a"), (b"x-remote-uid", b"7")], User("a", "7"), id="a uid"),
        pytest.param(
            [
                (b"x-remote-user", b"a"),
                (b"x-remote-extra-authentication.kubernetes.io%2fcredential-id", b"X"),
                (b"x-remote-extra-scopes", b"s1"),
                (b"x-remote-extra-scopes", b"s2"),
            ],
            User("a", extra=(("authentication.kubernetes.io/credential-id", ("X",)), ("scopes", ("s1", "s2")))),
            id="extra, its key decoded",
        ),
        pytest.param([(b"x_remote_user", b"eve")], None, id="underscores are another header"),
        pytest.param([(b"x-remote-user", "j\u00fcrgen".encode())], User("j\u00fcrgen"), id="utf-8"),
        pytest.param([(b"x-remote-user", b"\xff")], User("\ufffd"), id="no utf-8"),
    ],
)
def test_the_identity_in(headers: list[tuple[bytes, bytes]], user: User | None) -> None:
    assert user_from_headers(headers, RULES) == user


def test_a_uid_is_not_believed_unless_the_cluster_names_its_header() -> None:
    headers = [(b"x-remote-user", b"a"), (b"x-remote-uid", b"7")]

    assert user_from_headers(headers, FrontProxyRules()) == User("a")


def test_the_first_name_header_with_a_value_wins() -> None:
    rules = FrontProxyRules(username_headers=("x-one", "x-two"))

    assert user_from_headers([(b"x-two", b"b"), (b"x-one", b"")], rules) == User("b")
    assert user_from_headers([(b"x-two", b"b"), (b"x-one", b"a")], rules) == User("a")


RULES_OF_MANY = FrontProxyRules(
    username_headers=("x-remote-user", "x-name"),
    group_headers=("x-remote-group", "x-more"),
    uid_headers=("x-remote-uid",),
    extra_prefixes=("x-remote-extra-", "x-fact-"),
)
NAMES = st.sampled_from(
    [
        *("X-Remote-User", "x-remote-USER", "X-Name", "X-Remote-Group", "x-more", "X-Remote-Uid", "x_remote_user"),
        *(
            "X-Remote-Extra-A",
            "x-remote-extra-a",
            "X-Remote-Extra-A%2Fb",
            "X-Fact-a",
            "X-Remote-Extra-%zz%2f",
            "X-Fact-",
        ),
        *("X-Remote-Userx", "XX-Remote-User", "Other"),
    ]
)
VALUES = st.sampled_from(["", "root", "a, b", "system:masters", "j\u00fcrgen"]) | st.text(max_size=5)


def as_go_reads(lines: list[tuple[str, str]]) -> User | None:
    """Return the user by Go's words: a map from each name to its lines, of which ``Get`` gives the first."""

    def lines_of(name: str) -> list[str]:
        return [value for found, value in lines if found.lower() == name]

    def first_of(names: tuple[str, ...]) -> str:
        return next((lines_of(name)[0] for name in names if lines_of(name) and lines_of(name)[0]), "")

    facts: dict[str, list[str]] = {}
    for prefix in RULES_OF_MANY.extra_prefixes:
        for name in dict.fromkeys(name.lower() for name, _ in lines):
            if name.startswith(prefix):
                key = name.removeprefix(prefix)
                facts.setdefault(key if "%zz" in key else key.replace("%2f", "/"), []).extend(lines_of(name))
    name = first_of(RULES_OF_MANY.username_headers)
    groups = [group for header in RULES_OF_MANY.group_headers for group in lines_of(header) if group]
    extra = tuple(sorted((key, tuple(values)) for key, values in facts.items()))
    return User(name, first_of(RULES_OF_MANY.uid_headers), tuple(groups), extra) if name else None


@given(st.lists(st.tuples(NAMES, VALUES), max_size=10))
def test_any_headers_are_read_as_go_reads_them(lines: list[tuple[str, str]]) -> None:
    received = [(name.lower().encode(), value.encode()) for name, value in lines]

    assert user_from_headers(received, RULES_OF_MANY) == as_go_reads(lines)


@given(st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=30))))
def test_any_bytes_name_a_user_with_a_name_or_none(headers: list[tuple[bytes, bytes]]) -> None:
    named = [(b"x-remote-extra-" + name.lower(), value) for name, value in headers]
    user = user_from_headers([(b"x-remote-user", b"a"), *named, *headers], RULES)

    assert user is not None
    assert user.name == "a"
    assert hash(user) == hash(msgspec.json.decode(msgspec.json.encode(user), type=User))  # it can be told in a review
    assert user_from_headers(named, RULES) is None
