import pytest

from metrics_api.api.readiness import Readiness
from tests.fakes import FakeClock


class Cluster:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.synced = False
        self.nodes = 0
        self.pods = 0

    def readiness(self, resolution: float = 15) -> Readiness:
        return Readiness(
            self.clock,
            resolution=resolution,
            served=lambda: (self.nodes, self.pods),
            synced=lambda: self.synced,
        )


def test_not_ready_before_the_lists_are_complete_however_long_it_takes() -> None:
    cluster = Cluster()
    readiness = cluster.readiness()
    cluster.nodes = cluster.pods = 1
    cluster.clock.move_to(cluster.clock.monotonic() + 3600)

    assert readiness.check() is not None


@pytest.mark.parametrize(("nodes", "pods"), [(0, 0), (1, 0), (0, 1)])
def test_not_ready_without_a_node_and_a_pod(nodes: int, pods: int) -> None:
    cluster = Cluster()
    readiness = cluster.readiness()
    cluster.synced, cluster.nodes, cluster.pods = True, nodes, pods

    assert readiness.check() == "no metrics to serve"


def test_ready_with_a_node_and_a_pod() -> None:
    cluster = Cluster()
    readiness = cluster.readiness()
    cluster.synced, cluster.nodes, cluster.pods = True, 1, 1

    assert readiness.check() is None


@pytest.mark.parametrize(("resolution", "grace"), [(15, 60), (60, 120)])
def test_a_cluster_without_data_is_ready_after_the_grace(resolution: float, grace: float) -> None:
    cluster = Cluster()
    readiness = cluster.readiness(resolution)
    cluster.clock.move_to(cluster.clock.monotonic() + 3600)  # the wait for the lists does not count
    cluster.synced = True
    readiness.check()

    cluster.clock.move_to(cluster.clock.monotonic() + grace - 1)
    assert readiness.check() is not None
    cluster.clock.move_to(cluster.clock.monotonic() + 1)
    assert readiness.check() is None


def test_once_ready_it_stays_so_when_all_data_is_lost() -> None:
    cluster = Cluster()
    readiness = cluster.readiness()
    cluster.synced, cluster.nodes, cluster.pods = True, 1, 1
    readiness.check()

    cluster.synced, cluster.nodes, cluster.pods = False, 0, 0

    assert readiness.check() is None
