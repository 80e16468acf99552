"""The manifests grant what the server asks for, and nothing more."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics_api.localcluster.users import User
from tests.e2e.serving import GROUP, serving
from tests.manifests.installing import ACCOUNT, bare_cluster
from tests.manifests.rendering import (
    COMPONENTS,
    HIGH_AVAILABILITY,
    MANIFESTS,
    RELEASE,
    VERIFIED_TLS,
    Object,
    keyed,
    render,
)

pytestmark = [pytest.mark.xdist_group("manifests"), pytest.mark.timeout(120)]

OF_KUBELETS = {("get", "nodes/stats"), ("get", "nodes/metrics")}
"""Asked by kubelets when the server comes to them; kube-apiserver does not see the requests."""
OF_CLUSTER_ROLES = {
    ("list", "configmaps"),
    ("watch", "configmaps"),
    ("create", "tokenreviews.authentication.k8s.io"),
    ("create", "subjectaccessreviews.authorization.k8s.io"),
}
"""Granted by the built-in roles that the manifest binds: extension-apiserver-authentication-reader, auth-delegator."""
UNUSED = {("get", "nodes"), ("get", "pods")}
"""In metrics-server's role, and nothing that ``list`` does not show already."""


def granted(objects: tuple[Object, ...]) -> set[tuple[str, str]]:
    """Return each (verb, resource) that the server's own role grants."""
    role = keyed(objects)["ClusterRole", "", "system:metrics-server"]
    assert all(rule["apiGroups"] == [""] for rule in role["rules"])
    return {(verb, resource) for rule in role["rules"] for verb in rule["verbs"] for resource in rule["resources"]}


async def test_the_role_grants_what_the_server_was_seen_to_use_and_nothing_more(tmp_path: Path) -> None:
    async with bare_cluster(tmp_path) as installation:
        await installation.kubectl("apply", "-f", MANIFESTS / "components.yaml")
        cluster = installation.cluster
        bob = cluster.api.tokens.issue(User("bob"))
        async with serving(cluster, tmp_path) as server:
            await server.until(lambda: server.client.get("/readyz"), lambda answer: answer.status_code == 200)
            refused = await server.client.get(f"{GROUP}/nodes", headers={"authorization": f"Bearer {bob}"})
        used = cluster.api.witness.used(ACCOUNT)
        failed = [seen for seen in cluster.api.witness.requests(user=ACCOUNT) if seen.status >= 400]

    assert refused.status_code == 403
    assert not failed
    assert granted(render(RELEASE)) == (used - OF_CLUSTER_ROLES) | OF_KUBELETS | UNUSED
    assert used >= OF_CLUSTER_ROLES


@pytest.mark.parametrize("overlay", [HIGH_AVAILABILITY, VERIFIED_TLS])
def test_no_role_has_a_wildcard_or_reaches_into_pods(overlay: str) -> None:
    roles = [obj for obj in render(overlay, COMPONENTS) if obj["kind"] in ("Role", "ClusterRole")]
    rules = [rule for role in roles for rule in role["rules"]]

    assert roles
    for rule in rules:
        everything = [*rule["verbs"], *rule.get("apiGroups", ()), *rule.get("resources", ())]
        assert "*" not in "".join(everything)
        assert not {"nodes/proxy", "pods/exec"} & set(rule.get("resources", ()))


def test_what_is_written_is_named_and_nothing_is_created_or_deleted() -> None:
    roles = [obj for obj in render(VERIFIED_TLS) if obj["kind"] in ("Role", "ClusterRole")]
    rules = [rule for role in roles for rule in role["rules"]]
    written = [rule for rule in rules if not set(rule["verbs"]) <= {"get", "list", "watch"}]

    assert {(rule["resources"][0], *rule["resourceNames"]) for rule in written} == {
        ("secrets", "metrics-server-serving"),
        ("leases", "metrics-server-serving"),
        ("apiservices", "v1beta1.metrics.k8s.io", "v1.metrics.k8s.io"),
    }
    assert all(set(rule["verbs"]) == {"get", "patch"} for rule in written)
    assert all(rule in written for rule in rules if "secrets" in rule["resources"])


@pytest.mark.parametrize("overlay", [HIGH_AVAILABILITY, VERIFIED_TLS])
def test_only_the_service_account_and_only_known_roles_are_bound(overlay: str) -> None:
    objects = render(overlay, COMPONENTS)
    bindings = [obj for obj in objects if obj["kind"] in ("RoleBinding", "ClusterRoleBinding")]
    own = {obj["metadata"]["name"] for obj in objects if obj["kind"] in ("Role", "ClusterRole")}

    assert {binding["roleRef"]["name"] for binding in bindings} - own == {
        "system:auth-delegator",
        "extension-apiserver-authentication-reader",
    }
    for binding in bindings:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "metrics-server", "namespace": "kube-system"}]
