"""Which headers pass the proxy, in both directions, and which it adds.

Source: kube-aggregator ``pkg/apiserver/handler_proxy.go``, client-go ``transport/round_trippers.go``, Go's
``net/http/httputil``. Names are written as Go writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from metrics_api.localcluster.users import User

Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_REPLACED = frozenset(
    (
        b"host",
        b"authorization",  # the API server's own credentials are for nobody else
        b"x-remote-user",
        b"x-remote-group",
        b"x-remote-uid",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-uri",
        b"audit-id",
    )
)
_REPLACED_PREFIXES = (b"x-remote-extra-", b"impersonate-")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_KEY = re.compile(rb"[^!#$&'*+.^_`|~0-9A-Za-z-]")  # a percent sign is escaped too


def passed_on(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the client's headers that an extension server sees as they are."""
    headers = list(headers)
    dropped = _HOP_BY_HOP | _REPLACED | _named_by_connection(headers)
    return [
        (canonical(name), value)
        for name, value in headers
        if (lower := name.lower()) not in dropped and not lower.startswith(_REPLACED_PREFIXES)
    ]


def identity(user: User) -> Headers:
    """Return the front proxy's headers that say who asks; the uid and extra only when there are any."""
    lines: Headers = [(b"X-Remote-User", user.name.encode())]
    if user.uid:
        lines.append((b"X-Remote-Uid", user.uid.encode()))
    lines += [(b"X-Remote-Group", group.encode()) for group in user.groups]
    for key, values in user.extra.items():
        name = canonical(b"X-Remote-Extra-" + _escape_key(key))
        lines += [(name, value.encode()) for value in values]
    return lines


def forwarded(headers: Iterable[tuple[bytes, bytes]], client: str | None, host: str, uri: bytes) -> Headers:
    """Return the ``X-Forwarded-*`` headers.

    Args:
        headers: The client's, whose own ``X-Forwarded-For`` is continued.
        client: The client's address; ``None`` for requests the aggregator makes itself.
        host: The backend's host and port: kube-apiserver's transport names its target here, not what the client asked.
        uri: From :func:`~metrics_api.localcluster.aggregation.target.forwarded_uri`.
    """
    chain = [value for name, value in headers if name.lower() == b"x-forwarded-for"]
    if client is not None:
        chain.append(client.encode())
    lines = [(b"X-Forwarded-For", b", ".join(chain))] if chain else []
    return [
        *lines,
        (b"X-Forwarded-Host", host.encode()),
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Forwarded-Uri", uri),
    ]


def passed_back(headers: Iterable[tuple[bytes, bytes]], *, decoded: bool) -> Headers:
    """Return the extension server's response headers that the client sees, in lower case as ASGI wants them.

    Args:
        headers: As they came.
        decoded: Whether the body was decompressed on the way: its encoding and length are no longer true.
    """
    headers = list(headers)
    dropped = _HOP_BY_HOP | _named_by_connection(headers)
    if decoded:
        dropped |= {b"content-encoding", b"content-length"}
    return [
        (lower, value)
        for name, value in headers
        if (lower := name.lower()) not in dropped and not lower.startswith(b"access-control-")
    ]


def first(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    """Return the first value of a header, named in lower case; ``None`` when it is absent."""
    return next((value for name, value in headers if name.lower() == wanted), None)


@lru_cache(maxsize=512)
def canonical(name: bytes) -> bytes:
    """Return a header name in Go's form, such as ``X-Remote-User``; one that is no token stays as it is."""
    if _TOKEN.fullmatch(name) is None:
        return name
    return b"-".join(part[:1].upper() + part[1:].lower() for part in name.split(b"-"))


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    return frozenset(
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    )


def _escape_key(key: str) -> bytes:
    return _NOT_IN_A_KEY.sub(lambda match: b"%%%02X" % match[0][0], key.encode())
