from __future__ import annotations

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


names = st.sampled_from(
    [b"x-remote-user", b"x-remote-group", b"x-remote-extra-a", b"x-remote-extra-%zz", b"x-remote-extra-", b"other"]
)


@given(st.lists(st.tuples(names, st.binary(max_size=30))))
def test_any_headers_give_a_user_with_a_name_or_none(headers: list[tuple[bytes, bytes]]) -> None:
    user = user_from_headers(headers, RULES)

    has_name = next((value for name, value in headers if name == b"x-remote-user"), b"") != b""
    assert (user is not None) == has_name
    if user is not None:
        assert user.name
        assert hash(user) == hash(user_from_headers(headers, RULES))
