"""A start with peers of all kinds: it takes what can be had, and waits for nobody for long."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from metrics_api.app.warm_start import WarmStart
from metrics_api.clock import SystemClock
from metrics_api.handover import NodeHandover
from metrics_api.settings.values import PeerTarget, Settings
from metrics_api.store.store import Store
from tests.peers.replicas import SECRET, full_store, giving, know, known_store, stranger

GONE = PeerTarget("127.0.0.1", 1)


async def _at_once() -> None:
    """Say that nodes and pods are listed."""


def start(directory: Path, store: Store, *targets: PeerTarget, secret: bytes | None = SECRET) -> WarmStart:
    file = directory / "peers.key"
    if secret is not None:
        file.write_bytes(secret)
    settings = Settings(peer_service=targets, peer_key_file=str(file))
    return WarmStart(settings, SystemClock(), store, _at_once)


async def test_the_first_peer_that_gives_is_enough(tmp_path: Path) -> None:
    store = known_store()
    async with giving(tmp_path / "other", full_store()) as place:
        warm_start = start(tmp_path, store, GONE, PeerTarget(*place), PeerTarget("nobody.invalid"))
        assert warm_start.check() == "samples are being taken over from another replica"
        await warm_start.run()

    assert warm_start.check() is None
    assert (store.served_nodes, store.served_pods) == (3, 12)
    assert warm_start.outcome is not None
    assert warm_start.outcome[:3] == ("whole", 3, 12)


async def test_a_peer_that_lacks_nodes_does_not_keep_the_others_from_being_asked(tmp_path: Path) -> None:
    store = known_store()
    async with (
        giving(tmp_path / "one", full_store(nodes=1)) as one,
        giving(tmp_path / "other", full_store()) as other,
        giving(tmp_path / "again", full_store(nodes=2)) as again,
    ):
        warm_start = start(tmp_path, store, *(PeerTarget(*place) for place in (one, other, again)))
        await warm_start.run()

    assert (store.served_nodes, store.served_pods) == (3, 12)
    assert warm_start.outcome is not None
    assert warm_start.outcome[:3] == ("whole", 3, 12), "what two gave is counted once"


async def test_what_no_peer_has_makes_it_a_warm_start_in_part(tmp_path: Path) -> None:
    async with giving(tmp_path / "one", full_store(nodes=1)) as one:
        warm_start = start(tmp_path, known_store(), PeerTarget(*one))
        await warm_start.run()

    assert warm_start.outcome is not None
    assert warm_start.outcome[:3] == ("part", 1, 4)


async def test_without_the_flag_nobody_is_asked() -> None:
    warm_start = WarmStart(Settings(), SystemClock(), known_store(), _at_once)

    assert warm_start.is_over
    await warm_start.run()
    assert warm_start.outcome is None


@pytest.mark.parametrize(
    ("targets", "secret", "reason"),
    [
        ([GONE], SECRET, "ConnectError"),
        ([PeerTarget("nobody.invalid")], SECRET, "no peer can be found"),
        ([GONE], None, "the peers' key cannot be read"),
        ([GONE], b"short", "it needs 32"),
    ],
)
async def test_without_a_peer_the_start_is_a_cold_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, targets: list[PeerTarget], secret: bytes | None, reason: str
) -> None:
    store = known_store()
    warm_start = start(tmp_path, store, *targets, secret=secret)
    with caplog.at_level("INFO"):
        await warm_start.run()

    assert warm_start.check() is None
    assert store.served_pods == 0
    assert warm_start.outcome is not None
    assert warm_start.outcome[:3] == ("cold", 0, 0)
    (said,) = [record for record in caplog.records if record.message == "Starting without samples of other replicas"]
    assert reason in str(said.__dict__["fields"]["reason"])


async def test_a_fault_of_ours_means_a_cold_start_and_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    warm_start = start(tmp_path, known_store(), PeerTarget("a" * 64 + ".svc"))  # no label is so long: not an OSError
    await warm_start.run()

    assert warm_start.is_over
    assert "Taking over samples failed unexpectedly; this start is a cold one" in caplog.messages


async def test_replicas_that_start_together_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async with giving(tmp_path / "other", known_store()) as place:
        warm_start = start(tmp_path, known_store(), PeerTarget(*place))
        await warm_start.run()

    assert warm_start.is_over


async def test_one_that_hangs_is_left_for_the_next(tmp_path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    store = known_store()
    async with stranger(tmp_path / "silent", say_nothing) as silent, giving(tmp_path / "other", full_store()) as place:
        await start(tmp_path, store, PeerTarget(*silent), PeerTarget(*place)).run()

    assert store.served_pods == 12


class Stumbling(Store):
    """Fails at the first thing that it is given, as a defect of ours would."""

    has_failed = False

    def take_over(self, offered: NodeHandover, *, delay: float) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise LookupError("a defect")
        super().take_over(offered, delay=delay)


async def test_a_peer_with_whom_something_unforeseen_happens_is_left_for_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = know(Stumbling(SystemClock(), resolution=15, max_age=90))
    async with giving(tmp_path / "one", full_store()) as one, giving(tmp_path / "other", full_store()) as other:
        await start(tmp_path, store, PeerTarget(*one), PeerTarget(*other)).run()

    assert store.served_pods == 12
    assert "Asking a peer failed unexpectedly" in caplog.messages


async def test_nothing_is_asked_before_nodes_and_pods_are_known(tmp_path: Path) -> None:
    store = known_store()
    listed = asyncio.Event()
    (tmp_path / "key").write_bytes(SECRET)
    async with giving(tmp_path / "other", full_store()) as place:
        settings = Settings(peer_service=(PeerTarget(*place),), peer_key_file=str(tmp_path / "key"))
        warm_start = WarmStart(settings, SystemClock(), store, listed.wait)
        running = asyncio.create_task(warm_start.run())
        await asyncio.sleep(0)
        assert not warm_start.is_over
        listed.set()
        await running

    assert store.served_pods == 12
