"""Who may read how the server stands: fewer than may read metrics."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import yaml

from metrics_api.localcluster.resources import CLUSTER_ROLES
from metrics_api.pki import KeyPair
from tests.e2e.guarded import Guarded
from tests.e2e.serving import GROUP

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("admission"),
    pytest.mark.timeout(120),
]

PATHS = ("/debug/status", "/debug/nodes", f"{GROUP}/debug/status", f"{GROUP}/debug/nodes")
USER = "erin"


def create_documented_role(guarded: Guarded) -> str:
    """Create the ClusterRole that docs/troubleshooting.md names, and return its name."""
    page = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text()
    role = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    guarded.cluster.objects.create(CLUSTER_ROLES, role)
    name: str = role["metadata"]["name"]
    return name


@contextlib.asynccontextmanager
async def through(guarded: Guarded, directory: Path, pair: KeyPair) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API server that shows this certificate."""
    cluster = guarded.cluster
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=cluster.authorities.cluster.certificate.decode())
    file = directory / "through.pem"
    file.write_bytes(pair.certificate + pair.key)
    context.load_cert_chain(file)
    async with httpx.AsyncClient(base_url=cluster.api.url, verify=context, trust_env=False) as client:
        yield client


async def test_who_may_read_metrics_may_not_read_how_the_server_stands(guarded: Guarded, tmp_path: Path) -> None:
    """Directly and through the aggregation layer; with the role of docs/troubleshooting.md both are allowed."""
    guarded.allow(USER)
    guarded.hand_over()
    erin = guarded.cluster.authorities.cluster.issue(USER, client=True)
    async with (
        guarded.asking(erin) as direct,
        guarded.asking() as nobody,
        through(guarded, tmp_path, erin) as proxied,
    ):
        refused = [(await direct.get(path)).status_code for path in PATHS]
        refused += [(await nobody.get(path)).status_code for path in PATHS]
        refused += [(await proxied.get(path)).status_code for path in PATHS[2:]]
        guarded.allow(USER, role=create_documented_role(guarded))
        for client, path in (*((direct, path) for path in PATHS), (proxied, PATHS[2]), (proxied, PATHS[3])):

            async def get(client: httpx.AsyncClient = client, path: str = path) -> httpx.Response:
                return await client.get(path)

            await guarded.server.until(get, lambda answer: answer.status_code == 200, 20)

    assert set(refused) == {403}
