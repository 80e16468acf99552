"""Whether an extension server answers: five requests at once for the path it has to serve.

Source: kube-aggregator ``pkg/controllers/status/remote``. One success is enough, so one broken replica of several
goes unnoticed.
"""

from __future__ import annotations

import asyncio

from metrics_api.localcluster.aggregation.apiservice import APIService
from metrics_api.localcluster.aggregation.failures import UnreachableError
from metrics_api.localcluster.aggregation.headers import identity
from metrics_api.localcluster.aggregation.resolve import ResolveError, Resolver
from metrics_api.localcluster.aggregation.tls import Trust
from metrics_api.localcluster.aggregation.transport import BackendRequest, Transports
from metrics_api.localcluster.users import MASTERS_GROUP, User

_ATTEMPTS = 5
_HEADERS = identity(User("system:kube-aggregator", groups=(MASTERS_GROUP,)))


class Prober:
    """Asks backends whether they are there.

    Args:
        resolver: Finds their addresses.
        transports: Holds the connections to them, shared with the proxy.
        timeout: Seconds for one request, dialling included.
    """

    def __init__(self, resolver: Resolver, transports: Transports, timeout: float) -> None:
        self._resolver = resolver
        self._transports = transports
        self._timeout = timeout
        self._late: set[asyncio.Task[str | None]] = set()

    async def check(self, service: APIService, trust: Trust) -> str | None:
        """Return ``None`` as soon as one request succeeds, else what went wrong with the last to fail.

        Raises:
            TransportBuildError: none can be sent.
        """
        self._transports.prepare(trust)
        tasks = [asyncio.create_task(self._ask(service, trust)) for _ in range(_ATTEMPTS)]
        for task in tasks:
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        failure = None
        for done in asyncio.as_completed(tasks):
            failure = await done
            if failure is None:
                break
        return failure

    async def idle(self) -> None:
        """Return once every request has ended."""
        if self._late:
            await asyncio.wait(tuple(self._late))

    async def aclose(self) -> None:
        """Cancel the requests that nobody waits for any more."""
        late = tuple(self._late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _ask(self, service: APIService, trust: Trust) -> str | None:
        try:
            address = self._resolver.resolve(trust.service)
        except ResolveError as error:
            return str(error)
        url = f"https://{address}{service.path}"
        request = BackendRequest("GET", service.path.encode(), _HEADERS, names_client=True)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._transports.send(trust, address, request)
                await response.aclose()
        except TimeoutError:
            return f'failing or missing response from {url}: Get "{url}": context deadline exceeded'
        except UnreachableError as error:
            return f'failing or missing response from {url}: Get "{url}": {error}'
        if 200 <= response.status <= 299:
            return None
        return f"failing or missing response from {url}: bad status from {url}: {response.status}"
