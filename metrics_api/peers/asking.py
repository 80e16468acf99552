"""The asking side: one peer is asked for its samples, and believed once it has proved that it is one."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from typing import NamedTuple

import httpx

from metrics_api.errors import PeerError
from metrics_api.handover import NodeHandover
from metrics_api.peers.document import MEDIA_TYPE, PATH, decode
from metrics_api.peers.finding import Place
from metrics_api.peers.proof import PeerKey, fingerprint_of, matches


class Patience(NamedTuple):
    """How long a peer is waited for, in seconds."""

    silence: float = 2.0
    """Until it connects, and between any two pieces of what it says."""
    introduction: float = 4.0
    """Until it has proved itself: a stranger cannot hold us up for longer, however often he says something."""


PATIENCE = Patience()


async def ask(place: Place, key: PeerKey, patience: Patience = PATIENCE) -> AsyncGenerator[NodeHandover, None]:
    """Yield what the peer at that place knows.

    The first request says nothing: it only shows the certificate at the other end, which both proofs are about.

    Raises:
        PeerError: it is away or silent, refuses us, does not prove itself, or its document is none of ours.
    """
    try:
        async with httpx.AsyncClient(
            base_url=f"https://{place}",
            verify=_any_certificate(),
            trust_env=False,
            timeout=patience.silence,
            limits=httpx.Limits(max_connections=1),
        ) as client:
            async with asyncio.timeout(patience.introduction):
                answer = await _introduce(client, key)
            async with contextlib.aclosing(answer):
                async for node in decode(answer.aiter_raw()):
                    yield node
    except TimeoutError as error:
        raise PeerError("it did not prove in time that it is one of ours") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PeerError(f"{type(error).__name__}: {error}".rstrip(": ")) from error


async def _introduce(client: httpx.AsyncClient, key: PeerKey) -> httpx.Response:
    """Return the answer to a request with our proof, its head read and its proof checked."""
    fingerprint = _fingerprint(await client.head(PATH))
    header, expected = key.ask(fingerprint)
    request = client.build_request("GET", PATH, headers={"Authorization": header, "Accept": MEDIA_TYPE})
    answer = await client.send(request, stream=True)
    try:
        _check(answer, fingerprint, expected)
    except BaseException:
        await answer.aclose()
        raise
    return answer


def _check(answer: httpx.Response, fingerprint: bytes, expected: str) -> None:
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise PeerError("it has none: it is starting too, or it is this replica")
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise PeerError("it does not know our key: another Deployment, or the key has just been changed")
    if answer.status_code != httpx.codes.OK:
        raise PeerError(f"it answers {answer.status_code}")
    if _fingerprint(answer) != fingerprint or not matches(answer.headers.get("authentication-info", ""), expected):
        raise PeerError("it does not prove that it has our key")
    media_type = answer.headers.get("content-type", "")
    if media_type != MEDIA_TYPE or "content-encoding" in answer.headers:
        raise PeerError(f"its samples are in another version's form: {media_type[:100]}")


def _fingerprint(answer: httpx.Response) -> bytes:
    tls = answer.extensions["network_stream"].get_extra_info("ssl_object")
    if not isinstance(tls, ssl.SSLObject):
        raise PeerError("the connection is not encrypted")
    return fingerprint_of(tls)


def _any_certificate() -> ssl.SSLContext:
    """Return a context that takes any certificate: the proofs tell whose it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
