"""Every certificate with every kind of header and every token, over real TLS, against a table of what must come out.

The table is read from the first row that fits, as a person would check it. It is written from the generic API server's
rules and shares nothing with our code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

import pytest
import pytest_asyncio

from metrics_api.localcluster.authorities import FRONT_PROXY_NAME
from metrics_api.localcluster.resources import CLUSTER_ROLES
from metrics_api.localcluster.users import User
from metrics_api.pki import Authority, KeyPair
from tests.auth.certificates import self_signed
from tests.e2e.guarded import Guarded, client_context
from tests.e2e.serving import GROUP

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("admission"),
    pytest.mark.timeout(120),
]

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
HEADERS: dict[str, bytes] = {
    "none": b"",
    "spoofed": b"X-Remote-User: root\r\nX-Remote-Group: system:masters\r\n",
    "doubled": b"X-Remote-User: bob\r\nX-Remote-User: root\r\nX-Remote-User:\r\nX-Remote-Group: ops\r\n",
    "odd case": b"x-rEmOtE-uSeR: bob\r\nX-REMOTE-GROUP: ops\r\n",
    "without a group": b"X-Remote-User: bob\r\n",
    "underscores": b"X_Remote_User: root\r\nX_Remote_Group: system:masters\r\n",
    "one underscore": b"X-Remote_User: root\r\nX-Remote-Group: system:masters\r\n",
    "empty user": b"X-Remote-User:\r\nX-Remote-Group: system:masters\r\n",
    "empty, then a user": b"X-Remote-User: \r\nX-Remote-User: root\r\nX-Remote-Group: system:masters\r\n",
    "injection: encoded": b"X-Remote-User: bob\r\nX-Remote-Group: ops\r\nX-Remote-Extra-a%0d%0aX-Remote-Group: x\r\n",
    "injection: a comma": b"X-Remote-User: bob\r\nX-Remote-Group: ops, system:masters\r\n",
    "injection: a bare LF": b"Accept: x\nX-Remote-User: root\r\nX-Remote-Group: system:masters\r\n",
    "injection: a bare CR": b"Accept: x\rX-Remote-User: root\r\nX-Remote-Group: system:masters\r\n",
    "injection: a null": b"X-Remote-User: bob\0root\r\n",
    "injection: a blank": b"X-Remote-User : root\r\nX-Remote-Group: system:masters\r\n",
}
TOKENS: dict[str, bytes] = {
    "none": b"",
    "good": b"Authorization: Bearer good\r\n",
    "bad": b"Authorization: Bearer bad\r\n",
    "expired": b"Authorization: Bearer expired\r\n",
    "empty": b"Authorization: Bearer \r\n",
    "other scheme": b"Authorization: Basic cm9vdDpyb290\r\n",
}
MALFORMED = "400"
UNAUTHORIZED = "401"
ORACLE = [
    # certificate, headers, token, who that is, and whether a member of ops or of system:masters
    ("*", "injection: a b*", "*", MALFORMED),
    ("*", "injection: a null", "*", MALFORMED),
    ("user", "*", "*", "alice, ops"),
    ("users' CA with the front proxy's name", "*", "*", "front-proxy-client"),
    ("front proxy", "spoofed", "*", "masters"),
    ("front proxy", "doubled", "*", "bob, ops"),
    ("front proxy", "odd case", "*", "bob, ops"),
    ("front proxy", "without a group", "*", "bob"),
    ("front proxy", "injection: encoded", "*", "bob, ops"),
    ("front proxy", "injection: a comma", "*", "bob"),
    ("*", "*", "good", "carol, ops"),
    ("front proxy", "*", "*", UNAUTHORIZED),
    ("front proxy's CA with another name", "*", "*", UNAUTHORIZED),
    ("none", "*", "bad", UNAUTHORIZED),
    ("none", "*", "expired", UNAUTHORIZED),
    ("none", "*", "*", "system:anonymous"),
]
PRESENTABLE = [
    *("none", "front proxy", "front proxy's CA with another name"),
    *("users' CA with the front proxy's name", "user"),
]
REFUSED = [
    *("expired", "not yet valid", "wrong usage", "self-signed"),
    *("unknown CA with the front proxy's name", "unknown CA of the front proxy's CA's name"),
]
"""Where Go would let the connection stand and answer 401, OpenSSL ends the handshake: nobody is told anything."""


def expected(certificate: str, headers: str, token: str) -> str:
    asked = (certificate, headers, token)
    return next(row[3] for row in ORACLE if all(map(fnmatchcase, asked, row[:3])))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strangers(guarded: Guarded) -> dict[str, KeyPair | None]:
    """Return who knocks, and let the group ops read pods' metrics."""
    tokens, authorities = guarded.cluster.api.tokens, guarded.cluster.authorities
    tokens.put("good", User("carol", groups=("ops",)))
    tokens.put("expired", User("carol", groups=("system:masters",)))
    tokens.revoke("expired")
    rule = {"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": ["list"]}
    guarded.cluster.objects.create(CLUSTER_ROLES, {"metadata": {"name": "pods-only"}, "rules": [rule]})
    guarded.allow("ops", "Group", "pods-only")
    users, proxies, now = authorities.cluster, authorities.front_proxy, datetime.now(UTC)
    day, namesake = timedelta(days=1), Authority.create("front-proxy-ca")
    return {
        "none": None,
        "front proxy": proxies.issue(FRONT_PROXY_NAME, client=True),
        "front proxy's CA with another name": proxies.issue("kubernetes", client=True),
        "users' CA with the front proxy's name": users.issue(FRONT_PROXY_NAME, client=True),
        "user": users.issue("alice", organizations=["ops"], client=True),
        "expired": proxies.issue(FRONT_PROXY_NAME, client=True, not_before=now - 2 * day, not_after=now - day),
        "not yet valid": proxies.issue(FRONT_PROXY_NAME, client=True, not_before=now + day, not_after=now + 2 * day),
        "wrong usage": proxies.issue(FRONT_PROXY_NAME, server=True),
        "self-signed": self_signed(FRONT_PROXY_NAME),
        "unknown CA with the front proxy's name": Authority.create("unknown").issue(FRONT_PROXY_NAME, client=True),
        "unknown CA of the front proxy's CA's name": namesake.issue(FRONT_PROXY_NAME, client=True),
    }


