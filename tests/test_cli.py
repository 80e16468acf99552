import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from metrics_api import __version__
from metrics_api.cli import Command, main

ROOT = Path(__file__).parents[1]

COMMAND = """
from metrics_api.errors import *

def run(arguments):
    print("{name}", *arguments)
    {end}
"""

ENDS = {
    "serve": "return 0",
    "top": "return 3",
    "wrong": 'raise SettingsError(["--a is wrong", "--b is wrong"])',
    "taken": 'raise StartupError("port 443 is taken")',
    "lost": 'raise KubeConfigError("no kubeconfig")',
    "interrupted": "raise KeyboardInterrupt",
    "buggy": 'raise RuntimeError("bug")',
}


@pytest.fixture(name="commands")
def _commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Command]:
    """Return a table of commands that print their name and arguments and end in their own way."""
    for name, end in ENDS.items():
        (tmp_path / f"fake_{name}.py").write_text(COMMAND.format(name=name, end=end), encoding="utf-8")
        monkeypatch.delitem(sys.modules, f"fake_{name}", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return {name: Command(f"fake_{name}", f"the {name} command") for name in ENDS}


def run_program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "metrics_api", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        pytest.param([], "serve\n", id="nothing"),
        pytest.param(["serve"], "serve\n", id="serve"),
        pytest.param(["serve", "--secure-port=1"], "serve --secure-port=1\n", id="serve-with-flags"),
        pytest.param(
            ["--cert-dir=/tmp", "--secure-port", "10250"],
            "serve --cert-dir=/tmp --secure-port 10250\n",
            id="flags-alone",
        ),
        pytest.param(["-v", "2"], "serve -v 2\n", id="shorthand-alone"),
        pytest.param(["--unknown"], "serve --unknown\n", id="faults-are-for-serve-to-find"),
        pytest.param(["--node-selector", "--help"], "serve --node-selector --help\n", id="help-as-a-value"),
    ],
)
def test_serve_is_meant(
    arguments: list[str], printed: str, commands: Mapping[str, Command], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, commands=commands) == 0
    assert capsys.readouterr() == (printed, "")


def test_a_command_gets_its_arguments_and_gives_the_exit_code(
    commands: Mapping[str, Command], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", "pods", "--help", "-n", "x"], commands=commands) == 3
    assert capsys.readouterr().out == "top pods --help -n x\n"


@pytest.mark.parametrize(
    ("name", "code", "complaint"),
    [
        ("wrong", 2, "--a is wrong\n--b is wrong\nsee metrics-api wrong --help\n"),
        ("taken", 1, "port 443 is taken\n"),
        ("lost", 1, "no kubeconfig\n"),
        ("interrupted", 130, ""),
    ],
)
def test_an_end_on_purpose_has_its_code_and_no_traceback(
    name: str, code: int, complaint: str, commands: Mapping[str, Command], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name], commands=commands) == code
    assert capsys.readouterr().err == complaint


def test_a_bug_is_not_hidden(commands: Mapping[str, Command]) -> None:
    with pytest.raises(RuntimeError, match="bug"):
        main(["buggy"], commands=commands)


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("serv", "unknown command 'serv', did you mean serve?\nsee metrics-api --help\n"),
        ("\x1b[2J\u2028", "unknown command '\\x1b[2J\\u2028'\nsee metrics-api --help\n"),
    ],
)
def test_an_unknown_command_is_refused(
    word: str, complaint: str, commands: Mapping[str, Command], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word], commands=commands) == 2
    assert capsys.readouterr().err == complaint


@pytest.mark.parametrize("word", ["help", "--help", "-h"])
def test_help_lists_the_commands(
    word: str, commands: Mapping[str, Command], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word], commands=commands) == 0

    out = capsys.readouterr().out
    assert all(f"{name} " in out and command.summary in out for name, command in commands.items())


@pytest.mark.parametrize("arguments", [["serve", "--help"], ["serve", "-h"], ["--secure-port=1", "--help"]])
def test_help_of_serve_lists_the_flags(
    arguments: list[str], commands: Mapping[str, Command], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, commands=commands) == 0
    assert "  --metric-resolution duration\n" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--version"], ["serve", "--version"], ["--secure-port=1", "--version"]])
def test_the_flag_version_prints_the_version_alone(
    arguments: list[str], commands: Mapping[str, Command], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, commands=commands) == 0
    assert capsys.readouterr().out == f"v{__version__}\n"


def test_the_command_version_names_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"metrics-api v{__version__}\n"


def test_the_command_version_takes_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "foo"]) == 2
    assert "version takes no arguments, not 'foo'" in capsys.readouterr().err
    assert main(["version", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: metrics-api version")


def test_the_arguments_are_those_of_the_process() -> None:
    done = run_program("version")

    assert (done.returncode, done.stdout, done.stderr) == (0, f"metrics-api v{__version__}\n", "")


def test_the_version_costs_no_imports() -> None:
    program = (
        "import sys; before = set(sys.modules); from metrics_api.cli import main; main(['--version']); "
        "print(*sorted(name for name in set(sys.modules) - before if name.startswith('metrics_api')))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[1:] == ["metrics_api metrics_api.cli metrics_api.errors"]


@pytest.mark.parametrize("arguments", [["version"], ["serve", "--help"]], ids=["short", "longer-than-the-buffer"])
def test_output_that_nobody_reads_is_no_traceback(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "metrics_api", *arguments],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )

    assert (done.returncode, done.stderr) == (141, "")
