"""One replica's loop against a cluster in memory: what goes wrong is said once, and what was served is served on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

import pytest

from metrics_api.errors import KubeError, KubeStatusError, KubeUnreachableError, StartupError
from metrics_api.objects import WRITTEN, APIServiceState, Endpoint, LeaseState, ObjectName, SecretState
from metrics_api.pki import KeyPair
from metrics_api.verifiedtls.decide import MANAGED, SWITCH, Presented, digest
from metrics_api.verifiedtls.dial import dial_all
from metrics_api.verifiedtls.loop import Dial, Timing, VerifiedTls
from metrics_api.verifiedtls.material import (
    Change,
    Lifetimes,
    Material,
    believes,
    change,
    read,
    server_name,
    shown,
    write,
)
from tests.fakes import FakeClock, settle

SERVICE = ObjectName("kube-system", "metrics-server")
INSECURE = APIServiceState("v1beta1.metrics.k8s.io", "1", SERVICE, is_insecure=True, ca_bundle=b"")
TIMING = Timing(period=20, soon=2, settle=300, lease=60)


class InMemory:
    """The objects, with the optimistic concurrency of Kubernetes; no endpoint is ever ready."""

    def __init__(self) -> None:
        self.held: SecretState | None = SecretState("1", {})
        self.leased: LeaseState | None = LeaseState("1")
        self.registered = [INSECURE]
        self.refusal: KubeError | None = None
        self.writes = 0

    async def secret(self) -> SecretState | None:
        if self.refusal is not None:
            raise self.refusal
        return self.held

    async def write_secret(
        self, version: str, data: Mapping[str, bytes | None], annotations: Mapping[str, str | None]
    ) -> None:
        if self.held is None or version != self.held.version:
            raise KubeStatusError(409, "Conflict", "modified")
        self.writes += 1
        entries = {**self.held.data, **data}
        marks = {**self.held.annotations, **annotations}
        self.held = SecretState(
            str(int(version) + 1),
            {key: value for key, value in entries.items() if value is not None},
            {key: value for key, value in marks.items() if value is not None},
        )

    async def lease(self) -> LeaseState | None:
        return self.leased

    async def write_lease(self, lease: LeaseState) -> None:
        if self.leased is None or lease.version != self.leased.version:
            raise KubeStatusError(409, "Conflict", "modified")
        self.leased = replace(lease, version=str(int(lease.version) + 1))

    async def api_services(self) -> Sequence[APIServiceState]:
        return self.registered

    async def set_trust(
        self, api_service: APIServiceState, ca_bundle: bytes | None, annotations: Mapping[str, str | None]
    ) -> None:
        raise AssertionError("no endpoint is ready")

    async def endpoints(self) -> Sequence[Endpoint]:
        return []


class Listener:
    """Where pairs are served."""

    def __init__(self) -> None:
        self.pairs: list[KeyPair] = []
        self.is_broken = False

    def serve(self, pair: KeyPair) -> None:
        if self.is_broken:
            raise StartupError("cannot write")
        self.pairs.append(pair)


@contextlib.asynccontextmanager
async def running(
    cluster: InMemory, clock: FakeClock, name: str = "a", dial: Dial = dial_all
) -> AsyncIterator[tuple[VerifiedTls, Listener]]:
    listener = Listener()
    loop = VerifiedTls(cluster, SERVICE, clock, listener.serve, identity=name, timing=TIMING, dial=dial)
    task = asyncio.create_task(loop.run())
    await settle()
    try:
        yield loop, listener
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_an_empty_secret_is_filled_and_served() -> None:
    cluster, clock = InMemory(), FakeClock()
    async with running(cluster, clock) as (loop, listener):
        await clock.advance(3)

        assert cluster.held is not None
        held = read(cluster.held.data)
        assert held is not None
        assert listener.pairs == [held.leaf]
        assert cluster.held.annotations == {"metrics-api/verified-tls": "managed"}
        assert loop.readiness() is None
        assert cluster.leased is not None
        assert cluster.leased.holder == "a"
    assert cluster.leased.holder == ""  # given up with a farewell


async def test_two_replicas_serve_one_certificate_and_one_of_them_writes() -> None:
    cluster, clock = InMemory(), FakeClock()
    async with running(cluster, clock) as (_, first), running(cluster, clock, "b") as (_, second):
        await clock.advance(50)

        assert first.pairs == second.pairs
        assert len(first.pairs) == cluster.writes == 1


async def test_an_authority_is_replaced_when_a_person_wants_it() -> None:
    cluster, clock = InMemory(), FakeClock()
    async with running(cluster, clock):
        await clock.advance(3)
        assert cluster.held is not None
        before = read(cluster.held.data)
        cluster.held = replace(cluster.held, annotations={**cluster.held.annotations, "metrics-api/rotate": "now"})
        await clock.advance(400)
        after = read(cluster.held.data)

        assert before is not None
        assert after is not None
        assert after.previous == before.signing.certificate
        assert "metrics-api/rotate" not in cluster.held.annotations


async def test_what_is_forbidden_is_said_with_what_grants_it(caplog: pytest.LogCaptureFixture) -> None:
    cluster, clock = InMemory(), FakeClock()
    cluster.refusal = KubeStatusError(403, "Forbidden", 'secrets "metrics-server-serving" is forbidden')
    async with running(cluster, clock) as (loop, _):
        await clock.advance(100)
        assert loop.readiness()

    assert caplog.text.count("the overlay verified-tls grants it") == 1


async def test_while_kube_apiserver_is_away_what_was_served_is_served_on_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster, clock = InMemory(), FakeClock()
    async with running(cluster, clock) as (loop, listener):
        await clock.advance(3)
        cluster.refusal = KubeUnreachableError("no answer")
        await clock.advance(200)
        assert loop.readiness() is None
        assert len(listener.pairs) == 1
        cluster.refusal = None
        await clock.advance(30)

    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len([text for text in said if "no answer" in text]) == 1


async def test_a_replica_is_not_ready_while_kube_apiserver_would_not_believe_it() -> None:
    cluster, clock = InMemory(), FakeClock()
    cluster.registered = [replace(INSECURE, is_insecure=False, ca_bundle=b"of another authority")]
    cluster.leased = None
    async with running(cluster, clock) as (loop, _):
        await clock.advance(30)
        assert "not signed by the caBundle of v1beta1.metrics.k8s.io" in (loop.readiness() or "")
        cluster.registered = [INSECURE]
        await clock.advance(30)
        assert loop.readiness() is None
        cluster.registered = [replace(INSECURE, is_insecure=False, ca_bundle=b"of another authority")]
        await clock.advance(30)
        assert loop.readiness() is None  # once ready it stays so: without it the API would have no endpoint at all


async def test_a_container_that_restarts_is_ready_with_the_certificate_of_its_last_life() -> None:
    cluster, clock = InMemory(), FakeClock()
    held = change(Change.MAKE, None, SERVICE, Lifetimes(), clock.now())
    cluster.held = None
    cluster.registered = [replace(INSECURE, is_insecure=False, ca_bundle=held.bundle)]
    listener = Listener()
    shows = shown(held.leaf.certificate)
    loop = VerifiedTls(cluster, SERVICE, clock, listener.serve, identity="a", shown=shows, timing=TIMING)
    task = asyncio.create_task(loop.run())
    await settle()

    assert loop.readiness() is None
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize(
    ("managed", "filled"), [({"metrics-api/verified-tls": "managed"}, True), ({}, False)], ids=["ours", "not ours"]
)
async def test_a_broken_secret_is_replaced_when_it_is_ours_and_kept_when_it_is_not(
    managed: dict[str, str], filled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    cluster, clock = InMemory(), FakeClock()
    broken = {"tls.crt": b"broken", "tls.key": b"broken"}
    cluster.held = SecretState("1", broken, managed)
    async with running(cluster, clock) as (_, listener):
        await clock.advance(30)

        assert (cluster.held.data != broken) is filled
        assert bool(listener.pairs) is filled
    assert "it is of no use" in caplog.text


async def test_a_missing_lease_is_said_and_nobody_writes(caplog: pytest.LogCaptureFixture) -> None:
    cluster, clock = InMemory(), FakeClock()
    cluster.leased = None
    async with running(cluster, clock):
        await clock.advance(100)

    assert cluster.writes == 0
    assert "Lease: it is gone" in caplog.text


async def test_a_pair_that_cannot_be_served_is_said_and_does_no_harm_to_the_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster, clock = InMemory(), FakeClock()
    async with running(cluster, clock) as (_, listener):
        listener.is_broken = True
        await clock.advance(100)

    assert cluster.writes == 1
    assert "Listener: cannot write" in caplog.text


def secret_of(held: Material, version: str) -> SecretState:
    data = {key: value for key, value in write(held).items() if value is not None}
    return SecretState(version, data, {SWITCH: MANAGED})


class Verifying(InMemory):
    """kube-apiserver verifies by the authority of the Secret, which can be exchanged for another."""

    def __init__(self, held: Material) -> None:
        super().__init__()
        self.held = secret_of(held, "1")
        marks = {WRITTEN: digest(held.bundle)}
        self.registered = [replace(INSECURE, is_insecure=False, ca_bundle=held.bundle, annotations=marks)]
        self.may_write = True

    async def set_trust(
        self, api_service: APIServiceState, ca_bundle: bytes | None, annotations: Mapping[str, str | None]
    ) -> None:
        if not self.may_write:
            raise KubeStatusError(403, "Forbidden", "not now")
        marks = {key: value for key, value in annotations.items() if value is not None}
        self.registered = [replace(api_service, ca_bundle=ca_bundle or b"", annotations=marks)]

    def trusts(self, listener: Listener, clock: FakeClock) -> bool:
        certificate = shown(listener.pairs[-1].certificate)
        return all(believes(each.ca_bundle, certificate, server_name(SERVICE), clock.now()) for each in self.registered)


@pytest.mark.parametrize("may_write", [True, False], ids=["", "and nobody may write"])
async def test_no_request_fails_when_the_secret_is_exchanged_for_another(may_write: bool) -> None:
    clock = FakeClock()
    old, other = (change(Change.MAKE, None, SERVICE, Lifetimes(), clock.now()) for _ in range(2))
    cluster, listeners = Verifying(old), list[Listener]()

    async def dial(_endpoints: Sequence[Endpoint], _name: str) -> list[Presented]:
        return [
            Presented(Endpoint("10.0.0.1", port), shown(each.pairs[-1].certificate))
            for port, each in enumerate(listeners)
        ]

    async with running(cluster, clock, "a", dial) as (_, first), running(cluster, clock, "b", dial) as (_, second):
        listeners += [first, second]
        await clock.advance(30)
        assert first.pairs == second.pairs == [old.leaf]
        cluster.held, cluster.may_write = secret_of(other, "99"), may_write
        for _ in range(400):
            await clock.advance(1)
            assert cluster.trusts(first, clock)
            assert cluster.trusts(second, clock)

        assert first.pairs == second.pairs == ([old.leaf, other.leaf] if may_write else [old.leaf])
        assert cluster.registered[0].ca_bundle == (other.bundle if may_write else old.bundle)
