"""How OpenAPI v2 documents are fetched and merged."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from metrics_api.localcluster.resources import API_SERVICES
from metrics_api.localcluster.stored import JsonObject
from tests.localcluster.aggregation.extension_server import ExtensionServer, Received, Route, answer
from tests.localcluster.aggregation.stand_in import GROUP, NAME, PATH, UNDISTURBED, StandIn, api_service, running

DATA = Path(__file__).parents[2] / "data" / "metrics-server"
MINIMAL: JsonObject = json.loads((DATA / "minimal-openapi-v2.json").read_bytes())
REAL: JsonObject = json.loads((DATA / "openapiv2.json").read_bytes())


def serve(extension: ExtensionServer, document: Route) -> None:
    # With a root of its own for version 3, only version 2 asks for the document.
    extension.routes |= {PATH: answer(200), "/openapi/v2": document, "/openapi/v3": answer(200, {"paths": {}})}


async def polled(stand_in: StandIn, extension: ExtensionServer, seconds: float = 0) -> list[Received]:
    """Let time pass and return the requests for the document so far, once all that is due was done."""
    await stand_in.aggregator.idle()
    await stand_in.clock.advance(seconds)
    await stand_in.aggregator.idle()
    return extension.arrivals("/openapi/v2")


async def test_the_document_is_asked_for_by_a_user_without_groups() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, MINIMAL))
        stand_in.register(extension.port)
        (request, *_) = await polled(stand_in, extension, 1)

    assert request.values("accept") == ["application/json"]
    assert request.values("x-remote-user") == ["system:aggregator"]
    assert request.values("x-remote-group") == []
    assert request.values("if-none-match") == []


async def test_a_minimal_document_is_kept_whole() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, MINIMAL))
        stand_in.register(extension.port)
        assert stand_in.aggregator.openapi_v2() is None
        await polled(stand_in, extension, 1)

        assert stand_in.aggregator.openapi_v2() == MINIMAL


async def test_paths_of_others_are_dropped_with_the_definitions_only_they_use() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, REAL))
        stand_in.register(extension.port)
        await polled(stand_in, extension, 1)
        document = stand_in.aggregator.openapi_v2()

    assert document is not None
    assert set(REAL["paths"]) - set(document["paths"]) == {"/apis/", f"/apis/{GROUP}/", "/version/"}
    gone = set(REAL["definitions"]) - set(document["definitions"])
    assert {name.rpartition(".")[2] for name in gone} == {
        "APIGroup", "APIGroupList", "GroupVersionForDiscovery", "ServerAddressByClientCIDR", "Info"
    }  # fmt: skip


async def test_the_document_is_asked_for_every_minute_with_its_etag_and_kept_on_304() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, MINIMAL, [("etag", '"abc"')]))
        stand_in.register(extension.port)
        before = len(await polled(stand_in, extension, 1))
        serve(extension, answer(304))
        await stand_in.clock.advance(60)
        requests = await polled(stand_in, extension)

        assert len(requests) == before + 1
        assert requests[-1].values("if-none-match") == ['"abc"']
        assert stand_in.aggregator.openapi_v2() == MINIMAL


async def test_a_document_without_an_etag_is_asked_for_without_one() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, MINIMAL))
        stand_in.register(extension.port)
        await polled(stand_in, extension, 1)
        await stand_in.clock.advance(60)
        requests = await polled(stand_in, extension)

        assert len(requests) > 1
        assert all(each.values("if-none-match") == [] for each in requests)
        assert stand_in.aggregator.openapi_v2() == MINIMAL


@pytest.mark.parametrize(
    ("bad", "logged"),
    [
        pytest.param(answer(404), f"failed to download {NAME}: resource not found", id="404"),
        pytest.param(answer(403), "failed to retrieve openAPI spec, http error: 403", id="403"),
        pytest.param(answer(503), "failed to retrieve openAPI spec, http error: 503", id="503"),
        pytest.param(answer(304), "http.StatusNotModified is not allowed in absence of etag", id="304-unasked"),
        pytest.param(answer(200, b"{"), "the document is not JSON", id="no-json"),
        pytest.param(answer(200, []), "the document is not a JSON object", id="no-object"),
        pytest.param(answer(200, {"paths": 5}), "not a Swagger document", id="no-swagger"),
    ],
)
async def test_a_failure_is_logged_and_the_next_try_comes_after_a_minute(
    bad: Route, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, bad)
        stand_in.register(extension.port)
        with caplog.at_level(logging.WARNING):
            await polled(stand_in, extension, 1)
        assert logged in caplog.text
        assert stand_in.aggregator.openapi_v2() is None
        stand_in.objects.replace(API_SERVICES, api_service(versionPriority=7))  # failures count from zero again
        before = len(await polled(stand_in, extension))
        serve(extension, answer(200, MINIMAL))
        assert len(await polled(stand_in, extension, 59)) == before
        await polled(stand_in, extension, 1)

        assert stand_in.aggregator.openapi_v2() == MINIMAL


async def test_a_later_failure_leaves_the_document_and_backs_off_further_each_time_up_to_an_hour() -> None:
    async with ExtensionServer() as extension, running(UNDISTURBED, controllers=True) as stand_in:
        serve(extension, answer(200, MINIMAL))
        stand_in.register(extension.port)
        before = len(await polled(stand_in, extension, 1))
        serve(extension, answer(500))
        for seconds in (60, 60, 120, 240, 480, 960, 1920, 3600, 3600):
            await stand_in.clock.advance(seconds - 1)
            assert len(await polled(stand_in, extension)) == before
            await stand_in.clock.advance(1)
            before += 1
            assert len(await polled(stand_in, extension)) == before

        assert stand_in.aggregator.openapi_v2() == MINIMAL


async def test_a_change_of_the_apiservice_is_followed_at_once_also_after_failures() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(500))
        stand_in.register(extension.port)
        await polled(stand_in, extension, 1)
        serve(extension, answer(200, MINIMAL))
        stand_in.objects.replace(API_SERVICES, api_service(versionPriority=7))
        await polled(stand_in, extension)

        assert stand_in.aggregator.openapi_v2() == MINIMAL


async def test_nothing_is_asked_of_a_backend_that_is_not_available() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {PATH: answer(500), "/openapi/v2": answer(200, MINIMAL)}
        stand_in.register(extension.port, available=False)

        assert await polled(stand_in, extension, 1) == []


async def test_a_deleted_apiservice_takes_its_document_along() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, MINIMAL))
        stand_in.register(extension.port)
        await polled(stand_in, extension, 1)
        stand_in.objects.delete(API_SERVICES, "", NAME)

        assert stand_in.aggregator.openapi_v2() is None


async def test_two_versions_are_merged_the_preferred_one_first() -> None:
    both: JsonObject = {
        "swagger": "2.0",
        "info": {"title": "both", "version": "1"},
        "paths": {
            f"/apis/{GROUP}/{version}/nodes": {
                "get": {"responses": {"200": {"description": "OK", "schema": {"$ref": f"#/definitions/{version}"}}}}
            }
            for version in ("v1", "v1beta1")
        },
        "definitions": {"v1": {"type": "string"}, "v1beta1": {"type": "integer"}},
    }
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, both))
        extension.routes[f"/apis/{GROUP}/v1"] = answer(200)
        stand_in.register(extension.port, api_service("v1"), api_service("v1beta1"))
        await polled(stand_in, extension, 1)
        document = stand_in.aggregator.openapi_v2()

    assert document == both
