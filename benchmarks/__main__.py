"""Run every benchmark, each in a process of its own, and print what they print."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys

import metrics_api

BENCHMARKS: dict[str, tuple[list[str], list[str]]] = {
    "benchmarks.routes": ([], []),
    "benchmarks.formats": ([], ["--quick"]),
    "benchmarks.auth": (["--rounds", "25"], ["--rounds", "3", "--requests", "1000", "--users", "100"]),
    "benchmarks.decode": ([], ["--rounds", "5"]),
    "benchmarks.record": ([], ["--nodes", "100", "--rounds", "3"]),
    "benchmarks.start": ([], ["--quick"]),
    "benchmarks.exchange": ([], ["--rounds", "10"]),
    "benchmarks.scrape": ([], ["--quick"]),
    "benchmarks.memory": ([], ["--quick"]),
    "benchmarks.peers": ([], ["--nodes", "100"]),
    "benchmarks.restart": ([], ["--nodes", "20"]),
    "benchmarks.faults": (["--nodes", "1000", "--rounds", "3"], ["--quick"]),
    "benchmarks.localcluster": ([], ["--nodes", "100"]),
    "benchmarks.watch": (["--pods", "150000"], ["--pods", "5000"]),
    "benchmarks.watchers": ([], ["--quick"]),
    "benchmarks.read_path": (["--nodes", "100", "1000"], ["--quick"]),
    "benchmarks.loop": (["--nodes", "1000"], ["--quick"]),
    "benchmarks.scale": (["--nodes", "100", "300", "1000"], ["--quick"]),
    "benchmarks.compare": ([], ["--quick"]),
}
"""Module -> its arguments in full, and for a quick run."""


def main() -> int:
    """Run them; return the number of those that failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small clusters and few rounds")
    options = parser.parse_args()
    print(f"metrics-api {metrics_api.__version__}, {platform.machine()}, {platform.system()}")
    failed = 0
    for module, (full, quick) in BENCHMARKS.items():
        print(f"\n== {module}", flush=True)
        failed += subprocess.run([sys.executable, "-m", module, *(quick if options.quick else full)]).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
