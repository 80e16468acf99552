"""What an extension server is sent."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest

from metrics_api.localcluster.users import User
from tests.localcluster.aggregation.extension_server import ExtensionServer, Received, answer
from tests.localcluster.aggregation.stand_in import AUDIT_ID, NODES, PATH, StandIn, running


async def send(stand_in: StandIn, extension: ExtensionServer, target: str = NODES, **options: object) -> Received:
    """Send a request through the aggregator and return what arrived."""
    method = str(options.pop("method", "GET"))
    await stand_in.client.request(method, target, **options)  # type: ignore[arg-type] # httpx checks them itself
    return extension.received[-1]


async def test_the_user_is_named_with_one_line_for_each_group() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        stand_in.user = User("alice", groups=("devs", "system:authenticated"))
        received = await send(stand_in, extension)

    assert received.values("x-remote-user") == ["alice"]
    assert received.values("x-remote-group") == ["devs", "system:authenticated"]
    assert received.values("x-remote-uid") == []


async def test_a_user_with_a_uid_and_extra_brings_both_with_the_key_escaped() -> None:
    extra = {"authentication.kubernetes.io/credential-id": ("X509SHA256=ab", "second"), "50%": ("x",)}
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        stand_in.user = User("alice", uid="42", extra=extra)
        received = await send(stand_in, extension)

    assert received.values("x-remote-uid") == ["42"]
    assert received.values("x-remote-extra-authentication.kubernetes.io%2fcredential-id") == ["X509SHA256=ab", "second"]
    assert received.values("x-remote-extra-50%25") == ["x"]


async def test_what_a_client_claims_about_itself_is_removed() -> None:
    forged = [
        ("X-Remote-User", "root"),
        ("x-remote-group", "system:masters"),
        ("X-REMOTE-UID", "0"),
        ("X-Remote-Extra-Scopes", "all"),
        ("Impersonate-User", "root"),
        ("Impersonate-Extra-Scopes", "all"),
        ("Authorization", "Bearer secret"),
    ]
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        stand_in.user = User("alice", groups=("devs",))
        received = await send(stand_in, extension, headers=forged)

    assert received.values("x-remote-user") == ["alice"]
    assert received.values("x-remote-group") == ["devs"]
    names = {name for name, _ in received.headers}
    unwanted = (
        "x-remote-uid",
        "x-remote-extra-scopes",
        "impersonate-user",
        "impersonate-extra-scopes",
        "authorization",
    )
    assert names.isdisjoint(unwanted)


async def test_host_is_the_backend_and_not_what_the_client_asked_for() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        received = await send(stand_in, extension, headers={"Host": "kubernetes.default"})

    assert received.values("host") == [f"127.0.0.1:{extension.port}"]


async def test_forwarded_headers_are_added_and_the_chain_of_clients_is_continued() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        sent = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "gopher", "X-Forwarded-Uri": "/forged"}
        received = await send(stand_in, extension, headers=sent)

    assert received.values("x-forwarded-for") == ["192.0.2.1, 127.0.0.1"]
    assert received.values("x-forwarded-proto") == ["https"]
    assert received.values("x-forwarded-host") == [f"127.0.0.1:{extension.port}"]
    assert received.values("x-forwarded-uri") == [NODES]


async def test_the_audit_id_is_the_api_servers() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        received = await send(stand_in, extension, headers={"Audit-Id": "mine"})

    assert received.values("audit-id") == [AUDIT_ID]


async def test_other_headers_are_passed_on() -> None:
    sent = {
        "User-Agent": "kubectl/v1.36",
        "Accept": "application/json;as=Table",
        "Accept-Encoding": "br",
        "If-None-Match": '"abc"',
        "Cookie": "a=b",
        "X-Custom": "kept",
    }
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        received = await send(stand_in, extension, headers=sent)

    for name, value in sent.items():
        assert received.values(name.lower()) == [value]


async def test_a_client_that_names_no_user_agent_and_no_accept_gives_the_backend_none() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        for name in ("user-agent", "accept"):
            del stand_in.client.headers[name]
        received = await send(stand_in, extension)

    assert received.values("user-agent") == received.values("accept") == []


async def test_hop_by_hop_headers_are_removed_and_those_that_connection_names() -> None:
    sent = {
        "Connection": "keep-alive, X-Secret",
        "X-Secret": "1",
        "Keep-Alive": "timeout=5",
        "TE": "trailers",
        "Proxy-Authorization": "Basic eDp5",
        "Proxy-Connection": "keep-alive",
    }
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        received = await send(stand_in, extension, headers=sent)

    assert {name.lower() for name in sent}.isdisjoint(name for name, _ in received.headers)


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        pytest.param("?b=2&a=1", "?a=1&b=2", id="sorted-by-key"),
        pytest.param("?a=2&b=0&a=1", "?a=2&a=1&b=0", id="values-of-a-key-keep-their-order"),
        pytest.param("?a=1;b=2&c=3", "?c=3", id="semicolon-dropped"),
        pytest.param("?q=x%20y&r=x+y", "?q=x+y&r=x+y", id="space-becomes-plus"),
        pytest.param("?watch", "?watch=", id="no-value"),
        pytest.param("?a=%zz&b=1", "?b=1", id="broken-escape-dropped"),
        pytest.param("?labelSelector=a%3Db%2cc", "?labelSelector=a%3Db%2Cc", id="escapes-normalised"),
        pytest.param("?", "", id="empty"),
        pytest.param("?a=~-_.*", "?a=~-_.%2A", id="what-go-escapes"),
    ],
)
async def test_the_query_is_parsed_and_written_anew(sent: str, arrives: str) -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        # The target goes out as it stands: httpx would tidy it up.
        await stand_in.client.get(NODES, extensions={"target": f"{NODES}{sent}".encode()})

    assert extension.received[-1].target == NODES + arrives


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        pytest.param("/nodes/a%2Db", "/nodes/a-b", id="needless-escape"),
        pytest.param("/nodes/a%2fb", "/nodes/a/b", id="escaped-slash-is-a-slash"),
        pytest.param("/nodes/%c3%a9", "/nodes/%C3%A9", id="upper-case-hex"),
        pytest.param("/nodes/a%20b", "/nodes/a%20b", id="space"),
        pytest.param("/nodes/(a)", "/nodes/%28a%29", id="what-go-escapes"),
        pytest.param("/nodes/%ff", "/nodes/%FF", id="not-utf-8"),
        pytest.param("/nodes/../x", "/nodes/../x", id="dots-stay"),
        pytest.param("/", "/", id="slash-at-the-end-stays"),
        pytest.param("", "", id="the-version-itself"),
    ],
)
async def test_the_path_is_encoded_anew_from_the_decoded_one(sent: str, arrives: str) -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        await stand_in.client.get(PATH, extensions={"target": f"{PATH}{sent}".encode()})

    assert extension.received[-1].target == PATH + arrives


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_body_is_passed_on(chunked: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"a":'
        yield b"1}"

    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        content = pieces() if chunked else b'{"a":1}'
        received = await send(stand_in, extension, method="POST", content=content)

    assert received.method == "POST"
    assert received.body == b'{"a":1}'


async def test_without_a_clients_accept_encoding_gzip_is_asked_for_and_undone() -> None:
    text = b"x" * 300_000
    packed = [("content-encoding", "gzip"), ("content-type", "text/plain")]
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = answer(200, gzip.compress(text), packed)
        del stand_in.client.headers["accept-encoding"]
        response = await stand_in.client.get(NODES)

    assert extension.received[-1].values("accept-encoding") == ["gzip"]
    assert "content-encoding" not in response.headers
    assert "content-length" not in response.headers
    assert response.content == text


async def test_a_client_that_takes_gzip_gets_what_the_backend_packed() -> None:
    packed = gzip.compress(b"hello")
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        extension.routes[NODES] = answer(200, packed, [("content-encoding", "gzip")])
        async with stand_in.client.stream("GET", NODES, headers={"Accept-Encoding": "gzip"}) as response:
            body = b"".join([chunk async for chunk in response.aiter_raw()])

    assert body == packed
    assert response.headers["content-encoding"] == "gzip"
