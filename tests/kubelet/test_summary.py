"""Summary documents as kubelets write them."""

from __future__ import annotations

import pytest

from metrics_api.errors import ScrapeError
from metrics_api.model import Endpoint, Sample
from tests.kubelet.documents import NOW, container, containers_of, pod, read, summary, summary_of

COREDNS = "kube-system/coredns-7c65d6cfc9-2zq8n/coredns"
KUBE_PROXY = "kube-system/kube-proxy-9fj2k/kube-proxy"
WEB = "shop/web-6d4b75cb6d-hx7wl/web"
ENVOY = "shop/web-6d4b75cb6d-hx7wl/envoy"

# The kubelet's own rates, as the table that came with the documents gives them.
RATES = {
    "t0": {"": 412318774, COREDNS: 3104411, KUBE_PROXY: 812004, WEB: 248113905, ENVOY: 5221904},
    "t15": {"": 436822346, COREDNS: 3187695, KUBE_PROXY: 798543, WEB: 250413434, ENVOY: 5310007},
    "t30_restart": {"": 447546307, COREDNS: 3150397, KUBE_PROXY: 801125, WEB: 121400550, ENVOY: 5290715},
}


@pytest.mark.parametrize("scrape", RATES)
def test_rates_are_those_the_kubelet_computed(scrape: str) -> None:
    samples = summary_of(read(f"summary_small_cpumem_{scrape}.json"))
    found = {name: sample.cpu_rate for name, sample in containers_of(samples).items()}
    assert samples.node is not None
    assert {"": samples.node.cpu_rate, **found} == RATES[scrape]
    assert samples.dropped == {}


@pytest.mark.parametrize(
    ("before", "after", "series", "seconds", "naive"),
    [
        ("t0", "t15", "", 10, 437346534),
        ("t0", "t15", COREDNS, 16, 3108402),
        ("t0", "t15", KUBE_PROXY, 17, 771627),
        ("t0", "t15", WEB, 16, 249646543),
        ("t0", "t15", ENVOY, 16, 5457028),
        ("t15", "t30_restart", "", 20, 445509971),
        ("t15", "t30_restart", COREDNS, 16, 3284487),
        ("t15", "t30_restart", KUBE_PROXY, 13, 833663),
        ("t15", "t30_restart", ENVOY, 13, 4949668),
    ],
)
def test_counters_and_times_give_the_rate_of_the_table(
    before: str, after: str, series: str, seconds: int, naive: int
) -> None:
    def sample(scrape: str) -> Sample:
        samples = summary_of(read(f"summary_small_cpumem_{scrape}.json"))
        found = containers_of(samples)[series] if series else samples.node
        assert found is not None
        return found

    first, second = sample(before), sample(after)
    assert first.cpu_total is not None
    assert second.cpu_total is not None
    assert second.time - first.time == seconds
    assert (second.cpu_total - first.cpu_total) / seconds == pytest.approx(naive, abs=1)


def test_a_whole_sample_has_time_counter_rate_memory_and_start() -> None:
    samples = summary_of(read("summary_small_cpumem_t0.json"))
    assert containers_of(samples)[COREDNS] == Sample(NOW - 10, 41234567890, 3104411, 24707072, NOW - 86398)
    assert samples.node == Sample(NOW - 5, 86400123456789, 412318774, 1932735283, NOW - 700320)
    assert (samples.endpoint, samples.time_step) == (Endpoint.SUMMARY, 1.0)
    assert (samples.requested, samples.received, samples.unstamped) == (NOW - 0.1, NOW, False)


def test_a_restarted_container_has_a_new_start() -> None:
    restarted = containers_of(summary_of(read("summary_small_cpumem_t30_restart.json")))[WEB]
    assert restarted.start_time == NOW + 12
    assert restarted.cpu_total == 1463008122


def test_the_full_document_gives_the_same_containers() -> None:
    full = summary_of(read("summary_small_full.json"))
    assert containers_of(full) == containers_of(summary_of(read("summary_small_cpumem_t0.json")))


def test_static_pods_keep_the_uid_that_the_kubelet_gave_them() -> None:
    samples = summary_of(read("summary_controlplane_static_init_sidecar.json"), "cp-1")
    assert {each.name: each.uid for each in samples.pods}["etcd-cp-1"] == "a1b2c3d4e5f60718293a4b5c6d7e8f90"
    assert samples.dropped == {}


