"""What the replicas show: one TLS handshake with each ready endpoint of our Service.

Nothing is verified in the handshake and nothing is sent: the certificate is judged afterwards, against every bundle
that matters. That the other side has its key is proven by the handshake itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence

from metrics_api.objects import Endpoint
from metrics_api.verifiedtls.decide import Presented

_PATIENCE = 5.0
_AT_ONCE = 16


async def dial_all(endpoints: Sequence[Endpoint], name: str, *, patience: float = _PATIENCE) -> list[Presented]:
    """Return what each endpoint shows who asks for a name, in their order; each is given ``patience`` seconds."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(endpoint: Endpoint) -> Presented:
        async with slots:
            return await _dial(endpoint, name, patience)

    return list(await asyncio.gather(*map(one, endpoints)))


async def _dial(endpoint: Endpoint, name: str, patience: float) -> Presented:
    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(
                endpoint.address, endpoint.port, ssl=_any_certificate(), server_hostname=name
            )
    except TimeoutError:
        return Presented(endpoint, None, "no handshake in time")
    except (OSError, ssl.SSLError) as error:
        return Presented(endpoint, None, f"no handshake: {error.strerror or error}")
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(patience):
            await writer.wait_closed()
    return Presented(endpoint, certificate)


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
