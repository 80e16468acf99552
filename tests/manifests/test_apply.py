"""The manifests in a cluster: applied, served from, applied over metrics-server's and back."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml

from metrics_api.localcluster.resources import API_SERVICES, DEPLOYMENTS
from metrics_api.localcluster.stored import JsonObject
from tests.e2e.serving import GROUP, serving
from tests.manifests import incumbent
from tests.manifests.installing import Installation, bare_cluster
from tests.manifests.rendering import (
    COMPONENTS,
    HIGH_AVAILABILITY,
    MANIFESTS,
    OVERLAYS,
    RELEASE,
    VERIFIED_TLS,
    customize,
    keyed,
    render,
)

pytestmark = [pytest.mark.xdist_group("manifests"), pytest.mark.timeout(120)]


PAGE = MANIFESTS.parent / "docs" / "migration.md"
THEIRS = keyed(incumbent.OBJECTS).keys()


def cleaning() -> list[list[str]]:
    """Return what the page deletes when ours is no longer wanted: kubectl's arguments."""
    step = PAGE.read_text().partition("4. Delete what only ours had.")[2].partition("\n5. ")[0]
    return [shlex.split(line)[1:] for line in step.splitlines() if line.startswith("   kubectl ")]


def deployed(installation: Installation) -> JsonObject:
    found = installation.cluster.objects.get(DEPLOYMENTS, incumbent.NAMESPACE, incumbent.NAME)
    assert found is not None
    spec: JsonObject = found["spec"]
    return spec


@pytest.mark.parametrize("overlay", OVERLAYS)
async def test_the_server_would_take_every_overlay_with_all_components(tmp_path: Path, overlay: str) -> None:
    (tmp_path / "mine").mkdir()
    folder = customize(tmp_path / "mine", overlay, COMPONENTS)
    async with bare_cluster(tmp_path) as installation:
        out = await installation.kubectl("apply", "--dry-run=server", "-k", folder)

        assert len(out.splitlines()) == len(render(overlay, COMPONENTS))
        assert all(line.endswith(" created (server dry run)") for line in out.splitlines())
        assert installation.cluster.objects.get(DEPLOYMENTS, incumbent.NAMESPACE, incumbent.NAME) is None


async def test_applied_and_started_it_serves_with_the_manifests_rights_alone(tmp_path: Path) -> None:
    async with bare_cluster(tmp_path) as installation:
        await installation.kubectl("apply", "-k", MANIFESTS / "overlays" / RELEASE)
        cluster = installation.cluster
        async with serving(cluster, tmp_path) as server:
            installation.connect(server.port)
            await server.until(lambda: server.client.get("/readyz"), lambda answer: answer.status_code == 200)

            async def top() -> str:
                return (await installation.run("top", "nodes", "--no-headers")).out

            (row,) = (await server.until(top, bool)).splitlines()
            rows = await installation.kubectl("get", "--raw", f"{GROUP}/pods")
            is_available, why = cluster.availability()  # before the server stops, which is noticed at once

        assert row.split()[0] in cluster.fleet.node_names
        assert json.loads(rows)["items"]
        assert is_available, why


async def test_applied_over_metrics_server_and_back_nothing_of_ours_is_left(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.yaml"
    theirs.write_text(yaml.safe_dump_all(incumbent.OBJECTS))
    async with bare_cluster(tmp_path) as installation:
        await installation.kubectl("apply", "-f", theirs)
        before = deployed(installation)

        over = await installation.kubectl("apply", "-f", MANIFESTS / "components.yaml")
        ours = deployed(installation)
        back = await installation.kubectl("apply", "-f", theirs)

        assert ours["template"]["spec"]["enableServiceLinks"] is False
        assert not [line for line in over.splitlines() if line.endswith(" created")]
        assert not [line for line in back.splitlines() if line.endswith(" created")]
        assert deployed(installation) == before


async def test_the_migration_pages_steps_lead_there_and_back(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.yaml"
    theirs.write_text(yaml.safe_dump_all(incumbent.OBJECTS))
    (tmp_path / "mine").mkdir()
    mine = customize(tmp_path / "mine", HIGH_AVAILABILITY, ["apiservice-v1", "network-policy"])
    async with bare_cluster(tmp_path) as installation:
        await installation.kubectl("apply", "-f", theirs)
        before = deployed(installation)
        owner = "jsonpath={.spec.service.namespace}/{.spec.service.name}"
        assert await installation.kubectl("get", "apiservice", "v1beta1.metrics.k8s.io", "-o", owner) == (
            "kube-system/metrics-server"
        )
        difference = await installation.run("diff", "-k", mine)
        assert difference.code == 1, difference.err  # kubectl diff: 1 is a difference, more is a failure
        assert "+        - --shutdown-delay-duration=10s" in difference.out
        await installation.kubectl("apply", "-k", mine)
        await installation.kubectl("apply", "-k", MANIFESTS / "overlays" / VERIFIED_TLS)

        await installation.kubectl("delete", "apiservice", "v1.metrics.k8s.io")
        await installation.kubectl("apply", "-f", theirs)
        for command in cleaning():
            await installation.kubectl(*command)

        assert installation.cluster.objects.get(API_SERVICES, "", "v1.metrics.k8s.io") is None
        assert deployed(installation) == before
        for kind, namespace, name in keyed(render(VERIFIED_TLS, ("apiservice-v1", "network-policy"))).keys() - THEIRS:
            place = ("-n", namespace) if namespace else ()
            found = await installation.run("get", kind, name, *place)
            assert "not found" in found.err, found.out


async def test_deleting_the_manifest_leaves_nothing_behind(tmp_path: Path) -> None:
    async with bare_cluster(tmp_path) as installation:
        await installation.kubectl("apply", "-f", MANIFESTS / "high-availability.yaml")
        deleted = await installation.kubectl("delete", "-f", MANIFESTS / "high-availability.yaml")

        assert len(deleted.splitlines()) == len(render(HIGH_AVAILABILITY))
        assert installation.cluster.objects.get(API_SERVICES, "", "v1beta1.metrics.k8s.io") is None
