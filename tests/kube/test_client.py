from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from metrics_api import __version__
from metrics_api.errors import KubeError, KubeExpiredError, KubeStatusError, KubeUnreachableError
from metrics_api.kube.access import KubeAccess, Places, Server
from metrics_api.kube.client import KubeClient
from metrics_api.kube.credential_files import Place
from metrics_api.pki import Authority, KeyPair
from tests.kube.api_server import ApiServer, HurriedClock, Request, Stream, answer, client_of, cut, serving, status


def _server_context(pair: KeyPair, folder: Path, client_ca: Authority | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (folder / "server.pem").write_bytes(pair.certificate + pair.key)
    context.load_cert_chain(folder / "server.pem")
    if client_ca is not None:
        context.load_verify_locations(cadata=client_ca.certificate.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _inline(content: bytes) -> Place:
    return Place("test", None, content)


def _with_token(server: ApiServer, file: Path) -> KubeAccess:
    return KubeAccess(Server(server.url), Places(token=Place("token", file, None)), clock=HurriedClock())


async def test_a_get_returns_the_raw_body_and_says_who_asks() -> None:
    async with serving(answer(200, b'{"a": 1}')) as server, client_of(server) as client:
        body = await client.get("/api/v1/pods", query=[("fieldSelector", "status.phase=Running"), ("continue", "a+/=")])

        assert body == b'{"a": 1}'
        request = server.requests[0]
        assert request.query == {"fieldSelector": "status.phase=Running", "continue": "a+/="}
        assert request.headers["user-agent"] == f"metrics-api/{__version__}"
        assert request.headers["accept"] == "application/json"
        assert request.headers["accept-encoding"] == "identity"
        assert "authorization" not in request.headers


async def test_a_post_sends_the_document_as_json() -> None:
    async with serving(answer(201, b'{"status": {}}')) as server, client_of(server) as client:
        assert await client.post("/apis/x", b'{"spec": {"token": "t"}}') == b'{"status": {}}'

        assert server.requests[0].body == b'{"spec": {"token": "t"}}'
        assert server.requests[0].headers["content-type"] == "application/json"


async def test_a_post_on_a_kept_connection_that_the_server_closed_is_sent_again() -> None:
    async with serving(answer(201, b"{}"), cut, answer(201, b'{"b": 2}')) as server, client_of(server) as client:
        await client.post("/apis/x", b"{}")

        assert await client.post("/apis/x", b'{"a": 1}') == b'{"b": 2}'
        assert [each.body for each in server.requests[1:]] == [b'{"a": 1}', b'{"a": 1}']


async def test_a_client_certificate_and_a_private_ca_are_used(tmp_path: Path) -> None:
    ca, clients = Authority.create("cluster"), Authority.create("clients")
    context = _server_context(ca.issue("api", ip_addresses=["127.0.0.1"], server=True), tmp_path, clients)
    async with serving(answer(200, b"{}"), tls=context) as server:
        pair = clients.issue("metrics-reader", client=True)
        places = Places(_inline(ca.certificate), _inline(pair.certificate), _inline(pair.key))
        access = KubeAccess(Server(server.url), places, clock=HurriedClock())
        await access.start()
        client = KubeClient(access)
        await client.get("/version")
        await client.close()

        certificate = server.requests[0].certificate
        assert certificate is not None
        assert (("commonName", "metrics-reader"),) in certificate["subject"]


async def test_a_renewed_client_certificate_is_used_on_new_connections(tmp_path: Path) -> None:
    ca = Authority.create("cluster")
    context = _server_context(ca.issue("api", ip_addresses=["127.0.0.1"], server=True), tmp_path, ca)
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    def write(pair: KeyPair) -> None:
        certificate.write_bytes(pair.certificate)
        key.write_bytes(pair.key)

    write(ca.issue("first", client=True))
    async with serving(answer(200, b"{}"), answer(200, b"{}"), tls=context) as server:
        clock = HurriedClock()
        places = Places(_inline(ca.certificate), Place("crt", certificate, None), Place("key", key, None))
        access = KubeAccess(Server(server.url), places, clock=clock)
        await access.start()
        client = KubeClient(access)
        await client.get("/version")
        write(ca.issue("second", client=True))
        await clock.sleep(61)
        await client.get("/version")
        await client.close()

        subjects = [each.certificate["subject"][0][0][1] for each in server.requests if each.certificate]
        assert subjects == ["first", "second"]


async def test_a_server_of_another_ca_is_not_talked_to(tmp_path: Path) -> None:
    context = _server_context(Authority.create("evil").issue("x", ip_addresses=["127.0.0.1"], server=True), tmp_path)
    async with serving(tls=context) as server:
        places = Places(_inline(Authority.create("cluster").certificate))
        access = KubeAccess(Server(server.url), places, clock=HurriedClock())
        await access.start()
        client = KubeClient(access)
        with pytest.raises(KubeUnreachableError, match="certificate is not accepted"):
            await client.get("/version")
        await client.close()

        assert server.requests == []


async def test_the_certificate_is_checked_against_tls_server_name(tmp_path: Path) -> None:
    ca = Authority.create("cluster")
    context = _server_context(ca.issue("x", dns_names=["api.internal"], server=True), tmp_path)
    async with serving(answer(200, b"{}"), tls=context) as server:
        access = KubeAccess(
            Server(server.url, tls_server_name="api.internal"),
            Places(_inline(ca.certificate)),
            clock=HurriedClock(),
        )
        await access.start()
        client = KubeClient(access)

        assert await client.get("/version") == b"{}"
        await client.close()


async def test_an_insecure_server_is_talked_to_only_because_the_operator_said_so(tmp_path: Path) -> None:
    context = _server_context(Authority.create("any").issue("x", server=True), tmp_path)
    async with serving(answer(200, b"{}"), tls=context) as server:
        client = KubeClient(KubeAccess(Server(server.url, insecure=True), Places(), clock=HurriedClock()))

        assert await client.get("/version") == b"{}"
        await client.close()


async def test_a_401_makes_the_token_be_read_again_and_the_request_be_repeated_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    async with serving() as server:

        async def refuse_and_rotate(request: Request, writer: asyncio.StreamWriter) -> None:
            file.write_text("new\n")
            await status(401, "Unauthorized", "Unauthorized")(request, writer)

        server.steps = [refuse_and_rotate, answer(200, b"{}")]
        access = _with_token(server, file)
        await access.start()
        client = KubeClient(access)
        assert await client.get("/version") == b"{}"
        await client.close()

        assert [each.headers["authorization"] for each in server.requests] == ["Bearer old", "Bearer new"]


async def test_a_second_401_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("t")
    refused = status(401, "Unauthorized", "Unauthorized")
    async with serving(refused, refused) as server:
        client = KubeClient(access := _with_token(server, file))
        await access.start()
        with pytest.raises(KubeStatusError) as caught:
            await client.get("/version")
        await client.close()

        assert caught.value.code == 401
        assert len(server.requests) == 2


async def test_a_status_is_told_with_code_reason_and_message() -> None:
    async with serving(status(403, "Forbidden", "nodes is forbidden")) as server, client_of(server) as client:
        with pytest.raises(KubeStatusError, match="nodes is forbidden") as caught:
            await client.get("/api/v1/nodes")

        assert (caught.value.code, caught.value.reason) == (403, "Forbidden")


async def test_a_410_has_an_error_of_its_own() -> None:
    async with serving(status(410, "Expired", "continue is too old")) as server, client_of(server) as client:
        with pytest.raises(KubeExpiredError, match="continue is too old"):
            await client.get("/api/v1/pods")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x1b[31mgo away\r\nlevel=error " + b"x" * 100_000, id="control-characters-and-length"),
        pytest.param(b'{"message": "\\u001b[31mgo away\\r\\nx", "reason": "\\u0000"}', id="in-a-status"),
        pytest.param(b"go away " + b'{"a":' * 5000, id="deeply-nested"),
        pytest.param(b"go away \xff\xfe", id="no-utf-8"),
    ],
)
async def test_a_hostile_error_body_is_cut_and_made_printable(body: bytes) -> None:
    async with serving(answer(500, body)) as server, client_of(server) as client:
        with pytest.raises(KubeStatusError, match="go away") as caught:
            await client.get("/api/v1/pods")

        assert len(str(caught.value)) < 400
        assert str(caught.value).isprintable()


async def test_a_body_beyond_the_bound_is_not_read() -> None:
    async with serving(answer(200, b"x" * 1001)) as server, client_of(server, largest_body=1000) as client:
        with pytest.raises(KubeError, match="more than 1000 bytes"):
            await client.get("/api/v1/pods")


async def test_a_body_that_breaks_off_is_an_unreachable_server() -> None:
    async with serving() as server, client_of(server) as client:
        stream = Stream()
        server.steps = [stream]
        stream.send(b'{"items": [')
        stream.drop()
        with pytest.raises(KubeUnreachableError):
            await client.get("/api/v1/pods")


async def test_nobody_listening_is_an_unreachable_server() -> None:
    async with serving() as server:
        pass
    async with client_of(server) as client:
        with pytest.raises(KubeUnreachableError, match="GET /version"):
            await client.get("/version")


async def test_an_answer_that_does_not_come_in_time_is_an_unreachable_server() -> None:
    async with serving() as server, client_of(server) as client:
        with pytest.raises(KubeUnreachableError, match="no answer in time"):
            await client.get("/version", timeout=0.02)


async def test_a_redirect_is_not_followed() -> None:
    async with serving() as elsewhere, serving(answer(302, b"", location=elsewhere.url)) as server:
        async with client_of(server) as client:
            with pytest.raises(KubeStatusError, match="redirected to"):
                await client.get("/version")

        assert elsewhere.requests == []


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as proxy, serving(answer(200, b"{}")) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        async with client_of(server) as client:
            await client.get("/version")

        assert proxy.requests == []
        assert len(server.requests) == 1


async def test_the_proxy_of_the_kubeconfig_is_used() -> None:
    async with serving(answer(200, b'{"by": "proxy"}')) as proxy:
        access = KubeAccess(Server("http://api.invalid", proxy_url=proxy.url), Places(), clock=HurriedClock())
        client = KubeClient(access)

        assert await client.get("/version") == b'{"by": "proxy"}'
        await client.close()


async def test_a_stream_gives_whole_lines_however_they_were_cut() -> None:
    async with serving() as server, client_of(server) as client:
        stream = Stream()
        server.steps = [stream]
        for chunk in (b"on", b"e\n\ntwo\nthr", b"e", b"e\nfour\n"):
            stream.send(chunk)
        stream.end()
        async with client.stream("/api/v1/pods") as lines:
            assert [line async for line in lines] == [b"one", b"two", b"three", b"four"]


async def test_a_line_the_connection_was_cut_in_is_left_out() -> None:
    async with serving() as server, client_of(server) as client:
        stream = Stream()
        server.steps = [stream]
        stream.send(b"one\ntw")
        stream.drop()
        async with client.stream("/api/v1/pods") as lines:
            assert await anext(lines) == b"one"
            with pytest.raises(KubeUnreachableError):
                await anext(lines)


async def test_a_line_beyond_the_bound_ends_the_stream() -> None:
    async with serving() as server, client_of(server, longest_line=100) as client:
        stream = Stream()
        server.steps = [stream]
        for _ in range(11):
            stream.send(b"0123456789")
        async with client.stream("/api/v1/pods") as lines:
            with pytest.raises(KubeError, match="more than 100 bytes"):
                await anext(lines)


async def test_a_silent_stream_ends() -> None:
    async with serving() as server, client_of(server) as client:
        stream = Stream()
        server.steps = [stream]
        stream.send(b"one\n")
        async with client.stream("/api/v1/pods", idle_timeout=0.05) as lines:
            assert await anext(lines) == b"one"
            with pytest.raises(KubeUnreachableError, match="in time"):
                await anext(lines)


async def test_a_refused_stream_is_an_error_on_entering() -> None:
    async with serving(status(403, "Forbidden", "no")) as server, client_of(server) as client:
        with pytest.raises(KubeStatusError):
            async with client.stream("/api/v1/pods"):
                pytest.fail("entered")


async def test_an_error_of_the_reader_passes_through_a_stream_unchanged() -> None:
    async with serving() as server, client_of(server) as client:
        stream = Stream()
        server.steps = [stream]
        stream.send(b"one\n")

        async def read() -> None:
            async with client.stream("/api/v1/pods") as lines:
                async for _ in lines:
                    raise FileNotFoundError

        with pytest.raises(FileNotFoundError):
            await read()
