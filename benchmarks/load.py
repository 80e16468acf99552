"""A closed-loop load from a process of its own: each connection asks again as soon as it has its answer.

wrk is used where it is installed, for it takes less of the machine; otherwise ``python -m benchmarks.load`` does the
same more slowly. Both speak HTTP/1.1 over kept TLS connections and verify nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import ssl
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.report import quantile

_MARK = "RESULT "
_WRK_SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What one run measured; times in milliseconds."""

    requests: int
    seconds: float
    bytes: int
    errors: int
    """Answers that are no 2xx or 3xx, and connections that failed."""
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    worst_ms: float

    @property
    def per_second(self) -> float:
        """Return requests answered in a second."""
        return self.requests / self.seconds


def tool() -> str:
    """Return what makes the load."""
    return "wrk" if shutil.which("wrk") else "benchmarks.load"


async def load(url: str, *, connections: int, seconds: float, headers: Mapping[str, str]) -> Load:
    """Ask for one URL on so many connections for so long.

    Raises:
        RuntimeError: the load could not be made.
    """
    if wrk := shutil.which("wrk"):
        command = [wrk, "-t1", f"-c{connections}", f"-d{ceil(seconds)}s", "--timeout", "60s", "-s", str(_WRK_SCRIPT)]
    else:
        command = [sys.executable, "-m", "benchmarks.load", f"-c{connections}", f"-d{seconds:g}"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    process = await asyncio.create_subprocess_exec(*command, url, stdout=PIPE, stderr=PIPE)
    output, complaints = await process.communicate()
    for line in output.decode().splitlines():
        if line.startswith(_MARK):
            return _load(json.loads(line.removeprefix(_MARK)))
    raise RuntimeError(f"{command[0]} measured nothing: {complaints.decode()[-1000:]}")


def _load(said: Mapping[str, float]) -> Load:
    times = (said[name] / 1000 for name in ("p50", "p90", "p99", "p999", "max"))
    return Load(int(said["requests"]), said["seconds"], int(said["bytes"]), int(said["errors"]), *times)


class _Asker(asyncio.Protocol):
    """One connection. Answers have a Content-Length, as all of ours and metrics-server's short ones, or chunks."""

    def __init__(self, request: bytes, times: list[float]) -> None:
        self._request = request
        self._times = times
        self.errors = self.received = 0
        self._transport: asyncio.WriteTransport | None = None
        self._head = b""
        self._left = -1  # bytes of the body still to come; -1 while the head is read, -2 within chunks
        self._asked = 0.0
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport
            self._ask()

    def _ask(self) -> None:
        self._head, self._left, self._asked = b"", -1, time.perf_counter()
        if self._transport is not None:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read on; ask again at an answer's end."""
        self.received += len(data)
        if self._left == -1:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._read_head(head.lower())
        if self._left == -2:
            self._head = (self._head + data)[-5:]
            if self._head.endswith(b"0\r\n\r\n"):
                self._left = 0
        else:
            self._left -= len(data)
        if self._left == 0:
            self._times.append(time.perf_counter() - self._asked)
            self._ask()

    def _read_head(self, head: bytes) -> None:
        if not head.startswith(b"http/1.1 2"):
            self.errors += 1
        _, found, length = head.partition(b"content-length:")
        self._left = int(length.partition(b"\r\n")[0]) if found else -2
        self._head = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """Count what the server ended."""
        if not self._is_over:
            self.errors += 1

    def end(self) -> None:
        """Ask no more."""
        self._is_over = True
        if self._transport is not None:
            self._transport.abort()


async def _measure(options: argparse.Namespace) -> dict[str, float]:
    parts = urlsplit(options.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", *(options.header or ())]
    request = "\r\n".join((*lines, "", "")).encode()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    times: list[float] = []
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Asker(request, times), parts.hostname, parts.port, ssl=context)
        for _ in range(options.connections)
    ]
    await asyncio.sleep(options.seconds)
    took = time.perf_counter() - began
    for _, asker in made:
        asker.end()
    microseconds = [each * 1e6 for each in times] or [0.0]
    quantiles = {f"p{part}": quantile(microseconds, float(f"0.{part}")) for part in (50, 90, 99, 999)}
    return {
        "requests": len(times),
        "seconds": took,
        "bytes": sum(asker.received for _, asker in made),
        "errors": sum(asker.errors for _, asker in made),
        "max": max(microseconds),
        **quantiles,
    }


def main() -> None:
    """Make the load and print what it measured."""
    import uvloop

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-c", dest="connections", type=int, default=1)
    parser.add_argument("-d", dest="seconds", type=float, default=5)
    parser.add_argument("-H", dest="header", action="append")
    parser.add_argument("url")
    print(_MARK + json.dumps(uvloop.run(_measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
