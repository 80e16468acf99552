"""The gate in front of everything: who asks, and may they. What passes has been proven and allowed."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, Protocol

from metrics_api.auth.access import Attributes, Authorizer
from metrics_api.auth.authentication import Authenticator, Credentials
from metrics_api.auth.identity import MASTERS, User
from metrics_api.auth.peers import PeerJudge
from metrics_api.auth.trust import FrontProxyRules
from metrics_api.errors import StatusError
from metrics_api.gotext import quote

Scope = MutableMapping[str, Any]

_OTHER, _IDENTITY, _AUTHORIZATION, _IMPERSONATION = range(4)
_MOST_NAMES = 512
_USER = "user"
"""Key in ``scope["state"]`` of who asks to watch."""
_LONGEST_NAME = 128


class Requested(Protocol):
    """What a request asks for, as routing reads it too: nothing is answered under another name than it was allowed."""

    @property
    def verb(self) -> str: ...  # noqa: D102
    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def is_resource(self) -> bool: ...  # noqa: D102
    @property
    def group(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def namespace(self) -> str: ...  # noqa: D102
    @property
    def resource(self) -> str: ...  # noqa: D102
    @property
    def subresource(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def field_selector(self) -> str: ...  # noqa: D102
    @property
    def label_selector(self) -> str: ...  # noqa: D102


class InFlightLimit(Protocol):
    """Counts the requests that are being answered."""

    def enter(self, scope: Scope, *, exempt: bool) -> None:
        """Count this request until it is answered, or raise ``TooManyRequestsError``."""
        ...


class Gate:
    """Lets pass whom the cluster allows.

    Args:
        judge: What certificates prove, and which headers matter.
        authenticator: Who asks.
        authorizer: May they.
        peer_chain: Returns the verified certificates of a request's connection, DER, leaf first, trust anchor last;
            empty when the client showed none.
        always_allowed: Paths that anybody may read once authentication has found nothing wrong; a ``*`` at the end
            stands for any rest. They apply to paths that are no resources.
        in_flight: Bounds the requests that are being answered; ``None`` for no bound. It is asked between the two
            questions, as in the generic API server: a refusal must not cost a review. Unlike there, paths that anybody
            may read are not counted: a kubelet whose probe is refused would restart us for being busy.
    """

    def __init__(
        self,
        judge: PeerJudge,
        authenticator: Authenticator,
        authorizer: Authorizer,
        *,
        peer_chain: Callable[[Scope], tuple[bytes, ...]],
        always_allowed: Sequence[str],
        in_flight: InFlightLimit | None = None,
    ) -> None:
        self._judge = judge
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._peer_chain = peer_chain
        self._in_flight = in_flight
        self._open_paths = frozenset(_bare(path) for path in always_allowed if not path.endswith("*"))
        self._open_prefixes = tuple(_bare(path[:-1]) for path in always_allowed if path.endswith("*"))
        self._sorter = _Sorter(judge.trust.rules)

    async def __call__(self, scope: Scope, request: Requested) -> None:
        """Return when the request may be answered; ``scope`` then holds no credentials any more.

        Raises:
            StatusError: 401 or 403.
            TooManyRequestsError: too many are being answered, and this user is not exempt.
            KubeError: it could not be decided; the request must fail.
        """
        credentials = self._sort(scope)
        user = await self._authenticator.authenticate(self._peer_chain(scope), credentials)
        if credentials.impersonates:
            raise StatusError(
                403,
                "Forbidden",
                "impersonation is done by kube-apiserver; requests sent here directly cannot impersonate",
                has_details=True,
            )
        if not request.is_resource and self._is_open(request.path):
            return
        if request.verb == "watch":
            scope["state"][_USER] = user
        elif self._in_flight is not None:
            self._in_flight.enter(scope, exempt=MASTERS in user.groups)
        attributes = _attributes(request)
        decision = self._authorizer.remembered(user, attributes)
        if decision is None:
            decision = await self._authorizer.authorize(user, attributes)
        if not decision.allowed:
            raise forbidden(user, attributes, decision.reason)

    def _sort(self, scope: Scope) -> Credentials:
        if self._sorter.rules is not self._judge.trust.rules:
            self._sorter = _Sorter(self._judge.trust.rules)
        return self._sorter.take(scope)

    def _is_open(self, path: str) -> bool:
        bare = _bare(path)
        return bare in self._open_paths or (bool(self._open_prefixes) and bare.startswith(self._open_prefixes))


def _bare(path: str) -> str:
    """Return a path without its first slash, which may be left out in the flag; every other one counts."""
    return path.removeprefix("/")


def user_of(scope: Scope) -> User | None:
    """Return who asks to watch, as the gate has found; ``None`` where there was no gate, or for other requests."""
    user: User | None = scope["state"].get(_USER)
    return user


class _Sorter:
    """Takes the credentials out of a request's headers, so that nothing behind the gate can see or believe them.

    What a header's name means is remembered: clients send the same few names again and again.
    """

    def __init__(self, rules: FrontProxyRules) -> None:
        self.rules = rules
        named = (*rules.username_headers, *rules.group_headers, *rules.uid_headers)
        self._exact = frozenset(name.encode("latin-1") for name in named)
        self._prefixes = tuple(prefix.encode("latin-1") for prefix in rules.extra_prefixes)
        self._meanings: dict[bytes, int] = {}

    def take(self, scope: Scope) -> Credentials:
        credentials = Credentials()
        identity, rest = [], []
        meanings = self._meanings
        for header in scope["headers"]:
            name = header[0]
            meaning = meanings.get(name)
            if meaning is None:
                meaning = self._learn(name)
            if meaning == _OTHER:
                rest.append(header)
            elif meaning == _IDENTITY:
                identity.append(header)
            elif meaning == _IMPERSONATION:
                credentials.impersonates = True
            elif credentials.authorization is None:
                credentials.authorization = header[1]
        credentials.identity = tuple(identity)
        scope["headers"] = rest
        return credentials

    def _learn(self, name: bytes) -> int:
        meaning = self._meaning(name)
        if len(name) <= _LONGEST_NAME:
            if len(self._meanings) >= _MOST_NAMES:
                self._meanings.clear()
            self._meanings[name] = meaning
        return meaning

    def _meaning(self, name: bytes) -> int:
        if name in self._exact or (self._prefixes and name.startswith(self._prefixes)):
            return _IDENTITY
        if name == b"authorization":
            return _AUTHORIZATION
        return _IMPERSONATION if name.startswith(b"impersonate-") else _OTHER


def _attributes(request: Requested) -> Attributes:
    if not request.is_resource:
        return Attributes(verb=request.verb, path=request.path)
    return Attributes(
        verb=request.verb,
        group=request.group,
        version=request.version,
        namespace=request.namespace,
        resource=request.resource,
        subresource=request.subresource,
        name=request.name,
        field_selector=request.field_selector,
        label_selector=request.label_selector,
    )


def forbidden(user: User, attributes: Attributes, reason: str) -> StatusError:
    """Return the 403 in the generic API server's words (apiserver ``endpoints/handlers/responsewriters/errors.go``)."""
    who = f"User {quote(user.name)} cannot {attributes.verb}"
    tail = f": {reason}" if reason else ""
    if not attributes.resource:
        return StatusError(403, "Forbidden", f"forbidden: {who} path {quote(attributes.path)}{tail}", has_details=True)
    resource = f"{attributes.resource}/{attributes.subresource}" if attributes.subresource else attributes.resource
    where = f"in the namespace {quote(attributes.namespace)}" if attributes.namespace else "at the cluster scope"
    what = f"{attributes.resource}.{attributes.group}" if attributes.group else attributes.resource
    if attributes.name:
        what = f"{what} {quote(attributes.name)}"
    return StatusError(
        403,
        "Forbidden",
        f"{what} is forbidden: {who} resource {quote(resource)} in API group {quote(attributes.group)} {where}{tail}",
        name=attributes.name,
        group=attributes.group,
        kind=attributes.resource,
    )
