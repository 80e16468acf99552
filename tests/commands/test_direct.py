"""A metrics server asked at its own address: whom it must be, and what it is shown."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from metrics_api.commands.connecting import open_client
from metrics_api.commands.direct import direct_access, named_files
from metrics_api.errors import KubeConfigError, KubeError, KubeUnreachableError
from metrics_api.kube.access import Server
from metrics_api.pki import Authority
from metrics_api.serving.certificates import find_pair
from metrics_api.serving.context import server_context
from tests.kube.api_server import Request, answer, serving

TOKEN = "for-this-server-alone"


async def asked(url: str, directory: Path, *, ca_file: str = "", insecure: bool = False, timeout: float = 5.0) -> bytes:  # noqa: ASYNC109 - the client's
    (directory / "token").write_text(f"{TOKEN}\n")
    access = await direct_access(Server(url, insecure), named_files(str(directory / "token"), ca_file))
    async with open_client(access) as client:
        return await client.get("/x", timeout=timeout)


async def test_the_named_authority_is_believed_and_the_named_token_shown(tmp_path: Path) -> None:
    authority = Authority.create("theirs")
    pair = authority.issue("server", ip_addresses=["127.0.0.1"], server=True)
    (tmp_path / "crt").write_bytes(pair.certificate)
    (tmp_path / "key").write_bytes(pair.key)
    (tmp_path / "ca").write_bytes(authority.certificate)
    context = server_context(find_pair(str(tmp_path / "crt"), str(tmp_path / "key"), "", "127.0.0.1"))
    async with serving(answer(200, b"well"), answer(500, b"<html>ill</html>"), tls=context) as server:
        assert await asked(server.url, tmp_path, ca_file=str(tmp_path / "ca")) == b"well"
        with pytest.raises(KubeError, match="500"):
            await asked(server.url, tmp_path, ca_file=str(tmp_path / "ca"))

    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_who_is_not_believed_is_shown_nothing(tmp_path: Path) -> None:
    context = server_context(find_pair("", "", str(tmp_path), "127.0.0.1"))
    async with serving(answer(200, b"well"), tls=context) as server:
        with pytest.raises(KubeUnreachableError, match="certificate"):
            await asked(server.url, tmp_path)
        assert server.requests == []
        assert await asked(server.url, tmp_path, insecure=True) == b"well"


async def test_a_file_that_cannot_be_read_is_named_with_its_flag(tmp_path: Path) -> None:
    with pytest.raises(KubeConfigError, match=r"--ca-file: .*nothing"):
        await asked("https://127.0.0.1:1", tmp_path, ca_file=str(tmp_path / "nothing"))


async def test_an_answer_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\n \r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(drip) as server:
        with pytest.raises(KubeUnreachableError):
            await asked(server.url, tmp_path, timeout=0.3)
