"""Flags of delegated authentication and authorization, as far as the review that is asked for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest

from metrics_api.app.admission import Admission
from metrics_api.app.connections import Connections
from metrics_api.errors import StatusError
from metrics_api.pki import Authority
from metrics_api.settings.parse import parse_settings
from tests.auth.certificates import chain
from tests.auth.fakes import FakeReviews
from tests.auth.test_gate import Requested
from tests.fakes import FakeClock

PROXIES = Authority.create("front-proxy-ca")
HEADERS = [
    (b"x-remote-user", b"bob"),
    (b"x-remote-group", b"dev"),
    (b"x-remote-uid", b"u7"),
    (b"x-of", b"ops"),
    (b"x-remote-extra-a", b"1"),
    (b"x-fact-b", b"2"),
    (b"accept", b"*/*"),
]


class Ways:
    """One kube-apiserver for each kubeconfig."""

    def __init__(self) -> None:
        self.opened: dict[str, FakeReviews] = {}

    async def open(self, kubeconfig: str) -> tuple[None, FakeReviews]:
        return None, self.opened.setdefault(kubeconfig, FakeReviews())


async def admitted(directory: Path, *more: str) -> tuple[Admission, Ways, FakeClock]:
    (directory / "ca").write_bytes(PROXIES.certificate)
    given = (f"--requestheader-client-ca-file={directory / 'ca'}", "--authentication-skip-lookup", *more)
    clock, ways = FakeClock(time.time()), Ways()  # at which the certificates are valid
    settings = parse_settings(["--kubeconfig=k", *given], {})
    admission = Admission(settings, clock, lambda pem: None, lambda scope: scope["state"]["chain"])
    await admission.run(cast(Connections, ways))
    return admission, ways, clock


async def ask(admission: Admission, headers: list[tuple[bytes, bytes]], name: str = "") -> dict[str, Any]:
    scope: dict[str, Any] = {"headers": headers, "state": {"chain": chain(PROXIES, name) if name else ()}}
    with pytest.raises(StatusError, match="cannot list"):
        await admission.gate(scope, Requested())
    return scope


@pytest.mark.parametrize(
    ("flags", "told", "left"),
    [
        pytest.param(
            [],
            {"user": "bob", "groups": ["dev", "system:authenticated"], "extra": {"a": ["1"]}},
            [b"x-remote-uid", b"x-of", b"x-fact-b", b"accept"],
            id="usual: no uid is believed",
        ),
        pytest.param(
            ["--requestheader-uid-headers=X-Remote-Uid"],
            {"user": "bob", "uid": "u7", "groups": ["dev", "system:authenticated"], "extra": {"a": ["1"]}},
            [b"x-of", b"x-fact-b", b"accept"],
            id="uid",
        ),
        pytest.param(
            [
                "--requestheader-username-headers=X-Name,X-Remote-User",
                "--requestheader-group-headers=X-Of,X-Remote-Group",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-,X-Fact-",
            ],
            {
                "user": "bob",
                "groups": ["ops", "dev", "system:authenticated"],
                "extra": {"a": ["1"], "b": ["2"]},
            },
            [b"x-remote-uid", b"accept"],
            id="several of each, in order",
        ),
    ],
)
async def test_the_named_headers_are_told_in_the_review_and_go_no_further(
    tmp_path: Path, flags: list[str], told: dict[str, Any], left: list[bytes]
) -> None:
    admission, ways, _ = await admitted(tmp_path, *flags)
    scope = await ask(admission, HEADERS, "anybody")

    [spec] = ways.opened["k"].specs
    assert {key: value for key, value in spec.items() if key != "resourceAttributes"} == told
    assert [name for name, _ in scope["headers"]] == left


async def test_each_question_goes_to_the_kubeconfig_that_was_given_for_it(tmp_path: Path) -> None:
    admission, ways, _ = await admitted(tmp_path, "--authentication-kubeconfig=n", "--authorization-kubeconfig=z")
    ways.opened["n"].users["t"] = {"username": "carol"}
    await ask(admission, [(b"authorization", b"Bearer t")])

    assert ways.opened["n"].specs == [{"token": "t"}]
    assert [spec["user"] for spec in ways.opened["z"].specs] == ["carol"]


async def test_answers_are_kept_for_as_long_as_the_flags_say(tmp_path: Path) -> None:
    ttl = ("--authentication-token-webhook-cache-ttl=3s", "--authorization-webhook-cache-unauthorized-ttl=5s")
    admission, ways, clock = await admitted(tmp_path, *ttl)
    reviews = ways.opened["k"]
    reviews.users["t"] = {"username": "carol"}
    counts = []
    for _ in range(4):
        await ask(admission, [(b"authorization", b"Bearer t")])
        counts.append(tuple(sum(("token" in spec) == of_tokens for spec in reviews.specs) for of_tokens in (1, 0)))
        await clock.advance(2.6)

    assert counts == [(1, 1), (1, 1), (2, 2), (2, 2)]
