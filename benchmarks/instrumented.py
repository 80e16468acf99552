"""Our server with two instruments in it, for ``benchmarks.loop``.

They see every pause of the garbage collector, and the event loop's lag, looked at 200 times a second.
``python -m benchmarks.instrumented FILE serve …`` writes both when it ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from metrics_api.app.program import Program
from metrics_api.settings.parse import parse_settings

_LOOK_EVERY = 0.005


class Instruments:
    """What they have seen, in milliseconds, each with the time at which it was seen."""

    def __init__(self) -> None:
        self.pauses: list[tuple[float, int, float]] = []
        """When, which generation, how long."""
        self.lags: list[tuple[float, float]] = []
        self._began = self._pause_began = time.perf_counter()

    def collector(self, phase: str, info: dict[str, int]) -> None:
        """Note when the collector starts and stops."""
        now = time.perf_counter()
        if phase == "start":
            self._pause_began = now
        else:
            self.pauses.append((now - self._began, info["generation"], (now - self._pause_began) * 1000))

    async def watch_loop(self) -> None:
        """Note how late the loop is, until cancelled."""
        while True:
            due = time.perf_counter() + _LOOK_EVERY
            await asyncio.sleep(_LOOK_EVERY)
            now = time.perf_counter()
            self.lags.append((now - self._began, (now - due) * 1000))


async def _serve(arguments: Sequence[str], instruments: Instruments) -> None:
    program = Program(parse_settings(arguments, os.environ))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, program.stopping.set)
    watching = asyncio.create_task(instruments.watch_loop())
    await program.run()
    watching.cancel()


def main() -> None:
    """Serve until SIGTERM, then write what was seen."""
    import uvloop

    path, command, *arguments = sys.argv[1:]
    if command != "serve":
        sys.exit("only serve can be instrumented")
    instruments = Instruments()
    gc.callbacks.append(instruments.collector)
    uvloop.run(_serve(arguments, instruments))
    gc.callbacks.clear()
    Path(path).write_text(json.dumps({"pauses": instruments.pauses, "lags": instruments.lags}))


if __name__ == "__main__":
    main()
