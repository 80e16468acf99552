"""How the tests are spread over workers."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("one-worker")
def test_those_who_share_a_cluster_share_a_worker(request: pytest.FixtureRequest) -> None:
    if not hasattr(request.config, "workerinput"):
        pytest.skip("needs workers: pytest -n 2 --dist loadgroup")
    assert request.node.nodeid.endswith("@one-worker")  # by this pytest-xdist groups
