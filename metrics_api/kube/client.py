"""Requests to kube-apiserver through ``kubernetes.aio``, with raw bodies and our errors.

Bodies stay bytes because the library's typed models are far too slow for 150,000 pods. No answer is compressed: inside
a cluster the network is cheaper than the CPU on both sides, and a body's bound is then a bound on memory.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from metrics_api import __version__
from metrics_api.errors import KubeStatusError
from metrics_api.kube.access import KubeAccess, Server, TlsFiles
from metrics_api.kube.answers import read_body, read_lines, read_status_error, translated
from metrics_api.kube.library import import_client

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient, Configuration

Query = Sequence[tuple[str, str]]

_CONNECT_TIMEOUT = 10.0
_LARGEST_BODY = 256 << 20
_LONGEST_LINE = 64 << 20


class KubeClient:
    """Asks one API server. Made and used in one event loop; close it in the end.

    Args:
        access: The server and the credentials, asked for each request.
        largest_body: Bytes that ``get``, ``post`` and ``patch`` read at most.
        longest_line: Bytes that a line of ``stream`` may have.
    """

    def __init__(
        self, access: KubeAccess, *, largest_body: int = _LARGEST_BODY, longest_line: int = _LONGEST_LINE
    ) -> None:
        self._access = access
        self._largest_body = largest_body
        self._longest_line = longest_line
        self._api: ApiClient | None = None
        self._tls: TlsFiles | None = None
        self._retired: ApiClient | None = None

    async def get(
        self,
        path: str,
        *,
        query: Query = (),
        accept: str = "application/json",
        timeout: float = 30.0,  # noqa: ASYNC109 - aiohttp applies it, over the connection as well
    ) -> bytes:
        """Return the body of a GET.

        Args:
            path: Absolute path, without a query.
            query: Names and values, not yet quoted.
            accept: The ``Accept`` header.
            timeout: Seconds for all of it.

        Raises:
            KubeUnreachableError: No answer, or not all of it in time.
            KubeExpiredError: Status 410.
            KubeStatusError: Any other status that is no success.
            KubeError: The body is too large.
        """
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_TIMEOUT)
        async with self._request("GET", path, query, accept, None, limits) as response:
            return await read_body(response, self._largest_body, path)

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        query: Query = (),
        timeout: float = 10.0,  # noqa: ASYNC109 - as above
    ) -> bytes:
        """Return the answer to a POST of a JSON document; errors as ``get``.

        Only for what may be sent twice, such as reviews: a kept connection may have been closed under the request,
        and then it is sent again.
        """
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_TIMEOUT)
        # The library encodes JSON bodies itself and takes no bytes for them.
        document = msgspec.json.decode(body)
        async with self._request("POST", path, query, "application/json", document, limits) as response:
            return await read_body(response, self._largest_body, path)

    async def patch(
        self,
        path: str,
        body: bytes,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109 - as above
    ) -> bytes:
        """Return the answer to a PATCH with a JSON merge patch; errors as ``get``.

        Like a POST it may be sent twice. A patch that names ``metadata.resourceVersion`` is then refused the second
        time (``KubeStatusError`` 409), and so it is when somebody else was quicker.
        """
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_TIMEOUT)
        async with self._request("PATCH", path, (), "application/json", msgspec.json.decode(body), limits) as response:
            return await read_body(response, self._largest_body, path)

    def stream(
        self, path: str, *, query: Query = (), accept: str = "application/json", idle_timeout: float = 150.0
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Return the lines of an answer that goes on, such as a watch; ``async with`` sends the request.

        A last line without its end is left out: the connection was cut in it. Errors as ``get``, on entering and from
        the iterator.

        Args:
            path: Absolute path, without a query.
            query: Names and values, not yet quoted.
            accept: The ``Accept`` header.
            idle_timeout: Seconds without a byte after which it ends with ``KubeUnreachableError``.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=idle_timeout)
        return self._stream(path, query, accept, limits)

    async def close(self) -> None:
        """Close all connections; streams end with ``KubeUnreachableError``."""
        for api in (self._api, self._retired):
            if api is not None:
                await _close(api)
        self._api = self._retired = None

    @asynccontextmanager
    async def _stream(
        self, path: str, query: Query, accept: str, limits: aiohttp.ClientTimeout
    ) -> AsyncGenerator[AsyncIterator[bytes], None]:
        async with (
            self._request("GET", path, query, accept, None, limits) as response,
            contextlib.aclosing(read_lines(response, self._longest_line, path)) as lines,
        ):
            yield lines

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, query: Query, accept: str, body: object, limits: aiohttp.ClientTimeout
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        with translated(method, path):
            authorization = await self._access.authorization()
            response = await self._send(method, path, query, accept, body, limits, authorization)
            if response.status == 401 and authorization is not None:
                response.close()
                authorization = await self._access.authorization(refresh=True)
                response = await self._send(method, path, query, accept, body, limits, authorization)
        try:
            if not 200 <= response.status <= 299:
                raise await read_status_error(response, path)
            yield response
        finally:
            response.close()  # ends a stream; a body that was read to its end has given its connection back already

    async def _send(
        self,
        method: str,
        path: str,
        query: Query,
        accept: str,
        body: object,
        limits: aiohttp.ClientTimeout,
        authorization: str | None,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        if authorization is not None:
            headers["Authorization"] = authorization
        api = await self._current_api()
        method, url, headers, _, _ = await api.param_serialize(
            method, path, query_params=list(query), header_params=headers
        )
        try:
            answer = await api.call_api(method, url, headers, body, _request_timeout=limits)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if method == "GET" or isinstance(error, aiohttp.ClientConnectorError):
                raise  # aiohttp repeats a GET itself; and what was never connected was no kept connection
            answer = await api.call_api(method, url, headers, body, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _current_api(self) -> ApiClient:
        tls = self._access.tls
        if self._api is None or tls != self._tls:
            retired, self._retired = self._retired, self._api  # requests in flight end on the connections they have
            self._api, self._tls = _build_api(self._access.server, tls), tls
            if retired is not None:
                await _close(retired)
        return self._api


def _build_api(server: Server, tls: TlsFiles) -> ApiClient:
    client = import_client()
    configuration: Configuration = client.Configuration(
        host=server.url,
        ca_cert_data=tls.ca_bundle.decode("ascii", "replace") if tls.ca_bundle is not None else None,
        verify_ssl=not server.insecure,
        tls_server_name=server.tls_server_name,
        proxy=server.proxy_url,
        trace_configs=[_redirects_refused()],
        # trust_env is on in the library: a proxy or a .netrc of the environment would get our requests and tokens.
        client_session_kwargs={"trust_env": False, "cookie_jar": aiohttp.DummyCookieJar()},
    )
    # Python 3.13 checks strictly by default; CAs made by older cluster tools lack what it wants, and Go does not ask.
    configuration.disable_strict_ssl_verification = True
    with _key_pair_files(configuration, tls):
        api: ApiClient = client.ApiClient(configuration)
    api.user_agent = f"metrics-api/{__version__}"
    return api


async def _close(api: ApiClient) -> None:
    await api.close()  # type: ignore[no-untyped-call]


@contextmanager
def _key_pair_files(configuration: Configuration, tls: TlsFiles) -> Iterator[None]:
    """OpenSSL reads a key pair from files only: they exist while the client is made, readable by us alone."""
    if tls.certificate is None or tls.key is None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="metrics-api-") as folder:
        certificate, key = Path(folder, "tls.crt"), Path(folder, "tls.key")
        certificate.write_bytes(tls.certificate)
        key.write_bytes(tls.key)
        configuration.cert_file, configuration.key_file = str(certificate), str(key)
        yield


def _redirects_refused() -> aiohttp.TraceConfig:
    async def refuse(session: object, context: object, parameters: aiohttp.TraceRequestRedirectParams) -> None:
        parameters.response.close()
        target = parameters.response.headers.get("Location", "")
        raise KubeStatusError(
            parameters.response.status, "", f"redirected to {target!r:.200}; name the API server itself as server"
        )

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace
