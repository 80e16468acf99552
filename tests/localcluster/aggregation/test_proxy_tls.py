"""Whom the proxy believes, and how it proves who it is."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from metrics_api.pki import Authority, KeyPair
from tests.localcluster.aggregation.extension_server import (
    SERVER_NAME,
    ExtensionServer,
    answer,
    authority,
    front_proxy_pair,
    serving_pair,
)
from tests.localcluster.aggregation.stand_in import NODES, api_service, running

_FAILED = "error trying to reach service: tls: failed to verify certificate: x509: "
_YESTERDAY = datetime.now(UTC) - timedelta(days=1)


async def ask(extension: ExtensionServer, **spec: Any) -> tuple[int, str]:
    extension.routes[NODES] = answer(200, b"served")
    async with extension, running() as stand_in:
        stand_in.register(extension.port, api_service(**spec))
        response = await stand_in.client.get(NODES)
    return response.status_code, response.text.rstrip("\n")


async def test_a_certificate_of_the_bundle_with_the_services_name_is_believed() -> None:
    extension = ExtensionServer()
    assert await ask(extension) == (200, "served")
    assert extension.sni == [SERVER_NAME]


def expired() -> KeyPair:
    return authority("serving-ca").issue("x", dns_names=[SERVER_NAME], server=True, not_after=_YESTERDAY,
                                         not_before=_YESTERDAY - timedelta(days=1))  # fmt: skip


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        pytest.param(
            lambda: serving_pair("localhost"), f"certificate is not valid for {SERVER_NAME}", id="another-name"
        ),
        pytest.param(
            lambda: authority("serving-ca").issue(SERVER_NAME, server=True),
            f"certificate is not valid for {SERVER_NAME}",
            id="name-in-cn-only",
        ),
        pytest.param(
            lambda: authority("serving-ca").issue("x", ip_addresses=["127.0.0.1"], server=True),
            f"certificate is not valid for {SERVER_NAME}",
            id="the-address-dialled-only",
        ),
        pytest.param(
            lambda: Authority.create("other-ca").issue("x", dns_names=[SERVER_NAME], server=True),
            "certificate signed by unknown authority",
            id="another-authority",
        ),
        pytest.param(
            expired,
            "certificate has expired or is not yet valid: current time is after its validity",
            id="expired",
        ),
        pytest.param(
            lambda: authority("serving-ca").issue("x", dns_names=[SERVER_NAME], client=True),
            "certificate specifies an incompatible key usage",
            id="for-clients-only",
        ),
    ],
)
async def test_a_certificate_is_refused_with(pair: Callable[[], KeyPair], reason: str) -> None:
    extension = ExtensionServer(pair=pair())
    assert await ask(extension) == (503, _FAILED + reason)
    assert extension.received == []


@pytest.mark.parametrize("pair", [lambda: serving_pair("localhost"), expired], ids=["another-name", "expired"])
async def test_insecure_skip_tls_verify_believes_everything(pair: Callable[[], KeyPair]) -> None:
    extension = ExtensionServer(pair=pair())
    assert await ask(extension, caBundle=None, insecureSkipTLSVerify=True) == (200, "served")
    assert extension.sni == [SERVER_NAME]


async def test_without_bundle_and_without_insecure_only_the_systems_authorities_are_believed() -> None:
    extension = ExtensionServer()
    assert await ask(extension, caBundle=None) == (503, _FAILED + "certificate signed by unknown authority")


async def test_a_bundle_may_hold_the_servers_own_certificate() -> None:
    pair = authority("serving-ca").issue("x", dns_names=[SERVER_NAME], server=True)
    bundle = base64.b64encode(pair.certificate).decode()
    assert await ask(ExtensionServer(pair=pair), caBundle=bundle) == (200, "served")


async def test_tls_1_2_is_spoken() -> None:
    assert await ask(ExtensionServer(maximum_tls=ssl.TLSVersion.TLSv1_2)) == (200, "served")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_tls_1_1_is_not_spoken() -> None:
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    anything.minimum_version = ssl.TLSVersion.TLSv1_1
    anything.set_ciphers("ALL:@SECLEVEL=0")
    async with ExtensionServer(maximum_tls=ssl.TLSVersion.TLSv1_1) as extension, running() as stand_in:
        _, writer = await asyncio.open_connection("127.0.0.1", extension.port, ssl=anything)
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
        stand_in.register(extension.port)
        response = await stand_in.client.get(NODES)

    assert version == "TLSv1.1"
    assert response.status_code == 503
    assert response.text.startswith("error trying to reach service: ")


async def test_the_front_proxys_certificate_is_presented() -> None:
    extension = ExtensionServer()
    await ask(extension)
    assert extension.received[-1].peer == "front-proxy-client"


async def test_with_the_certificate_missing_none_is_presented_from_the_next_request_on() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        await stand_in.client.get(NODES)
        stand_in.aggregator.front_proxy = None
        await stand_in.client.get(NODES)

    assert [each.peer for each in extension.received] == ["front-proxy-client", None]
    assert [each.user for each in extension.received] == ["alice", "alice"]


async def test_a_rotated_certificate_is_presented_from_the_next_request_on() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        await stand_in.client.get(NODES)
        stand_in.aggregator.front_proxy = authority("front-proxy-ca").issue("front-proxy-new", client=True)
        await stand_in.client.get(NODES)

    assert [each.peer for each in extension.received] == ["front-proxy-client", "front-proxy-new"]


def of_intruders() -> KeyPair:
    return Authority.create("intruders").issue("front-proxy-client", client=True)


def expired_front_proxy() -> KeyPair:
    before = _YESTERDAY - timedelta(days=1)
    return authority("front-proxy-ca").issue("front-proxy-client", client=True, not_before=before, not_after=_YESTERDAY)


@pytest.mark.parametrize("pair", [of_intruders, expired_front_proxy], ids=["wrong-authority", "expired"])
async def test_a_bad_front_proxy_certificate_fails_at_a_server_that_verifies(pair: Callable[[], KeyPair]) -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        stand_in.aggregator.front_proxy = pair()
        response = await stand_in.client.get(NODES)

        assert extension.received == []
    assert response.status_code == 503
    assert response.text.startswith("error trying to reach service: ")


async def test_a_front_proxy_key_that_is_none_is_answered_500() -> None:
    async with ExtensionServer() as extension, running() as stand_in:
        stand_in.register(extension.port)
        stand_in.aggregator.front_proxy = KeyPair(front_proxy_pair().certificate, b"no key")
        response = await stand_in.client.get(NODES)

    assert response.status_code == 500
