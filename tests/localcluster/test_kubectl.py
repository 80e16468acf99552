"""The real kubectl against the stand-in."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from metrics_api.localcluster.apiserver import ApiServer
from metrics_api.localcluster.kubeconfig import admin_kubeconfig, write_kubeconfig
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.resources import API_SERVICES, CONFIG_MAPS, NAMESPACES, NODES, PODS
from tests.e2e.programs import KUBECTLS, found_kubectl
from tests.localcluster.conftest import Connect

MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {namespace: kube-system, name: metrics-server}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: app}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: app, image: app}, {name: side, image: side}]}
"""


class Kubectl:
    """Runs a kubectl as the administrator."""

    def __init__(self, program: str, server: ApiServer, directory: Path) -> None:
        self._program = program
        self._config = write_kubeconfig(directory / "kubeconfig", admin_kubeconfig(server))
        self._cache = directory / "cache"

    async def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Return what it printed; it must succeed."""
        code, output, errors = await self.run(*arguments, stdin=stdin)
        assert code == 0, errors
        return output

    async def run(self, *arguments: str, stdin: str = "") -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            self._program,
            f"--kubeconfig={self._config}",
            f"--cache-dir={self._cache}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(self._cache)},
        )
        output, errors = await process.communicate(stdin.encode())
        return process.returncode, output.decode(), errors.decode()


@pytest.fixture(params=KUBECTLS)
def kubectl(request: pytest.FixtureRequest, server: ApiServer, tmp_path: Path) -> Kubectl:
    return Kubectl(found_kubectl(request.param), server, tmp_path)


async def test_get_prints_the_servers_columns(kubectl: Kubectl, objects: ObjectStore) -> None:
    objects.create(
        NODES,
        {
            "metadata": {"name": "n1"},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "nodeInfo": {"kubeletVersion": "v1.36.0"},
            },
        },
    )

    lines = (await kubectl("get", "nodes")).splitlines()

    assert lines[0].split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert lines[1].split() == ["n1", "Ready", "<none>", "0s", "v1.36.0"]


async def test_apply_creates_changes_and_leaves_alone(kubectl: Kubectl, objects: ObjectStore) -> None:
    created = await kubectl("apply", "-f", "-", stdin=MANIFEST)
    unchanged = await kubectl("apply", "-f", "-", stdin=MANIFEST)
    version = objects.version
    changed = await kubectl("apply", "-f", "-", stdin=MANIFEST.replace("image: side", "image: new"))
    await kubectl("apply", "--server-side", "-f", "-", stdin=MANIFEST.replace("image: side", "image: newer"))

    assert created.count("created") == 4
    assert unchanged.count("unchanged") == 4
    assert changed.count("configured") == 1
    assert objects.version > version
    pod = objects.get(PODS, "shop", "web")
    assert pod is not None
    assert [(one["name"], one["image"]) for one in pod["spec"]["containers"]] == [("app", "app"), ("side", "newer")]
    service = objects.get(API_SERVICES, "", "v1beta1.metrics.k8s.io")
    assert service is not None
    assert service["spec"]["service"]["port"] == 443


async def test_delete_waits_until_it_is_gone(kubectl: Kubectl, objects: ObjectStore) -> None:
    await kubectl("apply", "-f", "-", stdin=MANIFEST)

    # The namespace goes first and takes the rest with it.
    await kubectl("delete", "-f", "-", "--ignore-not-found", "--timeout=20s", stdin=MANIFEST)

    assert not objects.stored(PODS)
    assert objects.find(NAMESPACES, "", "shop") is None
    assert objects.find(API_SERVICES, "", "v1beta1.metrics.k8s.io") is None


async def test_create_sends_protobuf_that_is_understood(kubectl: Kubectl, objects: ObjectStore) -> None:
    await kubectl("create", "namespace", "shop")
    await kubectl("create", "configmap", "one", "--from-literal=a=1", "-n", "shop")
    await kubectl("create", "secret", "generic", "hidden", "--from-literal=a=1", "-n", "shop")
    await kubectl("create", "serviceaccount", "robot", "-n", "shop")
    await kubectl("create", "clusterrole", "reader", "--verb=get,list", "--resource=pods")
    await kubectl("create", "clusterrolebinding", "bobs", "--clusterrole=reader", "--user=bob")

    config_map = objects.get(CONFIG_MAPS, "shop", "one")
    assert config_map is not None
    assert config_map["data"] == {"a": "1"}
    assert (await kubectl("auth", "can-i", "list", "pods", "--as=bob")).strip() == "yes"
    code, output, _ = await kubectl.run("auth", "can-i", "delete", "pods", "--as=bob")
    assert (code, output.strip()) == (1, "no")


async def test_patches_of_every_kind_are_applied(kubectl: Kubectl, objects: ObjectStore) -> None:
    await kubectl("apply", "-f", "-", stdin=MANIFEST)
    where = ("pod", "web", "-n", "shop")
    await kubectl("patch", *where, "--type=json", "-p", '[{"op":"add","path":"/metadata/labels","value":{"a":"1"}}]')
    await kubectl("patch", *where, "--type=merge", "-p", '{"metadata":{"labels":{"b":"2"}}}')
    strategic = '{"spec":{"containers":[{"name":"side","image":"new"}]}}'
    await kubectl("patch", *where, "--type=strategic", "-p", strategic)
    await kubectl("label", *where, "c=3")

    pod = objects.get(PODS, "shop", "web")
    assert pod is not None
    assert pod["metadata"]["labels"] == {"a": "1", "b": "2", "c": "3"}
    assert [one["image"] for one in pod["spec"]["containers"]] == ["app", "new"]


async def test_api_resources_lists_what_is_served(kubectl: Kubectl) -> None:
    rows = [line.split() for line in (await kubectl("api-resources", "--no-headers")).splitlines()]

    assert ["nodes", "no", "v1", "false", "Node"] in rows
    assert ["apiservices", "apiregistration.k8s.io/v1", "false", "APIService"] in rows
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in rows


async def test_whoami_names_the_user(kubectl: Kubectl) -> None:
    if "whoami" not in await kubectl("auth", "--help"):
        pytest.skip("this kubectl has no `auth whoami`: it came with 1.27")
    assert "kubernetes-admin" in await kubectl("auth", "whoami")


async def test_create_token_prints_one_that_is_accepted(kubectl: Kubectl, connect: Connect) -> None:
    await kubectl("create", "serviceaccount", "robot")
    if "token" not in await kubectl("create", "--help"):
        pytest.skip("this kubectl has no `create token`: it came with 1.24")
    token = (await kubectl("create", "token", "robot", "--duration=20m")).strip()
    elsewhere = (await kubectl("create", "token", "robot", "--audience=vault")).strip()
    short = await kubectl.run("create", "token", "robot", "--duration=1m")
    absent = await kubectl.run("create", "token", "nobody")

    assert (await connect(token=token).get("/healthz")).status_code == 200
    assert (await connect(token=elsewhere).get("/healthz")).status_code == 401
    assert "may not specify a duration less than 10 minutes" in short[2]
    assert absent[2].strip().endswith('serviceaccounts "nobody" not found')


async def test_what_is_not_there_is_said_in_kubectls_words(kubectl: Kubectl) -> None:
    missing = await kubectl.run("get", "pod", "nope")
    forbidden = await kubectl.run("get", "pods", "--as=bob")
    dry = await kubectl("apply", "-f", "-", "--dry-run=server", stdin=MANIFEST.split("---")[1])

    assert missing[2].strip() == 'Error from server (NotFound): pods "nope" not found'
    assert forbidden[2].startswith('Error from server (Forbidden): pods is forbidden: User "bob" cannot list')
    assert "created (server dry run)" in dry
