"""Valid, odd and broken parts of requests to a metrics server: what clients accept, ask for, and where."""

from __future__ import annotations

from itertools import product

GROUP = "/apis/metrics.k8s.io"
OLD = f"{GROUP}/v1beta1"
PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON, YAML = "application/json", "application/yaml"
META = "v=v1;g=meta.k8s.io"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ACCEPTS = (
    "",
    "*/*",
    "*/*;q=0",
    "*",
    "application/*",
    "application",
    "text/*",
    "text/html",
    "text/html,*/*;q=0.1",
    "text/plain, application/xml",
    JSON,
    JSON.upper(),
    f"{JSON};",
    f"{JSON}; charset=utf-8",
    f"{JSON};charset=UTF-16",
    f"{JSON};pretty=1",
    f"{JSON};pretty=true",
    f"{JSON};stream=watch",
    f"{JSON};stream=nonsense",
    f"{JSON};sv=v1",
    f"{JSON};sv=v2",
    f"{JSON};q=0",
    f"{JSON};q=0,{YAML}",
    f"{JSON};q=0.5,*/*",
    f"{JSON};q=0.1,{YAML};q=0.1",
    f"{YAML}",
    f"{YAML};q=0.9,{JSON};q=0.2",
    f"{YAML};q=2,{JSON}",
    f"{JSON},{YAML};q=2",
    f"{YAML};q=-1,{JSON}",
    f"{YAML};q=NaN,{JSON}",
    f"{YAML};q=0.0001,{JSON};q=0.00001",
    f"{YAML};stream=watch",
    f"{YAML};pretty=1",
    PROTOBUF,
    f"{PROTOBUF}, */*",
    f"{PROTOBUF},{JSON}",
    f"{PROTOBUF};q=0.5,{JSON};q=0.5",
    f"{PROTOBUF};stream=watch",
    f"{PROTOBUF};type=x",
    f"{JSON};as=Table;{META}",
    f"{JSON};as=Table;{META};pretty=1",
    f"{JSON};as=Table;{META};q=0.1,{JSON};q=0.9",
    f"{JSON};as=Table;v=v1beta1;g=meta.k8s.io",
    f"{JSON};as=Table;v=v2;g=meta.k8s.io",
    f"{JSON};as=Table;{META},{JSON};as=Table;v=v1beta1;g=meta.k8s.io,{JSON}",
    f"{JSON};as=Table;g=meta.k8s.io,{JSON}",
    f"{JSON};as=Table;v=v1",
    f"{JSON};as=Table",
    f"{JSON};as=",
    f"{JSON};g=;v=",
    f"{JSON};sv=",
    f"{JSON};g=meta.k8s.io",
    f"{JSON};v=v1",
    f"{JSON};as=table;{META}",
    f"{JSON};as=Status;{META}",
    f"*/*;as=Table;{META}",
    f"{YAML};as=Table;{META}",
    f"{PROTOBUF};as=Table;{META}",
    f"{PROTOBUF};as=Table;{META},{JSON}",
    f"{JSON};as=PartialObjectMetadata;{META}",
    f"{JSON};as=PartialObjectMetadata;v=v1beta1;g=meta.k8s.io",
    f"{JSON};as=PartialObjectMetadata;{META},{JSON};as=PartialObjectMetadataList;{META}",
    f"{JSON};as=PartialObjectMetadataList;{META}",
    f"{JSON};as=PartialObjectMetadataList;v=v1beta1;g=meta.k8s.io",
    f"{YAML};as=PartialObjectMetadataList;{META}",
    f"{PROTOBUF};as=PartialObjectMetadataList;{META}",
    f"{PROTOBUF};as=PartialObjectMetadata;{META}",
    f'{JSON};as="Table";v="v1";g="meta.k8s.io"',
    "application/cbor",
    "application/cbor,application/json;q=0.5",
    "application/cbor-seq",
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/vnd.kubernetes.protobuf2",
    ",;=,",
    ",",
    ";",
    "/",
    "application/json application/yaml",
    "application/json;q=nonsense",
    "application/json;q",
    f"text/html,{'x/y,' * 40}{JSON}",
)
_VERSIONS = ("", "resourceVersion=0&", "resourceVersion=1&", "resourceVersion=abc&")
_MATCHES = ("Exact", "NotOlderThan", "Nonsense", "")
QUERIES = (
    *_words(
        r"""
        limit=500 limit=1 limit=0 limit=-1 limit= limit=abc limit=9223372036854775808 limit=1.5 limit=+5 limit=0x10
        limit=1_0 limit=%201 Limit=x limit=-9223372036854775809 continue=abc continue= limit=1&continue=%00
        resourceVersion=0 resourceVersion=abc resourceVersion= resourceVersion=-1 resourceVersion=99999999999999999999
        resourceVersion=1&limit=5 resourceVersionMatch=Exact&continue=x
        resourceVersionMatch=NotOlderThan&resourceVersion=1&limit=1 sendInitialEvents=true sendInitialEvents=false
        allowWatchBookmarks=true allowWatchBookmarks=maybe sendInitialEvents= sendInitialEvents=maybe
        sendInitialEvents=true&resourceVersionMatch=NotOlderThan watch=true watch=1 watch=false watch=0 watch
        watch=&limit=x watch=nonsense watch=True watch=FALSE watch=f watch=true&watch=false watch=false&watch=true
        Watch=true watch=true&resourceVersion=0 watch=true&timeoutSeconds=5 watch=true&allowWatchBookmarks=true
        watch=true&labelSelector=( watch=true&fieldSelector=foo=bar watch=true&fieldSelector=metadata.name=x
        watch=true&sendInitialEvents=true watch=true&limit=abc watch=true&resourceVersion=abc
        watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true
        watch=true&resourceVersionMatch=Exact watch=true&timeout=abc watch=true&continue=x timeout=1s timeout=abc
        timeout=-1s timeout= timeoutSeconds=1 timeoutSeconds=abc timeout=1 timeout=0 timeout=0s timeout=1h1m1.5s
        timeout=1d timeout=10000h timeout=1s&timeout=x timeoutSeconds= timeoutSeconds=-1
        timeoutSeconds=99999999999999999999 labelSelector= labelSelector=a labelSelector=a=b
        labelSelector=a%3D%3Db,c!=d labelSelector=!a labelSelector=a+in+(b,c) labelSelector=a+notin+()
        labelSelector=a>1 labelSelector=a>b labelSelector=, labelSelector=a, labelSelector=a=b=c labelSelector=(
        labelSelector=%FF labelSelector=a%00 labelSelector=-a labelSelector=a/b/c labelSelector=é labelSelector=a+in
        labelSelector=a+in+b labelSelector=a+in+(b labelSelector=a+in+(b, labelSelector=in labelSelector=a+in+(,)
        labelSelector=a+in+(b,,c) labelSelector=in+in+(in) labelSelector=a+notin labelSelector=! labelSelector=!!a
        labelSelector=!a=b labelSelector=a!b labelSelector=a===b labelSelector=a=!b labelSelector=a=(b)
        labelSelector=a) labelSelector=a+b labelSelector=a%09 labelSelector=+a+=+b+ labelSelector=a= labelSelector==a
        labelSelector=a!= labelSelector=a<1 labelSelector=a> labelSelector=a>99999999999999999999 labelSelector=a>=1
        labelSelector=a<-1 labelSelector=a.b/c=d labelSelector=/a labelSelector=a/ labelSelector=A.b/c
        labelSelector=a=b%0A labelSelector=a=_b labelSelector=a=b/c labelSelector=a=b&labelSelector=(
        labelSelector=a%2Cb labelSelector=a;b labelSelector=a=b%3Bc labelSelector=kubernetes.io/os=linux
        labelSelector=kubernetes.io/os!=linux labelSelector=k8s-app=kube-proxy
        labelSelector=kubernetes.io/os+in+(linux,windows),!a labelSelector=pod-template-generation>0 fieldSelector=
        fieldSelector=metadata.name=x fieldSelector=metadata.name!=x fieldSelector=foo
        fieldSelector=metadata.namespace=default fieldSelector=spec.nodeName=x fieldSelector=a=b,c
        fieldSelector=metadata.name%3D%3Dx fieldSelector=metadata.name=a\,b fieldSelector=a=\x fieldSelector==
        fieldSelector=== fieldSelector=!= fieldSelector==x fieldSelector=, fieldSelector=,,metadata.name!=x,
        fieldSelector=metadata.name= fieldSelector=metadata.name fieldSelector=metadata.name=x=y
        fieldSelector==,foo=bar fieldSelector=!=,= fieldSelector=+metadata.name=x fieldSelector=metadata.name=+x
        fieldSelector=metadata.name=x,metadata.name=y fieldSelector=metadata.name=x,metadata.namespace=y
        fieldSelector=metadata.namespace!=default fieldSelector=metadata.namespace= fieldSelector=metadata.uid=x
        fieldSelector=foo=bar&limit=abc fieldSelector=foo=bar&labelSelector=( fieldSelector=foo=bar&watch=true
        fieldSelector=foo=bar&resourceVersionMatch=Exact fieldSelector=metadata.name=a%5C fieldSelector=%FF=x
        fieldSelector=metadata.name=.. fieldSelector=metadata.name=a/b fieldSelector=metadata.name>x pretty pretty=1
        pretty=true pretty=false pretty=nonsense whatever=x && = % %zz ; pretty=0 pretty=True pretty= pretty=t
        pretty=2 pretty=false&pretty=true PRETTY=1 pretty=1&fieldSelector=foo pretty=1&limit=abc a%zz=b&limit=abc
        limit=abc;x=y x=%FF includeObject=Foo export=true exact=true dryRun=All fieldManager=x limit=1&limit=x
        export=1 export=false export= export=maybe dryRun=Nonsense fieldValidation=x
        ignoreStoreReadErrorWithClusterBreakingPotential=true propagationPolicy=x gracePeriodSeconds=abc
        shardSelector=x access_token=x as=Table kind=x
        """
    ),
    *(f"{version}resourceVersionMatch={match}" for version, match in product(_VERSIONS, _MATCHES)),
    *(f"labelSelector={'a' * 64}", f"labelSelector=a={'b' * 64}", f"labelSelector={'a.' * 127}a/b", f"x={'y' * 9000}"),
)
RESOURCE_PATHS = (
    *_words(
        """
        /nodes/nope /nodes/ /nodes// /nodes/x/status /nodes/x/y/z /nodes/%2F /nodes/%00 /nodes/é /nodes/%FF /nodes/..
        /nodes/x%20y /Nodes /nodemetrics /nope //nodes /nodes/a%2Fb /nodes/%2e%2e /nodes/%2E /nodes/. /nodes/a:b
        /nodes/a;b /nodes/a+b /nodes/a%2Bb /nodes/* /nodes/{name} /nodes/%25 /nodes/%2525 /nodes/a%3Fb /nodes/a%23b
        /nodes/UPPER /nodes/%22 /nodes/a%0Ab /nodes/%5C /nodes/- /nodes/_ /nodes/nope/ /nodes//nope /node
        /nodes/nope?watch=true /nodes/nope?limit=abc /nodes/nope?fieldSelector=foo /nodes/nope?labelSelector=(
        /nodes/nope?timeout=abc /nodes/nope?pretty=1 /nodes/nope?export=true /%6Eodes /nodes%2Fnope /nodes/nope/proxy
        /nodes/nope/metrics /nodes/status /pods/status /nodes?&watch /nodes%20 /pods/x /pods/ /pods// /pods/x/y
        /namespaces /namespaces/ /namespaces/default /namespaces/default/ /namespaces/default/nodes
        /namespaces/default/nodes/nope /namespaces/default//pods /namespaces/nowhere/pods /namespaces/nowhere/pods/
        /namespaces/nowhere/pods/nope /namespaces/default/pods/nope /namespaces/default/pods/nope/log
        /namespaces/default/pods//nope /namespaces/default/pods/a/b/c /namespaces/default/nope
        /namespaces/default/pods/%00 /namespaces/default/pods/é /namespaces//pods /namespaces//pods/nope
        /namespaces///pods /namespaces//nodes /namespaces/a%2Fb/pods /namespaces/%20/pods /namespaces/UPPER/pods
        /namespaces/é/pods /namespaces/%2e%2e/pods /namespaces/*/pods /namespaces/default/status
        /namespaces/default/finalize /namespaces/default/pods/status /namespaces/status/pods
        /namespaces/namespaces/pods /namespaces/pods
        /namespaces/kube-system/pods?fieldSelector=metadata.namespace=default /pods?fieldSelector=metadata.namespace=x
        /pods?fieldSelector=metadata.namespace=kube-system /pods?fieldSelector=metadata.namespace!=kube-system
        /pods?labelSelector=k8s-app /pods?labelSelector=!k8s-app /pods?watch=true /pods?watch=true&limit=abc
        /watch/nodes /watch/pods /watch/nodes/x /watch/namespaces/default/pods /proxy/nodes / //
        """
    ),
    *("", f"/nodes/{'x' * 300}", f"/namespaces/{'x' * 300}/pods"),
    f"/nodes?labelSelector={','.join(f'key{number}!=value' for number in range(500))}",
)
"""Below ``OLD``."""
OTHER_PATHS = (
    *_words(
        """
        / /api /api/ /api/v1 /api/v1/nodes /apis /apis/ /APIS /apis?pretty=1 /apis/metrics.k8s.io
        /apis/metrics.k8s.io/ /apis/metrics.k8s.io// /apis/metrics.k8s.io/v1 /apis/metrics.k8s.io/v2
        /apis/metrics.k8s.io/v2/ /apis/metrics.k8s.io/v2/nodes /apis/metrics.k8s.iox /apis/metrics.k8s.io/v1alpha1
        /apis/metrics.k8s.io/v1alpha1/nodes /apis/metrics.k8s.io/v2/nodes/x /apis/metrics.k8s.io?pretty=1
        /apis/metrics.k8s.io/v1beta1?pretty=1 /apis/metrics.k8s.io%2Fv1beta1 /apis/METRICS.k8s.io
        /apis/metrics.k8s.io/v1beta1?timeout=abc /apis/metrics.k8s.io/v1beta1?watch=1 /apis/apps/v1 /apis//
        /apis?timeout=abc /livez?timeout=abc /nope?timeout=abc /livez?timeout=1s;x /metrics?timeout=x
        /apis/apps/v1/deployments /apis/apps /apis/nope/v1/x/y/z /apis/custom.metrics.k8s.io /version /version/
        /version// /version/?timeout=abc /version?pretty=1 /version/x /healthz /livez /readyz /livez/ping /healthz/
        /livez/ /readyz/ /livez/ping/ /readyz/ping /healthz/ping /healthz/log /livez/nope /readyz?verbose
        /livez?verbose=1 /livez?exclude=ping /livez?exclude=nope&verbose /readyz/nope /livez?verbose=0
        /livez?verbose=false /livez?exclude= /livez?exclude=nope /healthz?verbose
        /livez?exclude=ping&exclude=ping&verbose /livez?exclude=ping,nope&verbose /readyz?exclude=ping&verbose
        /readyz/metric-informer-sync /readyz/metadata-informer-sync /readyz/metric-storage-ready /readyz/shutdown
        /livez/metric-collection-timely /LIVEZ /livezx /livez/ping?verbose /livez/ping?exclude=ping /openapi /openapi/
        /openapi/v1 /openapi/v2 /openapi/v2/ /openapi/v3 /openapi/v3/ /openapi/v3/apis/metrics.k8s.io/v1beta1
        /openapi/v3/apis/metrics.k8s.io/v1beta1?hash=x /openapi/v3/apis/metrics.k8s.io/v1beta1/ /openapi/v3/nope
        /openapi/v3/version /openapi/v3/apis /openapi/v3/apis/metrics.k8s.io /openapi/v2?x=y /openapi.json /docs
        /redoc /swaggerapi /swagger-2.0.0.json /metrics /metrics/ /metrics/slis /metrics/x /swagger.json /favicon.ico
        /debug/pprof/ /debug/flags/v /debug/pprof /debug /statusz /flagz /nope /nope/ /nope?pretty=1 /logs
        /..%2f..%2fetc/passwd /%00 /%ff // /// //livez /apis//metrics.k8s.io //apis /. /.. /robots.txt /index.html
        /.well-known/openid-configuration /openid/v1/jwks /ui
        """
    ),
    *(f"/apis/{'x' * 300}", "/x" * 200),
)
METHODS = ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "NONSENSE")
AGENTS = ("curl/8.0", "Wget/1.21", "Mozilla/5.0 (X11)", "curl", "Curl/8.0", "mozilla/5.0", "kubectl/v1.36.0", "")
HEADERS = (
    *(("accept-encoding", value) for value in ("gzip", "gzip;q=0", "br", "*", "deflate, gzip;q=0.5", "")),
    *(("audit-id", value) for value in ("abc", "x" * 65, "two words", "")),
    *(("if-none-match", value) for value in ("*", '"x"', "")),
    *(("if-modified-since", "Mon, 01 Jan 2024 00:00:00 GMT"), ("range", "bytes=0-9")),
    *(("x-http-method-override", "DELETE"), ("connection", "close"), ("connection", "upgrade")),
    *(("origin", "https://example.com"), ("upgrade", "websocket"), ("impersonate-user", "root")),
    *(
        ("content-type", "nonsense"),
        ("content-type", YAML),
        ("content-type", "*/*"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-remote-user", "root"),
        ("cookie", "a=b"),
    ),
    *(("accept-language", "de"), ("accept-charset", "latin-1"), ("te", "trailers"), ("x-long", "x" * 20_000)),
)
"""Names and values."""
