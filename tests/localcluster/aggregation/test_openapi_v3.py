"""Which OpenAPI v3 documents are known, and who serves them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from metrics_api.localcluster.resources import API_SERVICES
from metrics_api.localcluster.stored import JsonObject
from metrics_api.localcluster.users import User
from tests.localcluster.aggregation.extension_server import ExtensionServer, Received, Route, answer
from tests.localcluster.aggregation.stand_in import GROUP, NAME, PATH, UNDISTURBED, StandIn, api_service, running

DATA = Path(__file__).parents[2] / "data" / "metrics-server"
KEY = f"apis/{GROUP}/v1beta1"
DOCUMENT = f"/openapi/v3/{KEY}"
ROOT: JsonObject = json.loads((DATA / "minimal-openapi-v3-root.json").read_bytes())
V3: JsonObject = json.loads((DATA / "minimal-openapi-v3-gv.json").read_bytes())
SWAGGER: JsonObject = json.loads((DATA / "minimal-openapi-v2.json").read_bytes())


def serve(extension: ExtensionServer, root: Route) -> None:
    extension.routes |= {PATH: answer(200), "/openapi/v3": root, "/openapi/v2": answer(200, SWAGGER)}


async def polled(stand_in: StandIn, extension: ExtensionServer, seconds: float = 1) -> list[Received]:
    """Let time pass and return the requests for the root so far."""
    await stand_in.aggregator.idle()
    await stand_in.clock.advance(seconds)
    await stand_in.aggregator.idle()
    return extension.arrivals("/openapi/v3")


async def test_the_root_is_asked_for_one_second_after_a_change_by_a_user_without_groups() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, ROOT))
        stand_in.register(extension.port)
        assert await polled(stand_in, extension, 0.9) == []
        (request,) = await polled(stand_in, extension, 0.1)

    assert request.values("x-remote-user") == ["system:aggregator"]
    assert request.values("x-remote-group") == request.values("accept") == request.values("if-none-match") == []


async def test_the_root_is_asked_for_every_minute_without_an_etag() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, ROOT, [("etag", '"abc"')]))
        stand_in.register(extension.port)
        await polled(stand_in, extension)
        assert len(await polled(stand_in, extension, 59)) == 1
        requests = await polled(stand_in, extension, 1)

    assert len(requests) == 2
    assert requests[-1].values("if-none-match") == []


async def test_every_key_of_the_root_is_listed_and_its_document_is_proxied_for_the_user() -> None:
    theirs = json.loads((DATA / "openapiv3-root.json").read_bytes())
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, theirs))
        extension.routes[DOCUMENT] = answer(200, V3)
        stand_in.register(extension.port)
        before = await stand_in.client.get(DOCUMENT)
        await polled(stand_in, extension)
        stand_in.user = User("alice", groups=("devs",))
        response = await stand_in.client.get(f"{DOCUMENT}?hash=ABC")

        assert stand_in.aggregator.openapi_v3_paths() == theirs["paths"]
        assert stand_in.aggregator.claims("/openapi/v3/version")
        assert not stand_in.aggregator.claims("/openapi/v3/apis/apps/v1")
        assert not stand_in.aggregator.claims("/openapi/v3")
    assert (before.status_code, response.json()) == (418, V3)
    received = extension.received[-1]
    assert received.target == f"{DOCUMENT}?hash=ABC"
    assert (received.values("x-remote-user"), received.values("x-remote-group")) == (["alice"], ["devs"])


REFUSED = "loading OpenAPI v3 spec: Error, could not get list of group versions"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        pytest.param(answer(403), f"{REFUSED} for APIService: 403", id="403"),
        pytest.param(answer(500), f"{REFUSED} for APIService: 500", id="500"),
        pytest.param(answer(200, b"{"), "loading OpenAPI v3 spec", id="cut"),
        pytest.param(answer(200, {"paths": []}), "loading OpenAPI v3 spec", id="list"),
    ],
)
async def test_a_failure_is_logged_and_the_next_try_comes_after_a_minute(
    bad: Route, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, bad)
        stand_in.register(extension.port)
        with caplog.at_level(logging.WARNING):
            await polled(stand_in, extension)
        assert says in caplog.text
        serve(extension, answer(200, ROOT))
        await polled(stand_in, extension, 59)
        assert stand_in.aggregator.openapi_v3_paths() == {}
        await polled(stand_in, extension, 1)

        assert stand_in.aggregator.openapi_v3_paths() == ROOT["paths"]


async def test_a_later_failure_leaves_the_keys_and_backs_off_further_each_time_up_to_an_hour() -> None:
    async with ExtensionServer() as extension, running(UNDISTURBED, controllers=True) as stand_in:
        serve(extension, answer(200, ROOT))
        stand_in.register(extension.port)
        before = len(await polled(stand_in, extension))
        serve(extension, answer(500))
        for seconds in (60, 60, 120, 240, 480, 960, 1920, 3600, 3600):
            assert len(await polled(stand_in, extension, seconds - 1)) == before
            before += 1
            assert len(await polled(stand_in, extension, 1)) == before

        assert stand_in.aggregator.openapi_v3_paths() == ROOT["paths"]


async def test_404_at_first_contact_makes_it_legacy_for_good_and_v2_is_converted() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(404))
        stand_in.register(extension.port)
        await polled(stand_in, extension)
        serve(extension, answer(200, ROOT))
        await polled(stand_in, extension, 130)
        paths = stand_in.aggregator.openapi_v3_paths()
        response = await stand_in.client.get(DOCUMENT)
        again = await stand_in.client.get(DOCUMENT, headers={"If-None-Match": response.headers["etag"]})

        assert len(extension.arrivals("/openapi/v3")) == 1
        assert extension.arrivals(DOCUMENT) == []
    assert list(paths) == [KEY]
    assert paths[KEY]["serverRelativeURL"].startswith(f"{DOCUMENT}?hash=")
    document = response.json()
    operation = document["paths"][f"{PATH}/nodes"]["get"]
    reference = "#/components/schemas/io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetricsList"
    assert operation["responses"]["200"]["content"]["application/json"] == {"schema": {"$ref": reference}}
    assert operation["x-kubernetes-action"] == "list"
    assert reference.rpartition("/")[2] in document["components"]["schemas"]
    assert (again.status_code, again.content) == (304, b"")


async def test_an_apiservice_made_anew_is_asked_for_v3_again() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(404))
        stand_in.register(extension.port)
        await polled(stand_in, extension)
        serve(extension, answer(200, ROOT))
        stand_in.objects.delete(API_SERVICES, "", NAME)
        assert stand_in.aggregator.openapi_v3_paths() == {}
        stand_in.objects.create(API_SERVICES, api_service())
        await polled(stand_in, extension)

        assert stand_in.aggregator.openapi_v3_paths() == ROOT["paths"]


async def test_404_after_a_success_makes_it_legacy_too() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, ROOT))
        stand_in.register(extension.port)
        await polled(stand_in, extension)
        serve(extension, answer(404))
        await polled(stand_in, extension, 60)
        requests = len(extension.arrivals("/openapi/v3"))
        await polled(stand_in, extension, 130)

        assert len(extension.arrivals("/openapi/v3")) == requests
        assert list(stand_in.aggregator.openapi_v3_paths()) == [KEY]


async def test_nothing_is_served_after_the_apiservice_was_deleted() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        serve(extension, answer(200, ROOT))
        stand_in.register(extension.port)
        await polled(stand_in, extension)
        stand_in.objects.delete(API_SERVICES, "", NAME)
        response = await stand_in.client.get(DOCUMENT)

    assert response.status_code == 418
