"""Fuzz for as long as told: ``python -m tests.fuzz --seconds 60``, each target in a process of its own.

Guided by coverage where atheris is installed, else by hypothesis. A crash prints what reproduces it, and the exit code
is the number of targets that had one.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import time
from pathlib import Path

_CACHE = Path(".cache/fuzz")


def main() -> int:
    """Run all targets, or do for one what the options say."""
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; repeatable")
    parser.add_argument("--reproduce", type=Path, help="run the one target with the bytes of this file")
    options = parser.parse_args()
    names = options.target or list(TARGETS)
    if options.reproduce is not None:
        TARGETS[names[0]].run(options.reproduce.read_bytes())
        return 0
    return sum(_failed(name, options.seconds) for name in names)


def _failed(name: str, seconds: int) -> bool:
    _say(f"== {name}")
    corpus, crashes = _CACHE / name, _CACHE / f"{name}-crashes"
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    code = "from tests.fuzz.__main__ import fuzz; fuzz()"
    flags = [f"-max_total_time={seconds}", f"-artifact_prefix={crashes}/", "-rss_limit_mb=2048", "-print_final_stats=1"]
    ended = subprocess.run([sys.executable, "-c", code, *flags, str(corpus), name], check=False)
    if ended.returncode:
        _say(f"{name}: crashed; if a file was written: python -m tests.fuzz --target {name} --reproduce {crashes}/…")
    return ended.returncode != 0


def fuzz() -> None:
    """Fuzz one target until the time is over; for a process of its own, with libFuzzer's flags, corpus and target."""
    *arguments, name = sys.argv
    logging.disable()
    try:
        import atheris
    except ImportError:
        seconds = next(int(each.partition("=")[2]) for each in arguments if each.startswith("-max_total_time="))
        _by_hypothesis(name, seconds)
        return
    with atheris.instrument_imports(include=["metrics_api", "yaml"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    corpus = Path(arguments[-1])
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup(arguments, target.run)
    atheris.Fuzz()


def _by_hypothesis(name: str, seconds: int) -> None:
    from hypothesis import HealthCheck, given, seed, settings

    from tests.fuzz.spoiling import spoiled
    from tests.fuzz.targets import TARGETS

    target, ends, rounds = TARGETS[name], time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        rounds += 1
        budget = settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        seed(rounds)(budget(given(spoiled(target.seeds))(target.run)))()
    _say(f"{rounds * 500} inputs, none crashed (without atheris: not guided by coverage)")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
