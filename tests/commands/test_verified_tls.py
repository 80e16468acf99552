"""``metrics-api verified-tls`` against APIServices in memory; the end-to-end tests use it on a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from metrics_api.commands.verified_tls import allow, insist, run, table, undo, undo_all
from metrics_api.errors import KubeStatusError
from metrics_api.objects import APIServiceState, ObjectName
from metrics_api.pki import Authority
from metrics_api.verifiedtls.material import ends_of

CA = Authority.create("ours")
END = ends_of(CA.certificate)[0]
SERVICE = ObjectName("kube-system", "metrics-server")
VERIFIED = APIServiceState(
    "v1beta1.metrics.k8s.io",
    "1",
    SERVICE,
    is_insecure=False,
    ca_bundle=CA.certificate,
    annotations={"metrics-api/ca-bundle": "sha256:x"},
)
FRESH = replace(VERIFIED, is_insecure=True, ca_bundle=b"", annotations={})
UNDONE = replace(FRESH, annotations={"metrics-api/verified-tls": "off"})


class Store:
    """One APIService; the first ``conflicts`` writes come too late."""

    def __init__(self, held: APIServiceState, conflicts: int = 0) -> None:
        self.held = held
        self.writes = 0
        self._conflicts = conflicts

    async def find(self, names: Sequence[str]) -> list[APIServiceState]:
        return [self.held] if self.held.name in names else []

    async def set_trust(
        self, api_service: APIServiceState, ca_bundle: bytes | None, annotations: Mapping[str, str | None]
    ) -> None:
        if self._conflicts:
            self._conflicts -= 1
            raise KubeStatusError(409, "Conflict", "modified")
        self.writes += 1
        merged = {**api_service.annotations, **annotations}
        kept = {key: value for key, value in merged.items() if value is not None}
        self.held = replace(api_service, is_insecure=ca_bundle is None, ca_bundle=ca_bundle or b"", annotations=kept)


async def test_undo_takes_the_bundle_away_and_allow_lets_the_server_set_it_again() -> None:
    store = Store(VERIFIED)
    assert "is verified no more" in await insist(store, VERIFIED.name, undo)
    assert store.held == UNDONE
    assert "undone before" in await insist(store, VERIFIED.name, undo)

    assert "may have itself verified" in await insist(store, VERIFIED.name, allow)
    assert store.held == FRESH
    assert "was not undone" in await insist(store, VERIFIED.name, allow)
    assert store.writes == 2


class Several(Store):
    """More APIServices than one."""

    def __init__(self, *held: APIServiceState) -> None:
        super().__init__(held[0])
        self.all = {each.name: each for each in held}

    async def find(self, names: Sequence[str]) -> list[APIServiceState]:
        return [self.all[name] for name in names if name in self.all]

    async def set_trust(
        self, api_service: APIServiceState, ca_bundle: bytes | None, annotations: Mapping[str, str | None]
    ) -> None:
        await super().set_trust(api_service, ca_bundle, annotations)
        self.all[api_service.name] = self.held


async def undone(*held: APIServiceState) -> list[APIServiceState]:
    store = Several(*held)
    await undo_all(store, held)
    return list(store.all.values())


async def test_undo_reaches_every_api_service_of_the_service_and_no_other() -> None:
    v1 = replace(FRESH, name="v1.metrics.k8s.io")
    others = replace(v1, service=ObjectName("monitoring", "prometheus-adapter"))

    assert await undone(VERIFIED, v1) == [UNDONE, replace(UNDONE, name=v1.name)]
    assert await undone(VERIFIED, others) == [UNDONE, others]


async def test_undo_before_the_server_wrote_anything_keeps_it_away(capsys: pytest.CaptureFixture[str]) -> None:
    assert await undone(FRESH) == [UNDONE]
    assert "was not verified, and the server keeps away from it now" in capsys.readouterr().out


async def test_allow_changes_nothing_but_the_mark() -> None:
    by_roots = replace(VERIFIED, ca_bundle=b"", annotations={})
    for held in (FRESH, by_roots, replace(VERIFIED, annotations={})):
        store = Store(replace(held, annotations=UNDONE.annotations))
        await insist(store, held.name, allow)

        assert store.held == held


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (replace(VERIFIED, annotations={}), "not set by this server: left alone. To remove it by hand: kubectl patch"),
        (replace(FRESH, service=None), "left alone"),
    ],
    ids=["a bundle by another hand", "kube-apiserver's own"],
)
async def test_where_the_server_wrote_nothing_nothing_is_undone(
    theirs: APIServiceState, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await undone(theirs) == [theirs]
    assert said in capsys.readouterr().out


async def test_undo_insists_when_the_server_writes_at_the_same_time() -> None:
    store = Store(VERIFIED, conflicts=2)
    await insist(store, VERIFIED.name, undo)
    assert store.held == UNDONE

    with pytest.raises(KubeStatusError, match="modified"):
        await insist(Store(VERIFIED, conflicts=99), VERIFIED.name, undo)


@pytest.mark.parametrize(
    ("api_service", "now", "cells"),
    [
        (VERIFIED, END - 1, ["yes", "metrics-api"]),
        (VERIFIED, END + 1, ["impossible", "metrics-api"]),
        (replace(VERIFIED, annotations={}), END - 1, ["yes", "another"]),
        (replace(VERIFIED, ca_bundle=b""), END, ["by kube-apiserver's own roots"]),
        (UNDONE, END, ["no (undone)"]),
        (replace(FRESH, service=None), END, ["no"]),
    ],
    ids=["verified", "ended", "by another", "roots", "undone", "local"],
)
def test_show_says_how_it_stands(api_service: APIServiceState, now: float, cells: list[str]) -> None:
    row = table([api_service], now).splitlines()[1]

    assert row.startswith("v1beta1.metrics.k8s.io ")
    assert all(cell in row for cell in cells)


def test_a_cluster_that_cannot_be_reached_ends_with_a_reason(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", f"--kubeconfig={tmp_path}/none"]) == 1
    assert "error: " in capsys.readouterr().err


def test_an_action_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run([])
    assert "show|undo|allow" in capsys.readouterr().err
