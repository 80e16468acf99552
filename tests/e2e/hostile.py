"""Requests that no honest client sends: random ones, and mutations of honest ones."""

from __future__ import annotations

import random
from collections.abc import Iterator

_PROVEN = b"X-Remote-User: admin\r\nX-Remote-Group: system:masters\r\n"
"""Who asks, for whoever believes it."""

HONEST = (
    b"GET /apis/metrics.k8s.io/v1beta1/nodes HTTP/1.1\r\nHost: x\r\n" + _PROVEN + b"Accept: application/json\r\n\r\n",
    b"GET /apis/metrics.k8s.io/v1/namespaces/default/pods?labelSelector=app%3Dweb&limit=500 HTTP/1.1\r\nHost: x\r\n"
    b"Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json\r\nAuthorization: Bearer token\r\n\r\n",
    b"GET /apis/metrics.k8s.io/v1beta1/namespaces/a/pods/b?pretty=true&timeout=5s HTTP/1.1\r\nHost: x\r\n"
    + _PROVEN
    + b"X-Remote-Extra-A%2fb: c\r\n\r\n",
    b"POST /apis/metrics.k8s.io/v1beta1/nodes HTTP/1.1\r\nHost: x\r\n" + _PROVEN + b"Content-Length: 4\r\n\r\nabcd",
    b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b'HEAD /openapi/v3?hash=1 HTTP/1.1\r\nHost: x\r\nIf-None-Match: "1"\r\nAccept-Encoding: gzip\r\n\r\n',
    b"GET /readyz?verbose&exclude=ping HTTP/1.1\r\nHost: x\r\nAudit-Id: 1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    b"\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET https://example.com/apis HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)
PIECES = (
    *(b"\x00", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"%", b"%00", b"%2f", b"%ff%fe", b"%C0%AF", b"..", b"//"),
    *(b"?", b"&", b"=", b"watch=1", b"fieldSelector=metadata.name%3D", b"labelSelector=a+in+(", b"limit=-9e99"),
    *(b"Content-Length: 18446744073709551616\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: identity\r\n"),
    *(b"Impersonate-User: root\r\n", b"X-Remote-User: \xc3\x28\r\n", b"Authorization: Basic \xff\r\n", b"\xff"),
    *(b"timeout=1ns", b"timeout=9999999h", b"resourceVersionMatch=x", b"Accept: application/" + b"a" * 3000 + b"\r\n"),
    *("\u202e".encode(), b"\xed\xa0\x80", b"a" * 5000, b"(" * 500, b"[::1]", b";v=v1;g=meta.k8s.io;as=Table"),
    *(b"Accept: */*;q=9\r\n", b"limit=-9223372036854775809", _PROVEN),
)


def requests(number: int, seed: int) -> Iterator[bytes]:
    """Yield that many requests, the same for the same seed."""
    random_ = random.Random(seed)
    for _ in range(number):
        yield random_.randbytes(random_.randrange(1, 400)) if random_.random() < 0.05 else _mutated(random_)


def _mutated(random_: random.Random) -> bytes:
    request = bytearray(random_.choice(HONEST))
    for _ in range(random_.randrange(1, 5)):
        at = random_.randrange(len(request) + 1)
        match random_.randrange(5):
            case 0:
                request[at:at] = random_.choice(PIECES)
            case 1 if at < len(request):
                request[at] = random_.randrange(256)
            case 2:
                del request[at : at + random_.randrange(1, 12)]
            case 3:
                other = random_.choice(HONEST)
                request[at:] = other[random_.randrange(len(other)) :]
            case _:
                start = random_.randrange(len(request) + 1)
                request[at:at] = request[start : start + random_.randrange(60)]
    return bytes(request)