def request(resource: str, headers: bytes) -> bytes:
    return b"GET %s/%s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (GROUP.encode(), resource.encode(), headers)


class Knocking:
    """Connections one after another, each kept for as long as the server keeps it."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port = port
        self._context = context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.opened = 0

    async def ask(self, resource: str, headers: bytes) -> tuple[int, bytes]:
        """Return status and body."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context)
            self.opened += 1
        reader, writer = self._streams
        writer.write(request(resource, headers))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else await reader.read()
        if b"connection: close" in head or not length:
            await self.close()
        return int(head.split()[1]), body

    async def who(self, headers: bytes) -> str:
        """Return whom the server takes the sender of these headers for, in the oracle's words."""
        status, body = await self.ask("nodes", headers)
        if status == 200:
            return "masters"
        if status != 403:
            return str(status)
        named = re.search(r'User "([^"]*)"', json.loads(body)["message"])
        assert named
        in_ops = (await self.ask("pods", headers))[0] == 200
        return f"{named[1]}, ops" if in_ops else named[1]

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


@contextlib.asynccontextmanager
async def knocking(guarded: Guarded, pair: KeyPair | None, version: ssl.TLSVersion) -> AsyncIterator[Knocking]:
    one = Knocking(guarded.server.port, client_context(guarded.directory, pair, version))
    yield one
    await one.close()


def combinations() -> Iterator[tuple[str, str]]:
    return ((headers, token) for headers in HEADERS for token in TOKENS)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("certificate", PRESENTABLE)
async def test_whom_the_server_believes(
    guarded: Guarded, strangers: dict[str, KeyPair | None], certificate: str, version: ssl.TLSVersion
) -> None:
    async with knocking(guarded, strangers[certificate], version) as one:
        outcomes = {asked: await one.who(HEADERS[asked[0]] + TOKENS[asked[1]]) for asked in combinations()}

    assert outcomes == {asked: expected(certificate, *asked) for asked in combinations()}
    malformed = sum(outcome == MALFORMED for outcome in outcomes.values())
    assert one.opened <= malformed + 1  # all others went through one connection, and none changed who the next one was


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("certificate", REFUSED)
async def test_whose_connection_does_not_stand(
    guarded: Guarded, strangers: dict[str, KeyPair | None], certificate: str, version: ssl.TLSVersion
) -> None:
    """With TLS 1.3 the client is through before it is refused: then it sends every request, and hears of none."""
    context = client_context(guarded.directory, strangers[certificate], version)
    answered = b""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", guarded.server.port, ssl=context)
        writer.write(b"".join(request("nodes", HEADERS[headers] + TOKENS[token]) for headers, token in combinations()))
        answered = await reader.read()
        writer.transport.abort()
        assert version != ssl.TLSVersion.TLSv1_2, "the handshake was ended"

    assert answered == b""
    assert (await guarded.server.client.get("/livez")).is_success
