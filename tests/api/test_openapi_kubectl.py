"""What people see who ask kubectl: version 3 behind an aggregation layer, version 2 (protobuf) there and of us."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
import yaml

from metrics_api.localcluster.cluster import LocalCluster
from tests.api.tls_server import serving
from tests.api.views import make_api
from tests.e2e.programs import KUBECTLS, Finished, found_kubectl, run
from tests.fakes import FakeClock, settle

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("openapi")]

_FIRST_WITH_V3 = 29
"""The minor version of the first kubectl that explains from version 3 unless told otherwise."""
_FIRST_WITH_CHOICE = 27
"""That of the first which can be told."""
_OPENAPI_DELAY = 1.0
"""Seconds until an aggregation layer looks for version 3 of a new APIService."""


class Kubeconfigs(NamedTuple):
    """Each in a folder of its own, which is kubectl's home: it keeps discovery and OpenAPI there for hours."""

    aggregated: Path
    direct: Path


class Kubectl(NamedTuple):
    """A kubectl and its minor version."""

    program: str
    minor: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kubeconfigs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kubeconfigs]:
    """Run a cluster and our API behind its aggregation layer."""
    clock = FakeClock()
    folder = tmp_path_factory.mktemp("openapi")
    cluster = LocalCluster(nodes=1, pods_per_node=1, clock=clock)
    # The cluster ends first, for a server that ends waits for the connections of its clients.
    async with serving(make_api(), cluster.serving_pair(), folder) as port, cluster:
        await settle()  # until the aggregation layer looks
        cluster.register_extension(port)
        await cluster.aggregator.idle()
        await clock.advance(_OPENAPI_DELAY)
        await cluster.aggregator.idle()
        aggregated = yaml.safe_load(cluster.admin_kubeconfig())
        direct = yaml.safe_load(cluster.admin_kubeconfig())
        direct["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        yield Kubeconfigs(_write(folder / "aggregated", aggregated), _write(folder / "direct", direct))


def _write(home: Path, document: object) -> Path:
    home.mkdir()
    path = home / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest_asyncio.fixture(params=KUBECTLS, scope="module", loop_scope="module")
async def kubectl(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """Return each of the kubectls that can be had."""
    program = found_kubectl(request.param)
    nowhere = tmp_path_factory.mktemp("home") / "kubeconfig"
    version = json.loads((await run(program, "version", "--client", "-o", "json", kubeconfig=nowhere)).out)
    found = re.match(r"\d+", version["clientVersion"]["minor"])
    return Kubectl(program, int(found[0]) if found else 0)


@pytest.fixture
def kubectl_with_v3(kubectl: Kubectl) -> str:
    if kubectl.minor < _FIRST_WITH_V3:
        pytest.skip(f"kubectl 1.{kubectl.minor} explains from version 2 of OpenAPI")
    return kubectl.program


def _words(finished: Finished) -> str:
    """Return the output with every run of blanks as one, for kubectl breaks lines."""
    assert finished.code == 0, finished.err
    return " ".join(finished.out.split())


@pytest.mark.parametrize(("arguments", "version"), [([], "v1"), (["--api-version=metrics.k8s.io/v1beta1"], "v1beta1")])
async def test_explain_tells_of_a_kind_behind_the_aggregation_layer(
    kubeconfigs: Kubeconfigs, kubectl_with_v3: str, arguments: list[str], version: str
) -> None:
    words = _words(await run(kubectl_with_v3, "explain", "nodemetrics", *arguments, kubeconfig=kubeconfigs.aggregated))

    assert (
        f"GROUP: metrics.k8s.io KIND: NodeMetrics VERSION: {version} DESCRIPTION: NodeMetrics is what a node" in words
    )
    assert "usage <map[string]string> -required- What the node uses" in words
    assert "window <string> -required- The span of time before the timestamp" in words


async def test_explain_tells_of_a_field_behind_the_aggregation_layer(
    kubeconfigs: Kubeconfigs, kubectl_with_v3: str
) -> None:
    field = "podmetrics.containers.usage"
    words = _words(await run(kubectl_with_v3, "explain", field, "--recursive", kubeconfig=kubeconfigs.aggregated))

    assert "FIELD: usage <map[string]string> DESCRIPTION: What the container uses, by resource name." in words


async def test_explain_tells_all_fields_behind_the_aggregation_layer(
    kubeconfigs: Kubeconfigs, kubectl_with_v3: str
) -> None:
    words = _words(
        await run(kubectl_with_v3, "explain", "podmetrics", "--recursive", kubeconfig=kubeconfigs.aggregated)
    )

    assert words.partition("FIELDS: ")[2] == (
        "apiVersion <string> containers <[]ContainerMetrics> -required- name <string> -required- "
        "usage <map[string]string> -required- kind <string> metadata <Object> creationTimestamp <string> "
        "labels <map[string]string> name <string> namespace <string> resourceVersion <string> "
        "timestamp <string> -required- window <string> -required-"
    )


async def test_the_aggregation_layer_merges_version_2_and_renames_nothing(
    kubeconfigs: Kubeconfigs, kubectl: Kubectl
) -> None:
    finished = await run(kubectl.program, "get", "--raw", "/openapi/v2", kubeconfig=kubeconfigs.aggregated)
    kinds = ("NodeMetrics", "NodeMetricsList", "PodMetrics", "PodMetricsList", "ContainerMetrics")

    assert set(json.loads(finished.out)["definitions"]) == {
        f"io.k8s.metrics.pkg.apis.metrics.{version}.{kind}" for version in ("v1", "v1beta1") for kind in kinds
    }


async def _explain_v2(kubectl: Kubectl, kubeconfig: Path, *arguments: str) -> str:
    form = ["--output", "plaintext-openapiv2"] if kubectl.minor >= _FIRST_WITH_CHOICE else []
    return _words(await run(kubectl.program, "explain", *arguments, *form, kubeconfig=kubeconfig))


@pytest.mark.parametrize("where", Kubeconfigs._fields)
async def test_explain_reads_our_protobuf(kubeconfigs: Kubeconfigs, kubectl: Kubectl, where: str) -> None:
    kubeconfig: Path = getattr(kubeconfigs, where)
    words = await _explain_v2(kubectl, kubeconfig, "nodemetrics", "--api-version=metrics.k8s.io/v1beta1")

    assert "KIND: NodeMetrics VERSION: metrics.k8s.io/v1beta1 DESCRIPTION: NodeMetrics is what a node uses" in words
    assert "usage <map[string]string> -required- What the node uses, by resource name." in words


@pytest.mark.parametrize("where", Kubeconfigs._fields)
async def test_explain_reads_fields_of_fields_from_our_protobuf(
    kubeconfigs: Kubeconfigs, kubectl: Kubectl, where: str
) -> None:
    words = await _explain_v2(kubectl, getattr(kubeconfigs, where), "podmetrics.metadata.labels")

    assert "KIND: PodMetrics VERSION: metrics.k8s.io/v1" in words
    assert "FIELD: labels <map[string]string> DESCRIPTION: The labels of the Pod," in words


_GOOD = {
    "apiVersion": "metrics.k8s.io/v1",
    "kind": "NodeMetrics",
    "metadata": {"name": "n1", "labels": {"a": "b"}},
    "timestamp": "2026-01-01T00:00:00Z",
    "window": "15s",
    "usage": {"cpu": "1n", "memory": "1Ki"},
}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, ""),
        ({"nope": 1}, 'unknown field "nope" in io.k8s.metrics.pkg.apis.metrics.v1.NodeMetrics'),
        ({"metadata": {"name": "n1", "nope": 1}}, 'unknown field "nope" in'),
        ({"usage": "1n"}, 'got "string", expected "map"'),
        ({"window": None}, 'missing required field "window" in io.k8s.metrics.pkg.apis.metrics.v1.NodeMetrics'),
    ],
    ids=["good", "unknown-field", "unknown-field-of-metadata", "wrong-type", "missing-field"],
)
async def test_kubectl_validates_an_object_by_our_protobuf(
    kubeconfigs: Kubeconfigs, kubectl: Kubectl, tmp_path: Path, change: dict[str, object], fault: str
) -> None:
    document = {name: value for name, value in (_GOOD | change).items() if value is not None}
    (tmp_path / "object.yaml").write_text(yaml.safe_dump(document))
    command = ["create", "--dry-run=client", "--validate=true", "-f", str(tmp_path / "object.yaml")]
    finished = await run(kubectl.program, *command, kubeconfig=kubeconfigs.direct)

    assert (finished.code == 0) == (not fault), finished.err
    assert fault in finished.err
