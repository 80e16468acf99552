"""Good inputs that fuzzing begins with, and words that matter in them."""

from __future__ import annotations

import gzip
import ssl
from pathlib import Path

from metrics_api.localcluster.fleet.certificates import issue_itself

DATA = Path(__file__).parents[1] / "data"


def _read(*names: str) -> list[bytes]:
    return [(DATA / "kubelet" / name).read_bytes() for name in names]


SUMMARIES = _read(
    "summary_small_cpumem_t0.json",
    "summary_first_sample_zero_nano.json",
    "summary_virtual_kubelet_aci.json",
    "faults/negative.json",
    "faults/wrong_types.json",
    "faults/duplicate_pods_and_containers.json",
)
RESOURCES = _read(
    "resource_1_36_small_t0.txt",
    "resource_kwok.txt",
    "resource_scrape_error.txt",
    "faults/resource_label_escapes.txt",
    "faults/resource_duplicate_series.txt",
)
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a=b\r\nabcde\r\n0\r\nX: y\r\n\r\n"
RESPONSES = [
    b"\x03HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nDate: now\r\n\r\n{}",
    b"\x07" + _CHUNKED,
    b"\x00HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
    b"\x09HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
    b"\x20HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na" + _CHUNKED,
]
PACKED = [gzip.compress(RESOURCES[0], mtime=0), gzip.compress(bytes(1 << 16), mtime=0)]
CERTIFICATES = [
    ssl.PEM_cert_to_DER_cert(each + "-----END CERTIFICATE-----\n")
    for each in issue_itself("node-a").certificate.decode().split("-----END CERTIFICATE-----\n")
    if each
]
LISTS = [
    b'{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"x"},"items":[{"metadata":{"name":"a","namespace":'
    b'"b","uid":"c","labels":{"d":"e"},"annotations":{"kubernetes.io/config.hash":"f"}},"spec":{"nodeName":"n",'
    b'"containers":[{"name":"g"}],"initContainers":[{"name":"h","restartPolicy":"Always"}]},"status":{"phase":"Running",'
    b'"startTime":"2026-09-01T12:00:00Z","containerStatuses":[{"name":"g","state":{"running":{}}}]}}]}',
    b'{"kind":"NodeList","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a","uid":"b",'
    b'"creationTimestamp":"2026-09-01T12:00:00Z"},"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.1"}],'
    b'"capacity":{"cpu":"4","memory":"8Gi"},"allocatable":{"pods":110},"conditions":[{"type":"Ready","status":"True"}],'
    b'"daemonEndpoints":{"kubeletEndpoint":{"Port":10250}},"nodeInfo":{"operatingSystem":"linux"}}}]}',
    b'{"type":"MODIFIED","object":{"metadata":{"name":"a","namespace":"b","uid":"c"},"spec":{},"status":{}}}',
    b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}',
]
KUBECONFIGS = [
    b"apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\n"
    b"clusters:\n- name: k\n  cluster: {server: 'https://127.0.0.1:6443', certificate-authority-data: Zm9v}\n"
    b"users:\n- name: u\n  user: {token: t, exec: {command: a, apiVersion: v1, args: [b]}}\n",
    b'{"current-context":"c","contexts":[{"name":"c","context":{"cluster":"k"}}],"clusters":[{"name":"k","cluster":{}}]}',
    b"current-context: !!str c\ncontexts: &a [*a]\nclusters: !!set {b}\nusers: [!!int 7, !!timestamp 2026-01-01]\n",
]
TEXTS = [
    b"app in (a, b),!c,d!=e,f notin (g),h>1,i<2,j==k,l",
    b"metadata.name=a\\,b,metadata.namespace!=c",
    b"250m",
    b"1.5Gi",
    b"-1e-3",
    b"2026-09-01T12:00:00.123+02:00",
    b"1h2m3.5s",
]
WORDS = [
    b"null", b"true", b"-1", b"9" * 30, b"1e400", b"[[", b"}", b'"', b"\n", b"NaN", b" 1 2 3", b"\\u0000", b"\xff",
    b"\r\n", b"0x", b"!!int ''", b"!!bool x", b"!!timestamp x", b"!!float ''", b"&a", b"*a", b"<<: ", b"? ",
    b"Content-Length: 18446744073709551616\r\n", b"Transfer-Encoding: gzip\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
]  # fmt: skip
