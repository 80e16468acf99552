"""The rendered manifests are what the overlays say."""

from __future__ import annotations

import itertools
import re

import pytest

from tests.manifests.rendering import (
    COMPONENTS,
    HIGH_AVAILABILITY,
    MANIFESTS,
    OVERLAYS,
    RELEASE,
    key,
    load,
    render,
    server,
)

SETS = [chosen for count in range(len(COMPONENTS) + 1) for chosen in itertools.combinations(COMPONENTS, count)]


@pytest.mark.parametrize(("file", "overlay"), [("components", RELEASE), ("high-availability", HIGH_AVAILABILITY)])
def test_the_file_checked_in_is_the_overlay_rendered(file: str, overlay: str) -> None:
    assert load(MANIFESTS / f"{file}.yaml") == list(render(overlay)), "run `make manifests`"


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("components", [COMPONENTS, *SETS[:4]], ids="+".join)
def test_components_go_with_every_overlay_and_name_nothing_twice(overlay: str, components: tuple[str, ...]) -> None:
    objects = render(overlay, components)

    assert len({key(obj) for obj in objects}) == len(objects)
    assert all(obj["metadata"]["labels"]["k8s-app"] == "metrics-server" for obj in objects)


def test_the_overlay_for_clusters_to_try_things_out_differs_by_one_argument() -> None:
    args = server(render("insecure-kubelets"))["args"]

    assert args == [*server(render(RELEASE))["args"], "--kubelet-insecure-tls"]


def test_v1_is_registered_only_when_asked_for_and_before_v1beta1() -> None:
    assert "v1.metrics.k8s.io" not in {obj["metadata"]["name"] for obj in render(HIGH_AVAILABILITY)}

    versions = {
        obj["spec"]["version"]: obj["spec"]
        for obj in render(RELEASE, ("apiservice-v1",))
        if obj["kind"] == "APIService"
    }
    assert {version: spec.pop("versionPriority") for version, spec in versions.items()} == {"v1": 200, "v1beta1": 100}
    assert {**versions["v1"], "version": ""} == {**versions["v1beta1"], "version": ""}


def test_autoscaling_leaves_the_servers_resources_to_the_sidecar() -> None:
    objects = render(RELEASE, ("autoscale",))

    (sidecar,) = [
        container
        for obj in objects
        if obj["kind"] == "Deployment"
        for container in obj["spec"]["template"]["spec"]["containers"]
        if container["name"] != "metrics-server"
    ]
    assert "resources" not in server(objects)
    assert {"--deployment=metrics-server", "--container=metrics-server"} <= set(sidecar["command"])


@pytest.mark.parametrize("page", ["install", "migration"])
def test_what_the_documentation_names_is_there(page: str) -> None:
    text = (MANIFESTS.parent / "docs" / f"{page}.md").read_text()
    named = set(re.findall(r"(?<!tests/)manifests/[a-z/-]+(?:\.yaml)?", text))

    assert named
    assert all((MANIFESTS.parent / name).exists() for name in named)
    assert all(overlay in text for overlay in OVERLAYS) or page == "migration"
