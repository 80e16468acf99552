"""How extension servers are asked what they serve, and what becomes of the answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from metrics_api.localcluster.aggregation.discovery import DiscoveryStyle
from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.resources import API_SERVICES
from metrics_api.localcluster.stored import JsonObject
from tests.fakes import settle
from tests.localcluster.aggregation.extension_server import ExtensionServer, Received, Route, answer, hang
from tests.localcluster.aggregation.stand_in import GROUP, NAME, PATH, StandIn, api_service, running

DATA = Path(__file__).parents[2] / "data"
AGGREGATED = (DATA / "metrics-server" / "aggdisc.json").read_bytes()
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2BETA1 = V2.replace("v=v2;", "v=v2beta1;")
NODES_RESOURCE = {
    "resource": "nodes",
    "responseKind": {"group": "", "version": "", "kind": "NodeMetrics"},
    "scope": "Cluster",
    "singularResource": "",
    "verbs": ["get", "list"],
}
LEGACY = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/v1beta1",
    "resources": [
        {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": ["get", "list"]},
    ],
}


def aggregated(body: bytes = AGGREGATED, content_type: str = V2, etag: str = "") -> Route:
    return answer(200, body, [("content-type", content_type), *([("etag", etag)] if etag else [])])


async def polled(stand_in: StandIn, extension: ExtensionServer) -> list[Received]:
    """Return the requests for ``/apis`` so far, once all that is due was done."""
    await stand_in.aggregator.idle()
    return extension.arrivals("/apis")


def item(stand_in: StandIn) -> Any:
    """Return what is known of the one version of the one group."""
    (group,) = stand_in.aggregator.aggregated_groups()
    (version,) = group["versions"]
    return version


async def test_the_document_is_asked_for_by_a_master_in_both_versions_newest_first() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": aggregated(), PATH: answer(200)}
        stand_in.register(extension.port)
        (request, *_) = await polled(stand_in, extension)

    assert request.values("accept") == [f"{V2},{V2BETA1}"]
    assert request.values("x-remote-user") == ["system:kube-aggregator"]
    assert request.values("x-remote-group") == ["system:masters"]
    assert request.values("if-none-match") == []


async def test_a_real_metrics_servers_document_becomes_a_real_kube_apiservers_item() -> None:
    theirs = json.loads((DATA / "kube-apiserver" / "apis-aggregated-discovery.json").read_bytes())
    wanted = next(each for each in theirs["items"] if each["metadata"]["name"] == GROUP)
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": aggregated(), PATH: answer(200)}
        stand_in.register(extension.port)
        await polled(stand_in, extension)

        assert stand_in.aggregator.aggregated_groups() == [wanted]


async def test_the_legacy_group_is_that_of_a_real_kube_apiserver() -> None:
    theirs = json.loads((DATA / "kube-apiserver" / "apis-legacy-discovery.json").read_bytes())
    wanted = next(each for each in theirs["groups"] if each["name"] == GROUP)
    async with running() as stand_in:
        stand_in.register(1, available=False)

        assert stand_in.aggregator.groups() == [wanted]


async def test_the_document_is_asked_for_every_minute_with_its_etag_and_kept_on_304() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": aggregated(etag='"abc"'), PATH: answer(200)}
        stand_in.register(extension.port)
        before = len(await polled(stand_in, extension))
        extension.routes["/apis"] = answer(304)
        await stand_in.clock.advance(60)
        requests = await polled(stand_in, extension)

        assert len(requests) == before + 1
        assert requests[-1].values("if-none-match") == ['"abc"']
        assert (item(stand_in)["freshness"], item(stand_in)["resources"][0]) == ("Current", NODES_RESOURCE)


async def test_the_document_is_asked_for_when_an_apiservice_changes() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": aggregated(), PATH: answer(200)}
        stand_in.register(extension.port)
        before = len(await polled(stand_in, extension))
        stand_in.objects.replace(API_SERVICES, api_service(versionPriority=99))

        assert len(await polled(stand_in, extension)) == before + 1


async def test_two_versions_of_one_service_share_a_document() -> None:
    document = json.loads(AGGREGATED)
    version = document["items"][0]["versions"][0]
    document["items"][0]["versions"] = [{**version, "version": "v1"}, version]
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": aggregated(json.dumps(document).encode()), PATH: answer(200)}
        extension.routes[f"/apis/{GROUP}/v1"] = answer(200)
        stand_in.register(extension.port, api_service("v1beta1"), api_service("v1"))
        before = len(await polled(stand_in, extension))
        (group,) = stand_in.aggregator.aggregated_groups()
        await stand_in.clock.advance(60)
        after = len(await polled(stand_in, extension))

    assert [each["version"] for each in group["versions"]] == ["v1", "v1beta1"]
    assert after == before + 1


async def test_a_version_that_the_document_does_not_have_is_current_and_empty() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": aggregated(), f"/apis/{GROUP}/v1": answer(200)}
        stand_in.register(extension.port, api_service("v1"))
        await polled(stand_in, extension)

        assert item(stand_in) == {"version": "v1", "freshness": "Current"}


async def test_503_makes_the_version_stale_without_falling_back() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": aggregated(), PATH: answer(200)}
        stand_in.register(extension.port)
        await polled(stand_in, extension)
        extension.routes["/apis"] = answer(503)
        await stand_in.clock.advance(60)
        await polled(stand_in, extension)

        assert item(stand_in) == {"version": "v1beta1", "freshness": "Stale"}
        assert not [each for each in extension.received if each.values("accept") == ["application/json"]
                    and each.path == PATH]  # fmt: skip


async def test_a_stale_version_is_asked_for_again_after_half_a_second_and_then_less_often() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": answer(503), PATH: answer(200)}
        stand_in.register(extension.port)
        count = len(await polled(stand_in, extension))
        await stand_in.clock.advance(0.5)
        await polled(stand_in, extension)
        extension.routes["/apis"] = aggregated()
        await stand_in.clock.advance(0.9)
        await stand_in.aggregator.idle()
        assert len(extension.arrivals("/apis")) == count + 1
        await stand_in.clock.advance(0.1)
        await polled(stand_in, extension)

        assert item(stand_in)["freshness"] == "Current"


async def test_a_backend_that_hangs_makes_the_version_stale_after_the_limit() -> None:
    assert Timing().discovery_timeout == 5
    async with (
        ExtensionServer() as extension,
        running(replace(Timing(), discovery_timeout=0.05), controllers=True) as stand_in,
    ):
        extension.routes |= {"/apis": hang, PATH: answer(200)}
        stand_in.register(extension.port)
        await polled(stand_in, extension)

        assert item(stand_in) == {"version": "v1beta1", "freshness": "Stale"}


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(answer(403), id="403"),
        pytest.param(answer(404), id="404"),
        pytest.param(answer(406), id="406"),
        pytest.param(answer(500), id="500"),
        pytest.param(answer(200, {"kind": "APIGroupList", "groups": []}), id="plain-json"),
        pytest.param(aggregated(content_type=V2.replace("v=v2;", "v=v3;")), id="unknown-version"),
        pytest.param(aggregated(content_type=V2.replace("application/json", "text/plain")), id="not-json"),
        pytest.param(answer(302, headers=[("location", "/")]), id="redirect"),
    ],
)
async def test_any_other_answer_falls_back_to_the_version_as_a_user_without_groups(first: Route) -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": first, PATH: answer(200, LEGACY)}
        stand_in.register(extension.port)
        await polled(stand_in, extension)
        (request, *_) = [each for each in extension.arrivals(PATH) if each.values("accept")]

        assert item(stand_in) == {"version": "v1beta1", "resources": [NODES_RESOURCE], "freshness": "Current"}
    assert request.values("accept") == ["application/json"]
    assert request.values("x-remote-user") == ["system:kube-aggregator"]
    assert request.values("x-remote-group") == []


async def test_the_fallback_carries_the_etag_of_the_document_and_its_304_is_no_success() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": aggregated(etag='"abc"'), PATH: answer(200)}
        stand_in.register(extension.port)
        await polled(stand_in, extension)
        extension.routes |= {"/apis": answer(404), PATH: answer(304)}
        await stand_in.clock.advance(60)
        await polled(stand_in, extension)

        fallback = [each for each in extension.arrivals(PATH) if each.values("accept")]
        assert fallback[0].values("if-none-match") == ['"abc"']
        assert item(stand_in)["freshness"] == "Stale"


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"items":[{"versions":"none"}]}', b'{"items":[{"metadata":{"name":1}}]}']
)
async def test_a_document_that_cannot_be_read_makes_the_version_stale(body: bytes) -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": aggregated(body), PATH: answer(200)}
        stand_in.register(extension.port)
        await polled(stand_in, extension)

        assert item(stand_in) == {"version": "v1beta1", "freshness": "Stale"}


async def test_legacy_subresources_are_put_below_their_resource() -> None:
    document = {
        "resources": [
            {"name": "pods/scale", "kind": "Scale", "group": "autoscaling", "version": "v1", "verbs": ["get"]},
            {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": [],
             "shortNames": ["po"], "categories": ["all"]},
            {"name": "lone/status", "kind": "Lone", "verbs": ["get"]},
        ]
    }  # fmt: skip
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": answer(404), PATH: answer(200, document)}
        stand_in.register(extension.port)
        await polled(stand_in, extension)
        pods, lone = item(stand_in)["resources"]

    scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert pods["subresources"] == [{"subresource": "scale", "responseKind": scale, "verbs": ["get"]}]
    assert (pods["scope"], pods["shortNames"], pods["categories"]) == ("Namespaced", ["po"], ["all"])
    assert (lone["resource"], lone["subresources"][0]["subresource"]) == ("lone", "status")


@pytest.mark.parametrize(
    ("style", "accept", "content_type"),
    [
        pytest.param(DiscoveryStyle.V2, V2, V2, id="1.37"),
        pytest.param(DiscoveryStyle.V2BETA1, V2BETA1, V2BETA1, id="1.26"),
    ],
)
async def test_other_releases_ask_for_one_version(style: DiscoveryStyle, accept: str, content_type: str) -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        stand_in.aggregator.discovery_style = style
        extension.routes |= {"/apis": aggregated(content_type=content_type), PATH: answer(200)}
        stand_in.register(extension.port)
        (request, *_) = await polled(stand_in, extension)

        assert request.values("accept") == [accept]
        assert item(stand_in)["resources"][0] == NODES_RESOURCE


async def test_an_answer_in_a_version_that_was_not_asked_for_falls_back() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        stand_in.aggregator.discovery_style = DiscoveryStyle.V2
        extension.routes |= {"/apis": aggregated(content_type=V2BETA1), PATH: answer(200, {"resources": []})}
        stand_in.register(extension.port)
        await polled(stand_in, extension)

        assert item(stand_in) == {"version": "v1beta1", "resources": [], "freshness": "Current"}


async def test_the_oldest_style_asks_for_the_version_alone() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        stand_in.aggregator.discovery_style = DiscoveryStyle.LEGACY
        extension.routes[PATH] = answer(200, LEGACY)
        stand_in.register(extension.port)
        await stand_in.aggregator.idle()

        assert item(stand_in)["resources"] == [NODES_RESOURCE]
        assert extension.arrivals("/apis") == []


async def test_discovery_is_polled_while_the_apiservice_is_not_available() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": aggregated(), PATH: answer(500)}
        stand_in.register(extension.port, available=False)
        await polled(stand_in, extension)
        response = await stand_in.client.get(PATH)

        assert item(stand_in)["freshness"] == "Current"
    assert response.status_code == 503


async def test_a_deleted_apiservice_is_listed_no_more() -> None:
    async with ExtensionServer() as extension, running(controllers=True) as stand_in:
        extension.routes |= {"/apis": aggregated(), PATH: answer(200)}
        stand_in.register(extension.port)
        await polled(stand_in, extension)
        stand_in.objects.delete(API_SERVICES, "", NAME)
        await settle()

        assert stand_in.aggregator.groups() == stand_in.aggregator.aggregated_groups() == []


async def test_groups_are_ordered_by_priority_and_versions_within_them() -> None:
    services: list[JsonObject] = [
        api_service("v1beta1"),
        api_service("v1"),
        api_service("v1alpha1", versionPriority=200),
        api_service("v1", group="b.example", groupPriorityMinimum=50),
        api_service("v2", group="b.example", groupPriorityMinimum=5000),
        api_service("v1", group="a.example"),
    ]
    async with running() as stand_in:
        stand_in.register(1, *services)
        groups = stand_in.aggregator.groups()

    listed = {each["name"]: [version["version"] for version in each["versions"]] for each in groups}
    assert listed == {"b.example": ["v2", "v1"], "a.example": ["v1"], GROUP: ["v1alpha1", "v1", "v1beta1"]}
    assert list(listed) == ["b.example", "a.example", GROUP]
    assert groups[2]["preferredVersion"] == {"groupVersion": f"{GROUP}/v1alpha1", "version": "v1alpha1"}


async def test_local_apiservices_are_left_to_the_api_server() -> None:
    async with running() as stand_in:
        stand_in.objects.create(API_SERVICES, api_service("v1", group="apps", service=None, caBundle=None))

        assert stand_in.aggregator.groups() == []
        assert not stand_in.aggregator.claims("/apis/apps/v1")
