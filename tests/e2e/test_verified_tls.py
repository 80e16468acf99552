"""kube-apiserver verifies our certificate: switched on, rotated, undone, and what goes wrong meanwhile; under reads.

One cluster with two replicas serves all of these tests. Each begins with verified TLS and leaves it so.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from operator import ne
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
import yaml

from metrics_api.commands.verified_tls import perform
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.resources import API_SERVICES, LEASES, SECRETS, Resource
from metrics_api.localcluster.stored import JsonObject
from metrics_api.objects import ObjectName
from metrics_api.pki import Authority
from metrics_api.verifiedtls import material
from metrics_api.verifiedtls.material import Change, Lifetimes, Material
from tests.e2e.replicas import Load, Replica, Replicas, reading, until
from tests.manifests.incumbent import NAME, NAMESPACE, OBJECTS
from tests.manifests.installing import ACCOUNT, Installation, bare_cluster
from tests.manifests.rendering import HIGH_AVAILABILITY, MANIFESTS, VERIFIED_TLS, render

pytestmark = [
    pytest.mark.xdist_group("verified-tls"),
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

DAY = 86400.0

API_SERVICE = "v1beta1.metrics.k8s.io"
FLAG = f"--verified-tls={NAMESPACE}/{NAME}"
SERVING = f"{NAME}-serving"
SERVICE = ObjectName(NAMESPACE, NAME)


def spec(cluster: LocalCluster) -> dict[str, Any]:
    found = cluster.objects.get(API_SERVICES, "", API_SERVICE)
    assert found is not None
    inner: dict[str, Any] = found["spec"]
    return inner


def is_verified(cluster: LocalCluster) -> bool:
    return bool(spec(cluster).get("caBundle")) and not spec(cluster).get("insecureSkipTLSVerify")


def held(cluster: LocalCluster) -> Material | None:
    secret = cluster.objects.get(SECRETS, NAMESPACE, SERVING)
    if secret is None:
        return None
    return material.read({key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()})


def published(cluster: LocalCluster) -> frozenset[bytes]:
    return material.certificates_of(base64.b64decode(spec(cluster).get("caBundle", "")))


def holder(cluster: LocalCluster) -> str:
    lease = cluster.objects.get(LEASES, NAMESPACE, SERVING) or {}
    return str(lease.get("spec", {}).get("holderIdentity", ""))


def certificates(found: Material) -> frozenset[bytes]:
    return material.certificates_of(found.bundle)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def why_unready(replica: Replica) -> str:
    assert replica.program.verified is not None
    return replica.program.verified.readiness() or ""


class Stage(NamedTuple):
    installation: Installation
    replicas: Replicas
    load: Load

    @property
    def cluster(self) -> LocalCluster:
        return self.installation.cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A cluster in which the manifests were applied in their order, two replicas, and somebody who reads."""
    directory = tmp_path_factory.mktemp("verified-tls")
    async with bare_cluster(directory) as installation:
        await installation.kubectl("apply", "-k", MANIFESTS / "overlays" / HIGH_AVAILABILITY)
        await installation.kubectl("apply", "-k", MANIFESTS / "overlays" / VERIFIED_TLS)
        replicas = Replicas(installation.cluster, directory)
        try:
            await replicas.start("a", FLAG)
            await replicas.start("b", FLAG)
            await until(installation.cluster.availability, lambda found: found[0])
            async with reading(installation.cluster) as load:
                yield Stage(installation, replicas, load)
        finally:
            await replicas.stop_all()


def change(stage: Stage, resource: Resource, name: str, edit: Callable[[JsonObject], None]) -> None:
    """Edit an object by hand."""
    obj = stage.cluster.objects.get(resource, NAMESPACE if resource.namespaced else "", name)
    assert obj is not None
    edit(obj)
    stage.cluster.objects.replace(resource, obj)


async def verified(stage: Stage) -> Material:
    """Return what is in use once kube-apiserver verifies by it; what failed in tests before is forgotten."""
    await until(lambda: is_verified(stage.cluster), bool)
    found = held(stage.cluster)
    assert found is not None
    stage.load.failures.clear()
    return found


async def still_reads(stage: Stage) -> None:
    """Return when some more reads have been answered, all of them well."""
    goal = stage.load.asked + 10
    await until(lambda: stage.load.asked, lambda asked: asked >= goal)
    assert stage.load.failures == []


async def looked_twice(stage: Stage) -> None:
    """Return when the leader has looked again, and again after that: each time it renews the Lease."""

    def renewed() -> str:
        lease = stage.cluster.objects.get(LEASES, NAMESPACE, SERVING) or {}
        return str(lease.get("spec", {}).get("renewTime"))

    for _ in range(3):
        await until(renewed, partial(ne, renewed()))


async def command(stage: Stage, directory: Path, action: str) -> int:
    admin = write_kubeconfig(directory / "command.kubeconfig", stage.cluster.admin_kubeconfig())
    return await perform(action, str(admin))


