"""Go's words for what Python says; TLS errors are made by real handshakes in memory."""

from __future__ import annotations

import errno
import socket
import ssl
import tempfile
from pathlib import Path

import httpcore
import pytest

from metrics_api.localcluster.aggregation.failures import explain
from metrics_api.pki import Authority, KeyPair
from tests.localcluster.aggregation.extension_server import SERVER_NAME, authority, front_proxy_pair, serving_pair


def text(error: BaseException) -> str:
    return str(explain(error, "192.0.2.1:443", SERVER_NAME))


def load(context: ssl.SSLContext, pair: KeyPair) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "pair.pem"
        path.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(path)


def alert_for(client_pair: KeyPair | None) -> ssl.SSLError:
    """Return what a client sees whose certificate a server refuses that wants one of the front proxy's authority."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(server_context, serving_pair(SERVER_NAME))
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_verify_locations(cadata=authority("front-proxy-ca").certificate.decode())
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.load_verify_locations(cadata=authority("serving-ca").certificate.decode())
    if client_pair is not None:
        load(client_context, client_pair)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(up, down, server_side=True)
    client = client_context.wrap_bio(down, up, server_hostname=SERVER_NAME)
    for _ in range(10):
        for side in (client.do_handshake, server.do_handshake):
            try:
                side()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                with pytest.raises(ssl.SSLError) as caught:
                    client.read(1)
                return caught.value
    raise AssertionError("the server accepted it")


def test_a_server_that_wants_a_certificate_and_gets_none() -> None:
    assert text(alert_for(None)) == "remote error: tls: certificate required"


def test_a_server_that_does_not_know_the_front_proxys_authority() -> None:
    pair = Authority.create("intruders").issue("front-proxy-client", client=True)
    assert text(alert_for(pair)) == "remote error: tls: unknown certificate authority"


def test_the_handshake_made_here_is_accepted_with_the_right_certificate() -> None:
    with pytest.raises(AssertionError, match="accepted"):
        alert_for(front_proxy_pair())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ECONNREFUSED, "x"), "dial tcp 192.0.2.1:443: connect: connection refused"),
        (OSError(errno.EHOSTUNREACH, "x"), "dial tcp 192.0.2.1:443: connect: no route to host"),
        (OSError(errno.ENETUNREACH, "x"), "dial tcp 192.0.2.1:443: connect: network is unreachable"),
        (OSError(errno.ECONNRESET, "x"), "read tcp 192.0.2.1:443: read: connection reset by peer"),
        (socket.gaierror(-2, "x"), "dial tcp: lookup 192.0.2.1: no such host"),
        (httpcore.ConnectTimeout("x"), "dial tcp 192.0.2.1:443: i/o timeout"),
        (httpcore.ConnectError(""), "EOF"),
        (httpcore.ConnectError("odd"), "dial tcp 192.0.2.1:443: odd"),
        (httpcore.LocalProtocolError("Illegal header value"), "net/http: Illegal header value"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_go_says(error: BaseException, expected: str) -> None:
    assert text(error) == expected


@pytest.mark.parametrize(
    ("error", "unanswered"),
    [
        pytest.param(httpcore.ReadError(""), True, id="read"),
        pytest.param(httpcore.WriteError(""), True, id="write"),
        pytest.param(
            httpcore.RemoteProtocolError("Server disconnected without sending a response."), True, id="closed"
        ),
        pytest.param(httpcore.RemoteProtocolError("illegal status line"), False, id="no-http"),
        pytest.param(httpcore.ConnectTimeout(""), False, id="dial"),
    ],
)
def test_only_a_connection_that_died_before_an_answer_allows_another_try(
    error: BaseException, unanswered: bool
) -> None:
    assert explain(error, "192.0.2.1:443", SERVER_NAME).unanswered is unanswered
