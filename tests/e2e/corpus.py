"""Some hundred requests to a metrics server: valid, odd and broken ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

GROUP = "/apis/metrics.k8s.io"
OLD = f"{GROUP}/v1beta1"
_PB = "application/vnd.kubernetes.protobuf"
_JSON, _YAML = "application/json", "application/yaml"
_META = "v=v1;g=meta.k8s.io"

_ACCEPTS = (
    "",
    "*/*",
    "application/*",
    "text/html",
    "text/html,*/*;q=0.1",
    _JSON,
    f"{_JSON};pretty=1",
    f"{_JSON};stream=watch",
    f"{_YAML};q=0.9,{_JSON};q=0.2",
    f"{_YAML};stream=watch",
    _PB,
    f"{_PB}, */*",
    f"{_PB};stream=watch",
    f"{_JSON};as=Table;{_META}",
    f"{_JSON};as=Table;v=v1beta1;g=meta.k8s.io",
    f"{_JSON};as=Table;v=v2;g=meta.k8s.io",
    f"{_JSON};as=Table;g=meta.k8s.io,{_JSON}",
    f"{_YAML};as=Table;{_META}",
    f"{_PB};as=Table;{_META}",
    f"{_JSON};as=PartialObjectMetadata;{_META}",
    f"{_JSON};as=PartialObjectMetadataList;{_META}",
    f"{_PB};as=PartialObjectMetadataList;{_META}",
    "application/cbor",
    "application/cbor,application/json;q=0.5",
    ",;=,",
    "application/json;q=nonsense",
)
_QUERIES = (
    *("limit=500", "limit=1", "limit=0", "limit=-1", "limit=", "limit=abc", "limit=9223372036854775808"),
    *("continue=abc", "continue=", "limit=1&continue=%00", "resourceVersion=0", "resourceVersion=abc"),
    *("resourceVersion=1&resourceVersionMatch=Exact", "resourceVersion=0&resourceVersionMatch=Exact"),
    *("resourceVersionMatch=Exact", "resourceVersionMatch=Nonsense&resourceVersion=1", "resourceVersionMatch="),
    *("sendInitialEvents=true", "sendInitialEvents=false", "allowWatchBookmarks=true", "allowWatchBookmarks=maybe"),
    *("watch=true", "watch=1", "watch=false", "watch=0", "watch", "watch=&limit=x", "watch=nonsense"),
    *("timeout=1s", "timeout=abc", "timeout=-1s", "timeout=", "timeoutSeconds=1", "timeoutSeconds=abc"),
    *("labelSelector=", "labelSelector=a", "labelSelector=a=b", "labelSelector=a%3D%3Db,c!=d", "labelSelector=!a"),
    *("labelSelector=a+in+(b,c)", "labelSelector=a+notin+()", "labelSelector=a>1", "labelSelector=a>b"),
    *("labelSelector=,", "labelSelector=a,", "labelSelector=a=b=c", "labelSelector=(", "labelSelector=%FF"),
    *("labelSelector=a%00", "labelSelector=-a", f"labelSelector={'a' * 64}", "labelSelector=a/b/c", "labelSelector=é"),
    *("fieldSelector=", "fieldSelector=metadata.name=x", "fieldSelector=metadata.name!=x", "fieldSelector=foo"),
    *("fieldSelector=metadata.namespace=default", "fieldSelector=spec.nodeName=x", "fieldSelector=a=b,c"),
    *(
        "fieldSelector=metadata.name%3D%3Dx",
        r"fieldSelector=metadata.name=a\,b",
        r"fieldSelector=a=\x",
        "fieldSelector==",
    ),
    *("pretty", "pretty=1", "pretty=true", "pretty=false", "pretty=nonsense", "whatever=x", "&&", "=", "%", "%zz", ";"),
    *("includeObject=Foo", "export=true", "exact=true", "dryRun=All", "fieldManager=x", "limit=1&limit=x"),
)
_ODD_PATHS = (
    *("/nodes/nope", "/nodes/", "/nodes//", "/nodes/x/status", "/nodes/x/y/z", "/nodes/%2F", "/nodes/%00", "/nodes/é"),
    *("/nodes/%FF", "/nodes/..", "/nodes/x%20y", f"/nodes/{'x' * 300}", "/Nodes", "/nodemetrics", "/nope", "//nodes"),
    *("/pods/x", "/namespaces", "/namespaces/", "/namespaces/default", "/namespaces/default/nodes"),
    *("/namespaces/nowhere/pods", "/namespaces/nowhere/pods/nope", "/namespaces/default/pods/nope/log"),
    *("/namespaces//pods", "/namespaces/a%2Fb/pods", "/watch/nodes", "/watch/pods", "/proxy/nodes", "/", ""),
)
_OTHER_PATHS = (
    *("/", "/api", "/api/v1", "/apis", "/apis/", GROUP, f"{GROUP}/", f"{GROUP}/v1", f"{GROUP}/v2", f"{GROUP}x"),
    *("/apis/apps/v1", "/version", "/version/", "/healthz", "/livez", "/readyz", "/livez/ping", "/readyz/ping"),
    *("/readyz?verbose", "/livez?verbose=1", "/livez?exclude=ping", "/livez?exclude=nope&verbose", "/readyz/nope"),
    *("/openapi/v2", "/openapi/v3", f"/openapi/v3{OLD}", "/openapi/v3/nope", "/openapi.json", "/docs", "/redoc"),
    *("/metrics", "/swagger.json", "/favicon.ico", "/debug/pprof/", "/debug/flags/v", "/statusz", "/flagz", "/nope"),
    *("/..%2f..%2fetc/passwd", "/%00", "/%ff", "//", "/apis//metrics.k8s.io"),
)
_METHODS = ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "NONSENSE")
_METHOD_PATHS = (f"{OLD}/nodes", f"{OLD}/nodes/nope", f"{OLD}/pods", f"{OLD}/nope", OLD, "/apis", "/version", "/livez")
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
_AGENTS = ("curl/8.0", "Wget/1.21", "Mozilla/5.0 (X11)", "curl", "kubectl/v1.36.0", "")


class Probe(NamedTuple):
    """One request."""

    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]

    def __str__(self) -> str:
        said = "".join(f" {name}: {value!r}" for name, value in self.headers.items())
        return f"{self.method} {self.path}{said}"


def probes(node: str, pod: str) -> Iterator[Probe]:
    """Return all requests.

    Args:
        node: The name of a node that is served.
        pod: The namespace and name of a served pod, as ``namespace/name``.
    """
    namespace, name = pod.split("/")
    one_pod = f"{OLD}/namespaces/{namespace}/pods/{name}"
    one_node, lists = f"{OLD}/nodes/{node}", (f"{OLD}/nodes", f"{OLD}/pods", f"{OLD}/namespaces/{namespace}/pods")
    for path, accept in product((*lists, one_node, one_pod, f"{OLD}/nodes/nope", f"{OLD}/nope"), _ACCEPTS):
        yield Probe("GET", path, {"accept": accept})
    for path, query in product((f"{OLD}/nodes", lists[2], one_pod), _QUERIES):
        yield Probe("GET", f"{path}?{query}", {"accept": _JSON})
    for path in (*(OLD + path for path in _ODD_PATHS), *_OTHER_PATHS):
        yield Probe("GET", path, {"accept": _JSON})
    for path, accept in product(("/apis", GROUP, OLD), (*_ACCEPTS, *map(_AGGREGATED.format, ("v2", "v2beta1", "v3")))):
        yield Probe("GET", path, {"accept": accept})
    for method, path in product(_METHODS, _METHOD_PATHS):
        yield Probe(method, path, {"accept": _JSON})
    for agent, path in product(_AGENTS, (one_node, lists[0], f"{OLD}/nodes/nope")):
        yield Probe("GET", path, {"accept": "*/*", "user-agent": agent})
    for encoding in ("gzip", "gzip;q=0", "br", "*", "deflate, gzip;q=0.5"):
        yield Probe("GET", lists[1], {"accept": _JSON, "accept-encoding": encoding})
    for include in ("Metadata", "Object", "None", "Foo", ""):
        yield Probe("GET", f"{lists[2]}?includeObject={include}", {"accept": f"{_JSON};as=Table;{_META}"})
    for audit_id in ("abc", "x" * 65, "two words", ""):
        yield Probe("GET", lists[0], {"accept": _JSON, "audit-id": audit_id})
