"""The command line: which command is meant, and what its end means to the shell.

The image's entry point is this program without a command, so that it takes metrics-server's arguments as they stand:
a first argument that is a flag, or none at all, means ``serve``. Commands are imported when they are called.

Exit codes: 0 done, 1 cannot run, 2 wrong flags or settings, 130 interrupted, 141 nobody reads the output. ``doctor``
has its own.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from metrics_api import __version__
from metrics_api.errors import KubeConfigError, SettingsError, StartupError

EXIT_CANNOT_RUN = 1
EXIT_WRONG_SETTINGS = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count
EXIT_OUTPUT_CLOSED = 141  # 128 + SIGPIPE


class Command(NamedTuple):
    """A command."""

    module: str
    """Where ``run(arguments: Sequence[str]) -> int`` is."""
    summary: str


COMMANDS = {
    "serve": Command("metrics_api.commands.serve", "serve metrics.k8s.io in a cluster; the default"),
    "demo": Command("metrics_api.commands.demo", "run a cluster in this process and serve its metrics"),
    "verified-tls": Command(
        "metrics_api.commands.verified_tls", "show, undo or allow that kube-apiserver verifies the server"
    ),
    "top": Command("metrics_api.commands.top", "show usage of nodes and pods"),
    "compare": Command("metrics_api.commands.compare", "compare with the metrics server that a cluster has"),
    "doctor": Command("metrics_api.commands.doctor", "say why metrics are missing, and what to do"),
}


def main(arguments: Sequence[str] | None = None, *, commands: Mapping[str, Command] = COMMANDS) -> int:
    """Run a command and return the exit code.

    Args:
        arguments: Without the program's name; ``None``: those of the process.
        commands: Name -> command.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    name, rest = _choose(words)
    try:
        code = _run(name, rest, commands)
        sys.stdout.flush()  # here, where a closed pipe can still be answered for
    except SettingsError as error:
        _complain(*error.faults, f"see metrics-api {name} --help")
        return EXIT_WRONG_SETTINGS
    except (StartupError, KubeConfigError) as error:
        _complain(str(error))
        return EXIT_CANNOT_RUN
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes once more at its end, and must not fail there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OUTPUT_CLOSED
    return code


def _choose(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    if not words:
        return "serve", words
    if words[0] in ("-h", "--help", "help"):
        return "help", words[1:]
    return ("serve", words) if words[0].startswith("-") else (words[0], words[1:])


def _run(name: str, rest: Sequence[str], commands: Mapping[str, Command]) -> int:
    if name == "help":
        sys.stdout.write(_overview(commands))
        return 0
    if name == "version":
        return _version(rest)
    if name not in commands:
        nearest = "".join(get_close_matches(name[:100], commands, n=1))
        _complain(
            f"unknown command {name[:100]!a}" + (f", did you mean {nearest}?" if nearest else ""),
            "see metrics-api --help",
        )
        return EXIT_WRONG_SETTINGS
    if name == "serve" and _answer_request(rest):
        return 0
    run: Callable[[Sequence[str]], int] = importlib.import_module(commands[name].module).run
    return run(rest)


def _version(rest: Sequence[str]) -> int:
    if rest and rest[0] in ("-h", "--help"):
        sys.stdout.write(
            "usage: metrics-api version\n\nPrint the version; metrics-api --version prints nothing beside it.\n"
        )
        return 0
    if rest:
        _complain(f"version takes no arguments, not {rest[0][:100]!a}")
        return EXIT_WRONG_SETTINGS
    sys.stdout.write(f"metrics-api v{__version__}\n")
    return 0


def _answer_request(arguments: Sequence[str]) -> bool:
    """Print help or version when the flags ask for it; ``--version`` prints no more than metrics-server's does."""
    if list(arguments) == ["--version"]:
        request = "version"  # without loading the flags
    else:
        from metrics_api.settings.parse import find_request

        request = find_request(arguments) or ""
    if request == "version":
        sys.stdout.write(f"v{__version__}\n")
    elif request == "help":
        from metrics_api.settings.document import render_help

        sys.stdout.write(render_help())
    return bool(request)


def _overview(commands: Mapping[str, Command]) -> str:
    lines = [f"  {name:<12} {command.summary}" for name, command in commands.items()]
    return "\n".join(
        [
            "Resource metrics of a Kubernetes cluster's nodes and pods (metrics.k8s.io).",
            "",
            "Usage:",
            "  metrics-api [command] [flags]",
            "",
            "Commands:",
            *lines,
            "  version      print the version",
            "",
            "Without a command the flags are those of serve: metrics-api serve --help lists them.",
            "",
        ]
    )


def _complain(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
