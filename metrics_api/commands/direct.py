"""A metrics server asked at its own address, without kube-apiserver in between."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metrics_api.errors import KubeError, KubeUnreachableError, SettingsError

if TYPE_CHECKING:
    import httpx

_LARGEST_ANSWER_BYTES = 256 << 20
_TIMEOUT = 60.0
_SHOWN_BYTES = 200


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe, and what to show. No other credential is ever sent."""

    token_file: str = ""
    """File with a bearer token; empty for none."""
    ca_file: str = ""
    """PEM authorities of the server's certificate; empty for the machine's."""
    insecure: bool = False
    """Any certificate is believed."""

    def context(self) -> ssl.SSLContext:
        """Return how TLS is verified, or raise ``OSError``."""
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def headers(self) -> dict[str, str]:
        """Return what is sent with each request, or raise ``OSError``."""
        return {"Authorization": f"Bearer {Path(self.token_file).read_text().strip()}"} if self.token_file else {}


@contextlib.asynccontextmanager
async def open_direct(url: str, trust: Trust) -> AsyncIterator[DirectReader]:
    """Give a reader of the server at a URL.

    Raises:
        SettingsError: a file cannot be used.
    """
    import httpx  # only who asks directly pays for it

    try:
        context, headers = trust.context(), trust.headers()
    except OSError as error:
        raise SettingsError([f"the files to ask {url} with cannot be used: {error}"]) from error
    async with httpx.AsyncClient(
        base_url=url, headers=headers, verify=context, trust_env=False, timeout=_TIMEOUT
    ) as client:
        yield DirectReader(client)


class DirectReader:
    """Reads from one server.

    Args:
        client: With the server's address.
        timeout: Seconds for a whole answer, however it comes.
    """

    def __init__(self, client: httpx.AsyncClient, timeout: float = _TIMEOUT) -> None:
        self._client = client
        self._timeout = timeout

    async def get(self, path: str, *, query: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return the body of a successful answer.

        Raises:
            KubeUnreachableError: there is no answer, or not the whole of it in time.
            KubeError: it is no success, or larger than 256 MiB.
        """
        import httpx

        body = bytearray()
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("GET", path, params=list(query)) as answer,
            ):
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _LARGEST_ANSWER_BYTES:
                        raise KubeError(f"{path}: the answer is larger than {_LARGEST_ANSWER_BYTES >> 20} MiB")
        except TimeoutError as error:
            message = f"{self._client.base_url}: no whole answer to {path} in {self._timeout:g} s"
            raise KubeUnreachableError(message) from error
        except httpx.HTTPError as error:
            raise KubeUnreachableError(f"{self._client.base_url}: {error!r}") from error
        if answer.status_code != httpx.codes.OK:
            raise KubeError(f"{path}: {answer.status_code} {bytes(body[:_SHOWN_BYTES])!r}")
        return bytes(body)