async def test_kube_apiserver_verifies_both_replicas_and_no_read_fails_on_the_way(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await verified(stage)
    await still_reads(stage)

    assert published(stage.cluster) == material.certificates_of(found.bundle)
    assert stage.cluster.availability()[0]
    await command(stage, tmp_path, "show")
    assert f"{API_SERVICE}   {SERVICE}   yes" in capsys.readouterr().out


async def test_applying_the_overlay_again_takes_nothing_away(stage: Stage) -> None:
    before = await verified(stage)
    applied = await stage.installation.kubectl("apply", "-k", MANIFESTS / "overlays" / VERIFIED_TLS)

    assert "apiservice" not in applied
    assert held(stage.cluster) == before
    assert is_verified(stage.cluster)


async def test_the_server_uses_the_rights_of_the_overlay_and_no_others(stage: Stage) -> None:
    await verified(stage)
    await still_reads(stage)
    witness = stage.cluster.api.witness
    failed = [seen for seen in witness.requests(user=ACCOUNT) if seen.status in (401, 403)]
    roles = [obj for obj in render(VERIFIED_TLS) if obj["metadata"]["name"].endswith("metrics-server-verified-tls")]
    rules = [rule for role in roles for rule in role.get("rules", ())]
    granted = {
        (verb, f"{resource}.{rule['apiGroups'][0]}".rstrip("."))
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }

    assert not failed
    assert granted <= witness.used(ACCOUNT)
    assert all(rule.get("resourceNames") or rule["resources"] == ["endpointslices"] for rule in rules)


async def test_an_authority_near_its_end_is_replaced_by_whoever_follows_a_dead_leader(stage: Stage) -> None:
    before = await verified(stage)
    old = material.change(Change.MAKE, None, SERVICE, Lifetimes(authority=20 * DAY), stage.cluster.clock.now())
    trusted = replace(old, previous=before.signing.certificate)
    change(stage, API_SERVICES, API_SERVICE, lambda obj: obj["spec"].update(caBundle=encoded(trusted.bundle)))
    change(stage, LEASES, SERVING, lambda obj: obj["spec"].update(holderIdentity="dead"))
    data = {key: encoded(value) for key, value in material.write(trusted).items() if value is not None}
    change(stage, SECRETS, SERVING, lambda obj: obj.update(data=data))

    def is_over(found: Material | None) -> bool:
        return found is not None and found.signing != old.signing and found.next is None and found.previous is None

    after = await until(lambda: held(stage.cluster), is_over)
    assert after is not None
    await until(lambda: published(stage.cluster), lambda found: found == certificates(after))
    await still_reads(stage)
    assert holder(stage.cluster) != "dead"


async def test_a_ca_bundle_that_another_hand_broke_is_mended(stage: Stage) -> None:
    found = await verified(stage)
    stranger = Authority.create("stranger").certificate
    change(stage, API_SERVICES, API_SERVICE, lambda obj: obj["spec"].update(caBundle=encoded(stranger)))

    await until(lambda: published(stage.cluster), lambda now: now == certificates(found))
    await until(stage.cluster.availability, lambda now: now[0])
    asked = stage.load.asked
    await until(lambda: stage.load.asked, lambda now: now >= asked + 2)  # whoever asked before the end is answered
    stage.load.failures.clear()  # in between nobody could have been believed
    await still_reads(stage)


async def test_undone_by_the_command_metrics_servers_manifest_can_be_applied_and_ours_keeps_away(
    stage: Stage, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs.yaml"
    theirs.write_text(yaml.safe_dump_all(OBJECTS))
    await verified(stage)
    refused = await stage.installation.run("apply", "-f", theirs)
    assert refused.code == 1
    assert "may not be true if caBundle is present" in refused.err
    assert is_verified(stage.cluster)
    await still_reads(stage)

    assert await command(stage, tmp_path, "undo") == 0
    assert not is_verified(stage.cluster)
    await stage.installation.kubectl("apply", "-f", theirs)
    assert spec(stage.cluster)["insecureSkipTLSVerify"] is True
    await still_reads(stage)
    assert not is_verified(stage.cluster)

    await command(stage, tmp_path, "allow")
    await verified(stage)
    await still_reads(stage)


async def test_one_ready_replica_without_the_certificate_holds_it_up_for_all(stage: Stage, tmp_path: Path) -> None:
    await verified(stage)
    await command(stage, tmp_path, "undo")
    old = await stage.replicas.start("old")
    await until(lambda: old.is_ready, bool)
    await command(stage, tmp_path, "allow")
    await looked_twice(stage)
    await still_reads(stage)
    assert not is_verified(stage.cluster)

    await stage.replicas.stop(old)
    await verified(stage)
    await still_reads(stage)


async def test_the_patch_of_the_migration_page_undoes_it_with_kubectl_alone(stage: Stage, tmp_path: Path) -> None:
    patch = (
        '{"metadata":{"annotations":{"metrics-api/verified-tls":"off"}},'
        '"spec":{"insecureSkipTLSVerify":true,"caBundle":null}}'
    )
    assert patch in (MANIFESTS.parent / "docs" / "migration.md").read_text()
    await verified(stage)
    await stage.installation.kubectl("patch", "apiservice", API_SERVICE, "--type=merge", "-p", patch)
    await still_reads(stage)
    assert not is_verified(stage.cluster)

    await command(stage, tmp_path, "allow")
    await verified(stage)


async def test_a_deleted_secret_breaks_nothing_and_is_filled_again_once_it_is_back(stage: Stage) -> None:
    before = await verified(stage)
    stage.cluster.objects.delete(SECRETS, NAMESPACE, SERVING)
    late = await stage.replicas.start("late", FLAG)
    await until(lambda: why_unready(late), lambda why: "would not believe" in why)  # it has nothing to show
    await still_reads(stage)

    await stage.installation.kubectl("apply", "-k", MANIFESTS / "overlays" / VERIFIED_TLS)
    await until(lambda: why_unready(late), lambda why: not why)
    assert held(stage.cluster) == before
    await stage.replicas.stop(late)
    await still_reads(stage)
