"""Ours meets metrics-server's manifest at every name, label, selector and port."""

from __future__ import annotations

import pytest

from tests.manifests import incumbent
from tests.manifests.rendering import Object, key, keyed, pod, render, server


def test_the_release_has_exactly_metrics_servers_objects() -> None:
    assert {key(obj) for obj in render("release")} == {key(obj) for obj in incumbent.OBJECTS}


@pytest.mark.parametrize("theirs", incumbent.OBJECTS, ids=lambda obj: f"{obj['kind']} {obj['metadata']['name']}")
def test_labels_and_api_versions_are_equal(theirs: Object) -> None:
    ours = keyed(render("release"))[key(theirs)]

    assert ours["metadata"] == theirs["metadata"]
    assert ours["apiVersion"] == theirs["apiVersion"]


@pytest.mark.parametrize("kind", ["ServiceAccount", "Service", "APIService", "RoleBinding", "ClusterRoleBinding"])
def test_these_kinds_are_equal_field_for_field(kind: str) -> None:
    ours = {name: obj for name, obj in keyed(render("release")).items() if name[0] == kind}

    assert ours == {name: obj for name, obj in keyed(incumbent.OBJECTS).items() if name[0] == kind}


def test_what_users_may_read_is_equal() -> None:
    reader = ("ClusterRole", "", "system:aggregated-metrics-reader")

    assert keyed(render("release"))[reader] == keyed(incumbent.OBJECTS)[reader]


def test_the_deployment_is_metrics_servers_with_additions() -> None:
    name = ("Deployment", incumbent.NAMESPACE, incumbent.NAME)
    ours, theirs = keyed(render("release"))[name]["spec"], keyed(incumbent.OBJECTS)[name]["spec"]

    assert ours["selector"] == theirs["selector"]
    assert ours["strategy"] == theirs["strategy"]
    assert ours["template"]["metadata"] == theirs["template"]["metadata"]
    their_pod = theirs["template"]["spec"]
    added = {field: value for field, value in pod(render("release")).items() if their_pod.get(field) != value}
    assert set(added) == {"containers", "enableServiceLinks", "terminationGracePeriodSeconds"}


def test_the_container_is_metrics_servers_with_another_image_and_probes_and_one_more_argument() -> None:
    ours = server(render("release"))

    assert {field for field, value in ours.items() if incumbent.CONTAINER.get(field) != value} == {
        "args",
        "image",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
    }
    assert ours["args"] == [*incumbent.ARGUMENTS, "--shutdown-delay-duration=10s"]
