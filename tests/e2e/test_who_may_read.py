"""What the installation page says of readers' rights, done line by line."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from metrics_api.localcluster.kubeconfig import write_kubeconfig
from tests.e2e.guarded import guarding
from tests.e2e.programs import found_kubectl, run

pytestmark = pytest.mark.timeout(120)

PAGE = Path(__file__).parents[2] / "docs" / "install.md"
USER, NAMESPACE = "a-reader", "shop-production"


def commands() -> list[list[str]]:
    """Return the page's kubectl commands about readers, but for the one that gives its input in place."""
    section = PAGE.read_text().partition("## Who may read\n")[2].partition("\n## ")[0]
    lines = [line for block in re.findall(r"```\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]
    found = [line.replace("<user>", USER).replace("<namespace>", NAMESPACE) for line in lines if "<<END" not in line]
    return [shlex.split(line)[1:] for line in found if line.startswith("kubectl ")]


async def test_the_page_says_how_a_reader_is_let_in(tmp_path: Path) -> None:
    kubectl = found_kubectl("path")
    async with guarding(tmp_path) as guarded:
        guarded.hand_over()
        admin = write_kubeconfig(tmp_path / "admin", guarded.cluster.admin_kubeconfig())
        reader = write_kubeconfig(tmp_path / "reader", guarded.cluster.user_kubeconfig(USER))
        for_one, for_all, role, for_nodes, account, for_account, token = commands()

        async def may(*asked: str) -> bool:
            finished = await run(kubectl, *asked, kubeconfig=reader)
            assert finished.code == 0 or "Forbidden" in finished.err, finished.err
            return finished.code == 0

        async def do(command: list[str]) -> str:
            finished = await run(kubectl, *command, kubeconfig=admin)
            assert finished.code == 0, finished.err
            return finished.out.strip()

        async def top() -> str:
            return (await run(kubectl, "top", "nodes", kubeconfig=admin)).out

        await guarded.server.until(top, bool)
        here, everywhere = ("get", "podmetrics", "-n", NAMESPACE), ("get", "podmetrics", "-A")
        assert not await may(*here)
        await do(for_one)
        assert await may(*here)
        assert not await may(*everywhere)
        await do(for_all)
        assert await may(*everywhere)
        assert await may("get", "nodemetrics")
        assert not await may("top", "nodes")
        await do(role)
        await do(for_nodes)
        assert await may("top", "nodes")

        await do(account)
        await do(for_account)
        headers = {"authorization": f"Bearer {await do(token)}"}
        async with guarded.asking() as client:
            answer = await client.get("/apis/metrics.k8s.io/v1/nodes", headers=headers)
        assert [each["metadata"]["name"] for each in answer.json()["items"]] == ["node-00000"]
