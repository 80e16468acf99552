"""``metrics-api serve``: run the server until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

from metrics_api import logs
from metrics_api.settings.parse import parse_settings
from metrics_api.settings.values import Settings

_log = logging.getLogger(__name__)


def run(arguments: Sequence[str]) -> int:
    """Serve; return 0 after an orderly stop.

    Raises:
        SettingsError: the flags or the environment are wrong.
        StartupError: nothing can run; so does ``KubeConfigError``.
    """
    settings = parse_settings(arguments, os.environ)
    logs.configure(level=settings.verbosity, json=settings.logging_format == "json", stream=sys.stderr)
    for warning in settings.warnings:
        _log.warning(warning)
    from metrics_api.kube.kubeconfig import require_way  # after the settings, as what follows

    # Now, not when everything listens and a certificate has been written
    require_way(settings.kubeconfig, os.environ)
    import uvloop  # after the settings, so that a wrong flag is said at once

    return uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    from metrics_api.app.program import Program  # brings FastAPI

    program = Program(settings)

    def stop_or_leave() -> None:
        if not program.stopping.is_set():
            program.stopping.set()
            return
        # A second signal leaves at once, as the generic API server does.
        _log.warning("Second signal: leaving without draining")
        logging.shutdown()
        os._exit(1)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_or_leave)
    loop.add_signal_handler(signal.SIGHUP, program.reload)
    await program.run()
    return 0
