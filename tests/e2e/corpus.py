"""Nearly three thousand requests to a metrics server: valid, odd and broken ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

from tests.e2e.oddities import (
    ACCEPTS,
    AGENTS,
    GROUP,
    HEADERS,
    JSON,
    META,
    METHODS,
    OLD,
    OTHER_PATHS,
    PROTOBUF,
    QUERIES,
    RESOURCE_PATHS,
    YAML,
)

_AGGREGATED = f"{JSON};g=apidiscovery.k8s.io;v={{}};as=APIGroupDiscoveryList"
_TABLE = f"{JSON};as=Table;{META}"
_FIXED_PATHS = (
    OLD,
    GROUP,
    "/apis",
    "/",
    "/version",
    "/livez",
    "/readyz/ping",
    "/openapi/v2",
    "/openapi/v3",
    "/metrics",
)
_ERRORS = (
    "nodes/nope",
    "nope",
    "nodes?limit=abc",
    "nodes?watch=true",
    "nodes?timeout=x",
    "nodes?resourceVersionMatch=Exact",
    "pods/x",
)


class Probe(NamedTuple):
    """One request."""

    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]
    """An empty ``authorization`` stands for none; without one, who asks may do everything."""

    def __str__(self) -> str:
        said = "".join(f" {name}: {value!r}" for name, value in self.headers.items())
        return f"{self.method} {self.path}{said}"


class Served(NamedTuple):
    """What is known of the cluster."""

    node: str
    """The name of a node that is served."""
    namespace: str
    pod: str
    """The name of a pod of that namespace that is served."""
    stranger: str
    """The ``Authorization`` of a user who may do nothing."""
    unmeasured: tuple[str, str]
    """The paths, below the version, of a node and of a pod that exist and have no metrics."""

    @property
    def lists(self) -> tuple[str, str, str]:
        """The paths of lists."""
        return f"{OLD}/nodes", f"{OLD}/pods", f"{OLD}/namespaces/{self.namespace}/pods"

    @property
    def objects(self) -> tuple[str, str]:
        """The paths of a node and of a pod."""
        return f"{OLD}/nodes/{self.node}", f"{OLD}/namespaces/{self.namespace}/pods/{self.pod}"


def probes(served: Served) -> Iterator[Probe]:
    """Return all requests."""
    yield from _of_formats(served)
    yield from _of_parameters(served)
    for path in (*(OLD + path for path in RESOURCE_PATHS), *OTHER_PATHS):
        yield Probe("GET", path, {"accept": JSON})
    yield from _of_methods(served)
    yield from _of_headers(served)
    yield from _of_users(served)


def _of_formats(served: Served) -> Iterator[Probe]:
    resources = (*served.lists, *served.objects, f"{OLD}/nodes/nope", f"{OLD}/nope", f"{OLD}/pods?labelSelector=a=b")
    unmeasured = (OLD + path for path in served.unmeasured)
    for path, accept in product((*resources, *unmeasured, OLD, GROUP, "/apis", "/version", "/nope"), ACCEPTS):
        yield Probe("GET", path, {"accept": accept})
    for path, version in product(("/apis", "/apis/", GROUP, OLD), ("v2", "v2beta1", "v3", "")):
        for accept in (_AGGREGATED.format(version), f"{_AGGREGATED.format(version)},{JSON}"):
            yield Probe("GET", path, {"accept": accept})
    for error, accept in product(_ERRORS, (YAML, PROTOBUF, _TABLE, f"{JSON};pretty=1", "text/html")):
        yield Probe("GET", f"{OLD}/{error}", {"accept": accept})
    for include, path in product(
        ("Metadata", "Object", "None", "Foo", "", "metadata"), (*served.lists, *served.objects)
    ):
        yield Probe("GET", f"{path}?includeObject={include}", {"accept": _TABLE})


def _of_parameters(served: Served) -> Iterator[Probe]:
    for path, query in product((served.lists[0], served.lists[2], served.objects[1]), QUERIES):
        yield Probe("GET", f"{path}?{query}", {"accept": JSON})
    named = f"metadata.name={served.pod}"
    for field in (named, f"metadata.name={served.node}", f"{named},metadata.namespace={served.namespace}"):
        for path, accept in product(served.lists, (JSON, _TABLE, PROTOBUF)):
            yield Probe("GET", f"{path}?fieldSelector={field}", {"accept": accept})


def _of_methods(served: Served) -> Iterator[Probe]:
    odd = (
        f"{OLD}/nodes/nope",
        f"{OLD}/nope",
        f"{OLD}/nodes?watch=true",
        f"{OLD}/nodes?limit=abc",
        "/nope",
        f"{GROUP}/v2",
    )
    for method, path in product(METHODS, (*served.lists, *served.objects, *odd, *_FIXED_PATHS)):
        yield Probe(method, path, {"accept": JSON})


def _of_headers(served: Served) -> Iterator[Probe]:
    for agent, path in product(
        AGENTS, (*served.objects, served.lists[0], f"{OLD}/nodes/nope", OLD, "/apis", "/version")
    ):
        yield Probe("GET", path, {"accept": "*/*", "user-agent": agent})
    for (name, value), path in product(
        HEADERS, (served.lists[1], served.objects[0], OLD, "/apis", "/version", "/livez")
    ):
        yield Probe("GET", path, {"accept": JSON, name: value})


def _of_users(served: Served) -> Iterator[Probe]:
    odd = (f"{OLD}/nodes/nope", f"{OLD}/nope", f"{OLD}/nodes/a/b", f"{OLD}/nodes?watch=true", f"{OLD}/namespaces//pods")
    named = (f"{OLD}/nodes?fieldSelector=metadata.name=x", f"{OLD}/pods?fieldSelector=metadata.namespace=x", "/nope/x")
    paths = (
        *served.lists,
        *served.objects,
        *odd,
        *named,
        *_FIXED_PATHS,
        f"{OLD}/namespaces/default",
        f"{OLD}/namespaces",
    )
    for who, path in product((served.stranger, "", "Bearer nonsense", "Bearer", "Basic eDp5", "nonsense"), paths):
        yield Probe("GET", path, {"accept": JSON, "authorization": who})
    for method, path in product(METHODS, (served.lists[2], served.objects[1], "/metrics")):
        yield Probe(method, path, {"accept": JSON, "authorization": served.stranger})
    for accept in (YAML, PROTOBUF, _TABLE, "text/html"):
        yield Probe("GET", served.lists[0], {"accept": accept, "authorization": served.stranger})
        yield Probe("GET", served.lists[0], {"accept": accept, "authorization": "Bearer nonsense"})
