"""Authorization by roles and bindings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from metrics_api.localcluster.attributes import Attributes, attributes_of
from metrics_api.localcluster.authorities import Authorities
from metrics_api.localcluster.bootstrap import bootstrap
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.rbac import Authorizer, forbidden_message
from metrics_api.localcluster.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from metrics_api.localcluster.users import ANONYMOUS, User, service_account
from tests.fakes import FakeClock

ALICE = User("alice", groups=("dev",)).authenticated()
LIST_PODS = Attributes("list", version="v1", resource="pods")
METRICS = Attributes("list", group="metrics.k8s.io", version="v1beta1", resource="pods", namespace="shop")


@pytest.fixture
def authorizer(objects: ObjectStore, authorities: Authorities, clock: FakeClock) -> Authorizer:
    bootstrap(objects, authorities, clock)
    return Authorizer(objects)


def grant(
    objects: ObjectStore,
    rule: dict[str, Any],
    *,
    namespace: str = "",
    subjects: Sequence[dict[str, str]] = ({"kind": "User", "name": "alice"},),
) -> None:
    metadata = {"name": "granted", **({"namespace": namespace} if namespace else {})}
    kind = "Role" if namespace else "ClusterRole"
    objects.create(ROLES if namespace else CLUSTER_ROLES, {"metadata": metadata, "rules": [rule]})
    binding = {"metadata": metadata, "subjects": list(subjects), "roleRef": {"kind": kind, "name": "granted"}}
    objects.create(ROLE_BINDINGS if namespace else CLUSTER_ROLE_BINDINGS, binding)


def test_without_a_binding_nothing_is_allowed(authorizer: Authorizer) -> None:
    decision = authorizer.authorize(ALICE, LIST_PODS)

    assert not decision.allowed
    assert decision.reason == ""


def test_masters_may_do_anything(authorizer: Authorizer) -> None:
    root = User("root", groups=("system:masters",))

    assert authorizer.authorize(root, LIST_PODS).allowed
    assert authorizer.authorize(root, Attributes("get", path="/metrics")).allowed


@pytest.mark.parametrize(
    ("rule", "wanted", "allowed"),
    [
        ({"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}, LIST_PODS, True),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}, LIST_PODS, False),
        ({"verbs": ["list"], "apiGroups": ["apps"], "resources": ["pods"]}, LIST_PODS, False),
        ({"verbs": ["list"], "apiGroups": [""], "resources": ["nodes"]}, LIST_PODS, False),
        ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, LIST_PODS, True),
        ({"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}, LIST_PODS, False),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]},
            Attributes("get", resource="pods", namespace="x", name="a"),
            True,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["nodes"]},
            Attributes("get", resource="nodes", subresource="metrics", name="n"),
            False,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["nodes/metrics"]},
            Attributes("get", resource="nodes", subresource="metrics", name="n"),
            True,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["*/metrics"]},
            Attributes("get", resource="nodes", subresource="metrics", name="n"),
            True,
        ),
        ({"verbs": ["get"], "nonResourceURLs": ["/metrics"]}, Attributes("get", path="/metrics"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["/metrics"]}, Attributes("get", path="/metrics/x"), False),
        ({"verbs": ["get"], "nonResourceURLs": ["/logs/*"]}, Attributes("get", path="/logs/x/y"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["*"]}, Attributes("post", path="/logs"), False),
    ],
    ids=[
        "same verb, group and resource",
        "another verb",
        "another group",
        "another resource",
        "stars",
        "a list of a resource that is allowed by name",
        "the name that is allowed",
        "a subresource is not the resource",
        "the subresource",
        "the subresource of any resource",
        "the path",
        "a path below the path",
        "a path below a star",
        "another method",
    ],
)
def test_a_rule_covers(
    objects: ObjectStore, authorizer: Authorizer, rule: dict[str, Any], wanted: Attributes, *, allowed: bool
) -> None:
    grant(objects, rule)

    assert authorizer.authorize(ALICE, wanted).allowed is allowed


@pytest.mark.parametrize(
    ("subject", "user", "words"),
    [
        ({"kind": "User", "name": "alice"}, ALICE, 'to User "alice"'),
        ({"kind": "Group", "name": "dev"}, ALICE, 'to Group "dev"'),
        (
            {"kind": "ServiceAccount", "name": "reader", "namespace": "kube-system"},
            service_account("kube-system", "reader"),
            'to ServiceAccount "reader/kube-system"',
        ),
    ],
    ids=["user", "group", "service account"],
)
def test_the_reason_names_binding_role_and_subject(
    objects: ObjectStore, authorizer: Authorizer, subject: dict[str, str], user: User, words: str
) -> None:
    grant(objects, {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}, subjects=[subject])

    decision = authorizer.authorize(user, LIST_PODS)

    assert decision.allowed
    assert decision.reason == f'RBAC: allowed by ClusterRoleBinding "granted" of ClusterRole "granted" {words}'


def test_a_role_holds_in_its_namespace_only(objects: ObjectStore, authorizer: Authorizer) -> None:
    grant(objects, {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}, namespace="shop")

    within = authorizer.authorize(ALICE, Attributes("list", resource="pods", namespace="shop"))

    assert within.reason == 'RBAC: allowed by RoleBinding "granted/shop" of Role "granted" to User "alice"'
    assert not authorizer.authorize(ALICE, LIST_PODS).allowed
    assert not authorizer.authorize(ALICE, Attributes("list", resource="pods", namespace="other")).allowed


def test_a_change_of_a_role_holds_at_once(objects: ObjectStore, authorizer: Authorizer) -> None:
    before = authorizer.authorize(ALICE, LIST_PODS).allowed
    grant(objects, {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]})
    granted = authorizer.authorize(ALICE, LIST_PODS).allowed
    objects.delete(CLUSTER_ROLE_BINDINGS, "", "granted")
    revoked = authorizer.authorize(ALICE, LIST_PODS).allowed

    assert (before, granted, revoked) == (False, True, False)


def test_a_binding_to_a_missing_role_is_an_evaluation_error(objects: ObjectStore, authorizer: Authorizer) -> None:
    grant(objects, {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]})
    objects.delete(CLUSTER_ROLES, "", "granted")

    decision = authorizer.authorize(ALICE, LIST_PODS)

    assert not decision.allowed
    assert decision.evaluation_error == 'clusterroles.rbac.authorization.k8s.io "granted" not found'


@pytest.mark.parametrize("role", ["view", "edit", "admin"])
def test_view_edit_and_admin_gather_the_rules_of_labelled_roles(
    objects: ObjectStore, authorizer: Authorizer, role: str
) -> None:
    binding = {
        "metadata": {"name": "b"},
        "subjects": [{"kind": "User", "name": "alice"}],
        "roleRef": {"kind": "ClusterRole", "name": role},
    }
    objects.create(CLUSTER_ROLE_BINDINGS, binding)
    before = authorizer.authorize(ALICE, METRICS).allowed
    objects.create(
        CLUSTER_ROLES,
        {
            "metadata": {
                "name": "system:aggregated-metrics-reader",
                "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"},
            },
            "rules": [{"verbs": ["list"], "apiGroups": ["metrics.k8s.io"], "resources": ["pods"]}],
        },
    )

    assert not before
    assert authorizer.authorize(ALICE, METRICS).allowed
    assert authorizer.authorize(ALICE, LIST_PODS).allowed


@pytest.mark.parametrize(
    ("user", "path", "allowed"),
    [
        (ALICE, "/apis", True),
        (ALICE, "/apis/metrics.k8s.io/v1beta1", True),
        (ALICE, "/openapi/v3/apis/metrics.k8s.io/v1beta1", True),
        (ALICE, "/metrics", False),
        (ANONYMOUS, "/version", True),
        (ANONYMOUS, "/readyz", True),
        (ANONYMOUS, "/apis", False),
    ],
)
def test_discovery_is_for_the_authenticated_and_probes_for_everybody(
    authorizer: Authorizer, user: User, path: str, *, allowed: bool
) -> None:
    assert authorizer.authorize(user, Attributes("get", path=path)).allowed is allowed


def test_the_authentication_config_is_read_by_role_not_by_default(objects: ObjectStore, authorizer: Authorizer) -> None:
    name = "extension-apiserver-authentication"
    path = "/api/v1/namespaces/kube-system/configmaps"
    wanted = attributes_of("GET", path, {"fieldSelector": [f"metadata.name={name}"], "watch": ["true"]})
    reader = service_account("kube-system", "metrics-server")
    before = authorizer.authorize(reader, wanted).allowed
    objects.create(
        ROLE_BINDINGS,
        {
            "metadata": {"name": "metrics-server-auth-reader", "namespace": "kube-system"},
            "subjects": [{"kind": "ServiceAccount", "name": "metrics-server", "namespace": "kube-system"}],
            "roleRef": {"kind": "Role", "name": "extension-apiserver-authentication-reader"},
        },
    )

    assert (wanted.verb, wanted.name) == ("watch", name)
    assert not before
    assert authorizer.authorize(reader, wanted).allowed
    everything = attributes_of("GET", path, {})
    assert not authorizer.authorize(reader, everything).allowed


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            LIST_PODS,
            'pods is forbidden: User "alice" cannot list resource "pods" in API group "" at the cluster scope',
        ),
        (
            Attributes("get", group="apps", resource="deployments", namespace="shop", name="web"),
            'deployments.apps "web" is forbidden: User "alice" cannot get resource "deployments" in API group "apps" '
            'in the namespace "shop"',
        ),
        (
            Attributes("get", resource="nodes", subresource="status", name="n"),
            'nodes "n" is forbidden: User "alice" cannot get resource "nodes/status" in API group "" '
            "at the cluster scope",
        ),
        (Attributes("get", path="/metrics"), 'forbidden: User "alice" cannot get path "/metrics"'),
    ],
    ids=["list", "one in a namespace", "subresource", "path"],
)
def test_a_refusal_reads_as_in_kubernetes(wanted: Attributes, message: str) -> None:
    assert forbidden_message(ALICE, wanted) == message


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/nodes", Attributes("list", version="v1", resource="nodes")),
        ("GET", "/api/v1/nodes/n", Attributes("get", version="v1", resource="nodes", name="n")),
        ("DELETE", "/api/v1/nodes", Attributes("deletecollection", version="v1", resource="nodes")),
        (
            "PUT",
            "/api/v1/nodes/n/status",
            Attributes("update", version="v1", resource="nodes", subresource="status", name="n"),
        ),
        (
            "GET",
            "/api/v1/namespaces/shop",
            Attributes("get", version="v1", resource="namespaces", namespace="shop", name="shop"),
        ),
        (
            "POST",
            "/apis/apps/v1/namespaces/shop/deployments",
            Attributes("create", group="apps", version="v1", resource="deployments", namespace="shop"),
        ),
        ("GET", "/apis/apps/v1", Attributes("get", path="/apis/apps/v1")),
        ("GET", "/api/v1", Attributes("get", path="/api/v1")),
        ("POST", "/version", Attributes("post", path="/version")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_wants(method: str, path: str, expected: Attributes) -> None:
    assert attributes_of(method, path, {}) == expected


@pytest.mark.parametrize(
    ("value", "verb"),
    [("true", "watch"), ("1", "watch"), ("", "watch"), ("false", "list"), ("0", "list")],
)
def test_a_list_with_the_parameter_watch_is_a_watch(value: str, verb: str) -> None:
    assert attributes_of("GET", "/api/v1/pods", {"watch": [value]}).verb == verb
