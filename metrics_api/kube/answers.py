"""Reading what kube-apiserver answers: within bounds, and with every failure as an error of ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

import aiohttp
import msgspec

from metrics_api.errors import KubeError, KubeExpiredError, KubeStatusError, KubeUnreachableError
from metrics_api.kube.documents import Status

_LARGEST_ERROR_BODY = 64 << 10
_LONGEST_MESSAGE = 300  # characters


@contextmanager
def translated(method: str, path: str) -> Iterator[None]:
    """Turn what aiohttp raises into ``KubeUnreachableError``."""
    try:
        yield
    except TimeoutError as error:
        raise KubeUnreachableError(f"{method} {path}: no answer in time ({_plain(str(error)) or 'timeout'})") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise KubeUnreachableError(
            f"{method} {path}: the API server's certificate is not accepted: {_plain(str(error))}; "
            "check the CA bundle and the server's name"
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise KubeUnreachableError(f"{method} {path}: {_plain(str(error) or repr(error))}") from error


async def _chunks(response: aiohttp.ClientResponse, path: str) -> AsyncGenerator[bytes, None]:
    while True:
        with translated(response.method, path):
            chunk = await response.content.readany()
        if not chunk:
            return
        yield chunk


async def read_body(response: aiohttp.ClientResponse, most: int, path: str) -> bytes:
    """Return the body; ``KubeError`` when it is larger than ``most`` bytes."""
    body = bytearray()
    async for chunk in _chunks(response, path):
        body += chunk
        if len(body) > most:
            raise KubeError(f"{response.method} {path}: the answer has more than {most} bytes")
    return bytes(body)


async def read_lines(response: aiohttp.ClientResponse, longest: int, path: str) -> AsyncGenerator[bytes, None]:
    """Yield the lines without their ends; ``KubeError`` when one is longer than ``longest`` bytes.

    A last line without its end is left out.
    """
    tail: list[bytes] = []
    size = 0
    async for chunk in _chunks(response, path):
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            line = b"".join((*tail, chunk[start:end])) if tail else chunk[start:end]
            tail.clear()
            size, start = 0, end + 1
            if line:
                yield line
        if start < len(chunk):
            tail.append(chunk[start:] if start else chunk)
            size += len(chunk) - start
        if size > longest:
            raise KubeError(f"{response.method} {path}: a line has more than {longest} bytes")


async def read_status_error(response: aiohttp.ClientResponse, path: str) -> KubeError:
    """Return the error for an answer that is no success; raises ``KubeUnreachableError`` when it breaks off."""
    body = bytearray()
    async for chunk in _chunks(response, path):
        body += chunk
        if len(body) > _LARGEST_ERROR_BODY:
            break
    try:
        status = msgspec.json.decode(body, type=Status)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        status = Status(message=body[: 4 * _LONGEST_MESSAGE].decode("utf-8", "replace"))
    return status_error(response.status, status, f"{response.method} {path}")


def status_error(code: int, status: Status, what: str) -> KubeExpiredError | KubeStatusError:
    """Return the error for a ``Status``, with its texts cut and freed of what is not printable.

    Args:
        code: The HTTP status, or the ``Status``'s own code in an ``ERROR`` event.
        status: What the server said.
        what: What was asked, for the message.
    """
    message = f"{what}: {_plain(status.message) or 'no message'}"
    if code == 410:
        return KubeExpiredError(message)
    return KubeStatusError(code, _plain(status.reason), message)


def _plain(text: str) -> str:
    cut = text[:_LONGEST_MESSAGE]
    return "".join([each if each.isprintable() else " " for each in cut]).strip()