def test_zeros_are_values_and_absent_is_absent() -> None:
    found = containers_of(summary_of(read("summary_cri_no_usagenanocores_cpumem.json"), "node-cri"))
    assert found["prod/api-0/api"] == Sample(NOW, 212345678901, None, 104857600, NOW - 998)
    assert found["prod/odd-0/odd"] == Sample(NOW, 0, None, 0, NOW - 399)
    half = containers_of(summary_of(read("summary_cri_full_missing_fields.json"), "node-cri"))["prod/odd-0/half"]
    assert half == Sample(NOW, 112345678, None, None, NOW - 399)


@pytest.mark.parametrize(
    ("file", "name", "pods"),
    [
        ("summary_cgroupv2_swap_psi_full.json", "node-swap", 1),
        ("summary_136_psi_unsupported_cpumem.json", "node-cgv1", 1),
        ("summary_windows_136_full_t0.json", "win-node-1", 2),
        ("summary_windows_136_full_t30.json", "win-node-1", 2),
        ("summary_fargate_cpumem.json", "fargate-ip-10-0-150-7.eu-west-1.compute.internal", 1),
        ("summary_empty_node.json", "node-new", 0),
        ("summary_all_zero_cgroup_mismatch.json", "node-zero", 1),
        ("summary_first_sample_zero_nano.json", "node-boot", 1),
        ("captured/summary.json", "localhost", 4),
        ("captured/summary-only-cpu-and-memory.json", "localhost", 4),
    ],
)
def test_every_kind_of_node_is_understood_whole(file: str, name: str, pods: int) -> None:
    samples = summary_of(read(file), name)
    assert len(samples.pods) == pods
    assert samples.node is not None
    assert samples.dropped == {}


def test_a_virtual_kubelet_has_pods_but_says_nothing_of_its_node() -> None:
    samples = summary_of(read("summary_virtual_kubelet_aci.json"), "virtual-node-aci-linux")
    assert samples.node is None
    assert containers_of(samples)["burst/worker-5f9c7/worker"].cpu_rate == 250000000
    assert samples.dropped == {}


def test_pods_null_is_a_node_without_pods() -> None:
    samples = summary_of(read("summary_pods_null.json"), "vk-empty")
    assert (samples.pods, samples.node, samples.dropped) == ([], None, {})


def test_a_captured_document_agrees_with_what_the_kubelet_said() -> None:
    samples = summary_of(read("captured/summary-only-cpu-and-memory.json"), "localhost")
    assert samples.node is not None
    assert (samples.node.cpu_total, samples.node.cpu_rate) == (2700953429477, 1859782878)
    assert set(containers_of(samples)) == {
        "kube-system/static-web-localhost/web",
        "shop/burner/burn",
        "shop/crasher/crash",
        "shop/crasher/steady",
        "shop/two-containers/app",
        "shop/two-containers/log",
        "shop/two-containers/proxy",
    }


@pytest.mark.parametrize("containers", [None, []], ids=["null", "empty"])
def test_a_pod_of_which_only_the_sandbox_lives_is_left_out(containers: object) -> None:
    samples = summary_of(summary(pod("sandbox-0", "uid-1", containers=containers), pod("web-0", "uid-2")))
    assert [each.name for each in samples.pods] == ["web-0"]
    assert samples.dropped == {}


@pytest.mark.parametrize("time", [None, ...], ids=["null", "absent"])
def test_a_cpu_reading_without_a_time_takes_that_of_the_memory(time: object) -> None:
    cpu = {key: value for key, value in (("time", time), ("usageCoreNanoSeconds", 7)) if value is not ...}
    (found,) = containers_of(summary_of(summary(pod(containers=[container(cpu=cpu)])))).values()
    assert found == Sample(NOW - 9, 7, None, 4096, NOW - 3600)


def test_a_cpu_block_without_readings_leaves_the_memory_its_own_time() -> None:
    stats = container(cpu={"time": "2026-09-01T11:59:00Z"})
    (found,) = containers_of(summary_of(summary(pod(containers=[stats])))).values()
    assert found == Sample(NOW - 9, None, None, 4096, NOW - 3600)


def test_a_container_without_any_reading_is_no_sample_and_no_fault() -> None:
    stats = container("init", cpu=..., memory=...)
    samples = summary_of(summary(pod(containers=[stats, container()])))
    assert [*containers_of(samples)] == ["shop/web-0/app"]
    assert samples.dropped == {}


def test_another_nodes_document_is_refused_as_a_whole() -> None:
    with pytest.raises(ScrapeError, match="'some-other-node'") as caught:
        summary_of(read("faults/node_name_mismatch.json"))
    assert caught.value.reason == "wrong_node"
