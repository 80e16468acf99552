"""What the Dockerfile promises, as far as its text shows it; ``test_rootfs`` builds and runs what it copies."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """Return each instruction and its arguments, continued lines joined."""
    text = re.sub(r"(?m)^#.*\n", "", (PROJECT / "Dockerfile").read_text()).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(index for index, (word, _) in enumerate(found) if word == "FROM") :]


def test_it_starts_metrics_api_with_the_containers_arguments() -> None:
    (entrypoint,) = [rest for word, rest in last_stage() if word == "ENTRYPOINT"]

    assert json.loads(entrypoint) == ["metrics-api"]
    assert "CMD" not in dict(last_stage())


def test_it_runs_as_a_number_that_is_not_root() -> None:
    user = dict(last_stage())["USER"]

    assert all(int(number) > 0 for number in user.split(":"))  # a name would not satisfy runAsNonRoot


def test_manifests_that_name_metrics_servers_program_find_ours() -> None:
    (link,) = [rest for word, rest in last_stage() if word == "RUN" and rest.startswith("ln ")]
    (copy,) = [rest for word, rest in last_stage() if word == "COPY"]

    assert link == f"ln -s {copy.split()[-1]}/bin/metrics-api /metrics-server"
    assert (PROJECT / "packaging" / "metrics-api").exists()


def test_it_starts_where_manifests_mount_what_may_be_written_to() -> None:
    assert dict(last_stage())["WORKDIR"] == "/tmp"  # noqa: S108 - metrics-server's default --cert-dir is relative


def test_it_takes_its_tree_from_the_script_that_the_tests_run() -> None:
    (build,) = [rest for word, rest in instructions() if word == "RUN" and "rootfs" in rest]
    (copy,) = [rest for word, rest in last_stage() if word == "COPY"]

    built = build.rpartition("packaging/rootfs ")[2]
    assert copy == f"--from=build {built} {built}"
    assert f"{built}/bin" in dict(last_stage())["ENV"]


@pytest.mark.parametrize("source", [rest.split()[0] for word, rest in instructions()[:8] if word == "COPY"])
def test_what_it_copies_exists_and_is_sent_to_the_builder(source: str) -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()

    assert (PROJECT / source).exists()
    assert f"!{source}" in ignored
    assert "*" in ignored
