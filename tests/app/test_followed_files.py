"""Certificates, keys and authorities on disk, which a running program looks at from time to time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from metrics_api.app.program import Program
from metrics_api.pki import Authority
from metrics_api.settings.parse import parse_settings
from tests.fakes import FakeClock
from tests.serving.test_keeper import connected, issue, write

PERIOD = 60
"""Seconds; what follows from a Secret that the kubelet renews is as old as that already."""


async def test_a_running_program_takes_what_has_changed_within_a_minute(tmp_path: Path) -> None:
    pair, users = write(tmp_path, "serving", issue("first")), tmp_path / "users.pem"
    users.write_bytes(Authority.create("users").certificate)
    (tmp_path / "kubeconfig").write_text(
        "current-context: a\ncontexts: [{name: a, context: {cluster: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n"
    )
    settings = parse_settings(
        [
            *("--bind-address=127.0.0.1", "--secure-port=0", f"--kubeconfig={tmp_path / 'kubeconfig'}"),
            *(f"--tls-cert-file={pair.certificate_file}", f"--tls-private-key-file={pair.key_file}"),
            *(f"--client-ca-file={users}", "--authentication-skip-lookup", "--authorization-always-allow-paths=/"),
        ],
        {},
    )
    clock = FakeClock(time.time())
    program = Program(settings, clock)
    running = asyncio.create_task(program.run())
    try:
        async with connected(program.port) as old:
            assert old.server_name == "first"
            write(tmp_path, "serving", issue("second"))
            later = Authority.create("later").certificate
            users.write_bytes(later)
            await clock.advance(PERIOD)

            async with connected(program.port) as new:
                assert new.server_name == "second"
            assert program._admission.trust.client_ca == later
            assert await old.get() == b"200"
    finally:
        running.cancel()
        await asyncio.wait([running])
