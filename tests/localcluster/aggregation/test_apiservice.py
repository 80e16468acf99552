from __future__ import annotations

import pytest

from metrics_api.localcluster.aggregation.apiservice import (
    ServiceReference,
    compare_versions,
    parse_api_service,
    sorted_by_group_and_version,
)
from metrics_api.localcluster.aggregation.registry import Registry
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import API_SERVICES
from tests.fakes import FakeClock
from tests.localcluster.aggregation.stand_in import NAME, api_service

VERSIONS = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v1beta2", "v12alpha1", "v11alpha2", "foo1", "foo10"]


def test_versions_are_preferred_by_stage_then_number_and_others_come_last_by_name() -> None:
    for index, version in enumerate(VERSIONS):
        for less in VERSIONS[index + 1 :]:
            assert compare_versions(version, less) > 0, (version, less)
            assert compare_versions(less, version) < 0, (less, version)
        assert compare_versions(version, version) == 0


def test_a_groups_priority_is_the_highest_of_its_versions_and_ties_go_by_name() -> None:
    services = [
        parse_api_service(api_service(version, group=group, groupPriorityMinimum=priority))
        for version, group, priority in (("v1", "b", 10), ("v2", "b", 20), ("v1", "c", 15), ("v1", "a", 15))
    ]
    assert [[each.name for each in group] for group in sorted_by_group_and_version(services)] == [
        ["v2.b", "v1.b"],
        ["v1.a"],
        ["v1.c"],
    ]


def test_the_port_of_a_service_is_443_unless_it_is_given() -> None:
    found = parse_api_service(api_service(service={"namespace": "n", "name": "s"}))
    assert found.service == ServiceReference("n", "s", 443)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"versionPriority": "100"}, "Expected `int`, got `str`", id="type"),
        pytest.param({"caBundle": "***"}, "illegal base64 data in spec.caBundle", id="base64"),
        pytest.param({"service": []}, "Expected `object", id="service"),
    ],
)
def test_a_malformed_object_is_refused_with_what_is_wrong(spec: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_api_service(api_service(**spec))  # type: ignore[arg-type] # malformed is the point


@pytest.fixture
def objects() -> ObjectStore:
    return ObjectStore(FakeClock())


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("/apis/metrics.k8s.io/v1beta1", True),
        ("/apis/metrics.k8s.io/v1beta1/", True),
        ("/apis/metrics.k8s.io/v1beta1/nodes/n", True),
        ("/apis/metrics.k8s.io/v1beta10", False),
        ("/apis/metrics.k8s.io/v1", False),
        ("/apis/metrics.k8s.io", False),
        ("/apis/metrics.k8s.io/", False),
        ("/apis", False),
        ("/api/metrics.k8s.io/v1beta1", False),
        ("//apis/metrics.k8s.io/v1beta1", False),
        ("/healthz", False),
        ("/metrics", False),
        ("/openapi/v2", False),
    ],
)
def test_what_is_claimed(objects: ObjectStore, path: str, claimed: bool) -> None:
    objects.create(API_SERVICES, api_service())
    assert (Registry(objects).claiming(path) is not None) is claimed


def test_nothing_is_claimed_before_an_apiservice_is_there_nor_after_it_is_gone(objects: ObjectStore) -> None:
    registry = Registry(objects)
    path = "/apis/metrics.k8s.io/v1beta1"
    assert registry.claiming(path) is None
    objects.create(API_SERVICES, api_service())
    assert registry.claiming(path) is not None
    objects.delete(API_SERVICES, "", NAME)
    assert registry.claiming(path) is None


def test_an_apiservice_that_becomes_local_is_claimed_no_more(objects: ObjectStore) -> None:
    registry = Registry(objects)
    objects.create(API_SERVICES, api_service())
    objects.replace(API_SERVICES, api_service(service=None, caBundle=None))
    assert registry.claiming("/apis/metrics.k8s.io/v1beta1") is None


def test_an_object_that_cannot_be_read_is_ignored_and_said(
    objects: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(objects)
    objects.create(API_SERVICES, api_service(caBundle="***"))
    assert list(registry) == []
    assert f"APIService {NAME!r} is ignored" in caplog.text
