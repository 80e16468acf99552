"""The matrix of the generic API server's delegated authentication, and the words of its refusals."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.auth.access import Authorizer
from metrics_api.auth.authentication import Authenticator
from metrics_api.auth.gate import Gate, InFlightLimit, Scope, user_of
from metrics_api.auth.peers import PeerJudge
from metrics_api.auth.reviews import Reviewer
from metrics_api.auth.tokens import TokenAuthenticator
from metrics_api.auth.trust import FrontProxyRules, Trust
from metrics_api.clock import SystemClock
from metrics_api.errors import KubeError, KubeStatusError, StatusError, TooManyRequestsError
from metrics_api.pki import Authority
from tests.auth.certificates import chain
from tests.auth.fakes import FakeReviews

USERS = Authority.create("cluster-ca")
PROXIES = Authority.create("front-proxy-ca")
NOW = datetime.now(UTC)

CERTIFICATES: dict[str, tuple[bytes, ...]] = {
    "none": (),
    "front proxy": chain(PROXIES, "front-proxy-client"),
    "front proxy's CA, other name": chain(PROXIES, "kubernetes"),
    "front proxy's name, users' CA": chain(USERS, "front-proxy-client"),
    "expired front proxy": chain(
        PROXIES, "front-proxy-client", not_before=NOW - timedelta(days=2), not_after=NOW - timedelta(days=1)
    ),
    "future front proxy": chain(
        PROXIES, "front-proxy-client", not_before=NOW + timedelta(days=1), not_after=NOW + timedelta(days=2)
    ),
    "alice": chain(USERS, "alice", organizations=["dev"]),
}
HEADERS: dict[str, list[tuple[bytes, bytes]]] = {
    "none": [],
    "bob": [(b"x-remote-user", b"bob"), (b"x-remote-group", b"ops")],
    "empty user": [(b"x-remote-user", b""), (b"x-remote-group", b"system:masters")],
    "underscores": [(b"x_remote_user", b"bob")],
    "doubled": [(b"x-remote-user", b"bob"), (b"x-remote-user", b"root"), (b"x-remote-user", b"")],
    "empty, then a user": [(b"x-remote-user", b""), (b"x-remote-user", b"root")],
}
TOKENS: dict[str, list[tuple[bytes, bytes]]] = {
    "none": [],
    "good": [(b"authorization", b"Bearer good")],
    "odd case": [(b"authorization", b"bEaReR good")],
    "bad": [(b"authorization", b"Bearer bad")],
    "empty": [(b"authorization", b"Bearer ")],
    "basic": [(b"authorization", b"Basic Z29vZDo=")],
    "two spaces": [(b"authorization", b"Bearer  good")],
    "a tab for the space": [(b"authorization", b"Bearer\tgood")],
    "a tab after the space": [(b"authorization", b"Bearer \tgood")],
    "something after it": [(b"authorization", b"Bearer good bad")],
    "not ASCII": [(b"authorization", "Bearer g\u00f6\u00f6d".encode())],
    "doubled": [(b"authorization", b"Bearer bad"), (b"authorization", b"Bearer good")],
}
REFUSED = "401"
ANONYMOUS = "system:anonymous"


def expected(certificate: str, headers: str, token: str) -> str:
    """Return the user, or 401, by the rules as written: certificate, token, anonymous unless something failed."""
    token_user = {
        **dict.fromkeys(("good", "odd case", "something after it"), "carol"),
        **dict.fromkeys(("bad", "doubled", "a tab after the space", "not ASCII"), REFUSED),
    }.get(token, "")
    if certificate == "alice":
        return "alice"
    if certificate == "front proxy's name, users' CA":
        return "front-proxy-client"
    if certificate == "front proxy" and headers in ("bob", "doubled"):
        return "bob"
    if certificate == "none":
        return token_user or ANONYMOUS
    return token_user if token_user == "carol" else REFUSED


@dataclass(frozen=True)
class Requested:
    verb: str = "list"
    path: str = "/apis/metrics.k8s.io/v1beta1/nodes"
    is_resource: bool = True
    group: str = "metrics.k8s.io"
    version: str = "v1beta1"
    namespace: str = ""
    resource: str = "nodes"
    subresource: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


def path(text: str) -> Requested:
    return Requested("get", text, False, "", "", "", "")


class Bench:
    def __init__(
        self,
        always_allowed: tuple[str, ...] = ("/healthz", "/livez", "/readyz"),
        in_flight: InFlightLimit | None = None,
    ) -> None:
        self.kube = FakeReviews()
        self.kube.users["good"] = {"username": "carol"}
        clock = SystemClock()
        reviewer = Reviewer(self.kube, clock)
        judge = PeerJudge(
            Trust(USERS.certificate, PROXIES.certificate, FrontProxyRules(allowed_names=("front-proxy-client",)))
        )
        self.gate = Gate(
            judge,
            Authenticator(judge, TokenAuthenticator(reviewer, clock, lifetime=10), clock),
            Authorizer(reviewer, clock, allowed_lifetime=10, denied_lifetime=10),
            peer_chain=lambda scope: scope["state"]["chain"],
            always_allowed=always_allowed,
            in_flight=in_flight,
        )

    async def ask(
        self,
        requested: Requested = Requested(),
        *,
        certificate: str = "none",
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> dict[str, Any]:
        scope = {"headers": headers or [], "state": {"chain": CERTIFICATES[certificate]}}
        await self.gate(scope, requested)
        return scope

    async def user(self, certificate: str, headers: list[tuple[bytes, bytes]]) -> str:
        try:
            await self.ask(certificate=certificate, headers=headers)
        except StatusError as error:
            if error.code == 401:
                return REFUSED
        return str([spec for spec in self.kube.specs if "user" in spec][-1]["user"])


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize("certificate", CERTIFICATES)
async def test_who_asks(certificate: str, headers: str, token: str) -> None:
    user = await Bench().user(certificate, HEADERS[headers] + TOKENS[token])

    assert user == expected(certificate, headers, token)


async def test_every_authenticated_user_is_in_the_group_of_all() -> None:
    bench = Bench()
    await bench.user("front proxy", HEADERS["bob"])
    await bench.user("alice", [])

    assert [spec["groups"] for spec in bench.kube.specs] == [
        ["ops", "system:authenticated"],
        ["dev", "system:authenticated"],
    ]


async def test_nobody_behind_the_gate_sees_a_credential() -> None:
    bench = Bench()
    bench.kube.allowed.add(("bob", "list"))
    kept = (b"accept", b"*/*")

    scope = await bench.ask(certificate="front proxy", headers=[*HEADERS["bob"], kept, *TOKENS["good"]])

    assert scope["headers"] == [kept]


ANY_NAME = st.sampled_from(
    [
        *(b"x-remote-user", b"x-remote-group", b"x-remote-extra-a", b"x-remote-extra-", b"x-remote-uid"),
        *(b"authorization", b"impersonate-user", b"impersonate-extra-a", b"x-remote", b"x_remote_user", b"accept"),
    ]
) | st.binary(min_size=1, max_size=20).map(bytes.lower)


@given(st.lists(st.tuples(ANY_NAME, st.binary(max_size=12)), max_size=12), st.sampled_from(["none", "front proxy"]))
async def test_of_any_headers_none_that_could_be_a_credential_is_left(
    headers: list[tuple[bytes, bytes]], certificate: str
) -> None:
    bench = Bench(always_allowed=("/*",))
    scope = {"headers": headers, "state": {"chain": CERTIFICATES[certificate]}}
    with contextlib.suppress(StatusError):
        await bench.gate(scope, path("/"))

    proving = (b"x-remote-extra-", b"impersonate-")
    assert scope["headers"] == [
        header
        for header in headers
        if header[0] not in (b"x-remote-user", b"x-remote-group", b"authorization")
        and not header[0].startswith(proving)
    ]


async def test_who_watches_is_known_behind_the_gate_by_what_was_proven() -> None:
    bench = Bench()
    bench.kube.allowed |= {("bob", "watch"), ("alice", "watch"), ("bob", "list")}

    watched = await bench.ask(Requested("watch"), certificate="front proxy", headers=[*HEADERS["bob"]])
    pretended = await bench.ask(Requested("watch"), certificate="alice", headers=[*HEADERS["bob"]])
    listed = await bench.ask(certificate="front proxy", headers=[*HEADERS["bob"]])

    users = [user_of(scope) for scope in (watched, pretended, listed)]
    assert [user and (user.name, user.groups[0]) for user in users] == [("bob", "ops"), ("alice", "dev"), None]


async def test_direct_impersonation_is_refused() -> None:
    with pytest.raises(StatusError) as refusal:
        await Bench().ask(certificate="alice", headers=[(b"impersonate-user", b"root")])

    assert refusal.value.code == 403


@pytest.mark.parametrize(
    ("requested", "message", "details"),
    [
        pytest.param(
            Requested(),
            'nodes.metrics.k8s.io is forbidden: User "alice" cannot list resource "nodes" in API group '
            '"metrics.k8s.io" at the cluster scope',
            ("", "metrics.k8s.io", "nodes"),
            id="list nodes",
        ),
        pytest.param(
            Requested(verb="get", resource="pods", namespace="default", name="web-1"),
            'pods.metrics.k8s.io "web-1" is forbidden: User "alice" cannot get resource "pods" in API group '
            '"metrics.k8s.io" in the namespace "default"',
            ("web-1", "metrics.k8s.io", "pods"),
            id="get a pod",
        ),
        pytest.param(
            Requested(verb="get", name="n", subresource="status"),
            'nodes.metrics.k8s.io "n" is forbidden: User "alice" cannot get resource "nodes/status" in API group '
            '"metrics.k8s.io" at the cluster scope',
            ("n", "metrics.k8s.io", "nodes"),
            id="a subresource",
        ),
        pytest.param(
            Requested(group="", version="v1"),
            'nodes is forbidden: User "alice" cannot list resource "nodes" in API group "" at the cluster scope',
            ("", "", "nodes"),
            id="of the group without a name",
        ),
        pytest.param(
            path("/metrics"), 'forbidden: User "alice" cannot get path "/metrics"', ("", "", ""), id="another path"
        ),
    ],
)
async def test_a_refusal_says_it_as_kubernetes_does(
    requested: Requested, message: str, details: tuple[str, str, str]
) -> None:
    with pytest.raises(StatusError) as refusal:
        await Bench().ask(requested, certificate="alice")

    error = refusal.value
    assert (error.code, error.reason, error.message) == (403, "Forbidden", message)
    assert (error.name, error.group, error.kind) == details
    assert error.has_details


async def test_the_reason_of_the_review_is_appended() -> None:
    bench = Bench()
    bench.kube.reason = "because"

    with pytest.raises(StatusError, match=r"at the cluster scope: because$"):
        await bench.ask(certificate="alice")


@pytest.mark.parametrize("open_path", ["/healthz", "/livez", "/readyz"])
async def test_anybody_may_read_the_probes_without_a_review(open_path: str) -> None:
    bench = Bench()

    await bench.ask(path(open_path))

    assert bench.kube.posted == []


async def test_wrong_credentials_are_refused_at_the_probes_too() -> None:
    with pytest.raises(StatusError, match="Unauthorized"):
        await Bench().ask(path("/livez"), headers=TOKENS["bad"])


@pytest.mark.parametrize("closed", ["/livez/ping", "/metrics", "/", "/livezz", "/readyz/", "//livez", "/livez//"])
async def test_other_paths_are_not_open(closed: str) -> None:
    with pytest.raises(StatusError, match="cannot get path"):
        await Bench().ask(path(closed))


async def test_a_star_opens_all_that_begins_so() -> None:
    bench = Bench(("/debug/*",))

    await bench.ask(path("/debug/status"))
    with pytest.raises(StatusError):
        await bench.ask(path("/livez"))


@pytest.mark.parametrize("closed", ["/debug", "/debugger", "//debug/status"])
async def test_a_star_after_a_slash_opens_nothing_above_it(closed: str) -> None:
    with pytest.raises(StatusError, match="cannot get path"):
        await Bench(("/debug/*",)).ask(path(closed))


async def test_open_paths_open_no_resource() -> None:
    with pytest.raises(StatusError, match="cannot list"):
        await Bench(("/*",)).ask()


async def test_an_api_server_that_cannot_be_asked_lets_nobody_pass() -> None:
    bench = Bench()
    bench.kube.errors = [KubeStatusError(403, "Forbidden", "no tokenreviews for you")]
    with pytest.raises(StatusError, match="Unauthorized"):
        await bench.ask(headers=TOKENS["good"])

    bench.kube.errors = [KubeStatusError(403, "Forbidden", "no subjectaccessreviews for you")]
    with pytest.raises(KubeError):
        await bench.ask(certificate="alice")


class Full:
    """No room, but for those who are exempt; remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[bool] = []

    def enter(self, scope: Scope, *, exempt: bool) -> None:
        self.asked.append(exempt)
        if not exempt:
            raise TooManyRequestsError("later", retry_after=1)


async def test_a_full_server_refuses_before_it_asks_for_a_review() -> None:
    full = Full()
    bench = Bench(in_flight=full)
    with pytest.raises(TooManyRequestsError):
        await bench.ask(certificate="alice")
    assert full.asked == [False]
    assert bench.kube.posted == []


async def test_a_full_server_says_unauthorized_first() -> None:
    full = Full()
    with pytest.raises(StatusError, match="Unauthorized"):
        await Bench(in_flight=full).ask(headers=TOKENS["bad"])
    assert full.asked == []


async def test_masters_are_exempt_from_the_limit() -> None:
    full = Full()
    bench = Bench(in_flight=full)
    bench.kube.users["good"] = {"username": "root", "groups": ["system:masters"]}
    await bench.ask(headers=TOKENS["good"])
    assert full.asked == [True]


async def test_probes_and_watches_are_not_counted() -> None:
    full = Full()
    bench = Bench(in_flight=full)
    bench.kube.allowed.add(("alice", "watch"))
    await bench.ask(path("/livez"))
    await bench.ask(Requested("watch"), certificate="alice")
    assert full.asked == []
