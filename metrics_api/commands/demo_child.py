"""The demo's server as a process that does not outlive the demo: ``python -m metrics_api.commands.demo_child serve …``.

Its standard input is a pipe whose other end only the demo holds. However the demo ends, by SIGKILL too, the system
closes that end, and the server is stopped then.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

_GRACE = 15.0
"""Seconds that the server has to stop in order."""


def follow_input() -> None:
    """Return never: stop this process once its standard input has ended."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=follow_input, name="follows standard input", daemon=True).start()
    runpy.run_module("metrics_api", run_name="__main__")
