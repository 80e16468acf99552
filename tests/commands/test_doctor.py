"""The doctor's arguments, and what ends it before it has looked at anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from metrics_api.commands.doctor import EXIT_USAGE, parse, run
from metrics_api.doctor.findings import EXIT_UNAVAILABLE
from tests.kube.api_server import answer, serving, status


@pytest.mark.parametrize(
    "arguments",
    [
        ["pod", "web"],
        ["pod", "a/b/c"],
        ["node"],
        ["node", "a/b"],
        ["hpa", "web"],
        ["everything"],
        ["pod", "a/b", "--preflight"],
        ["--server", "http://10.0.0.1:10250"],
        ["--server-ca", "x"],
        ["--timeout", "0"],
        ["--output", "yaml"],
        ["--nope"],
    ],
)
def test_wrong_arguments_have_an_exit_code_of_their_own(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == EXIT_USAGE
    assert "metrics-api doctor: error: " in capsys.readouterr().err


def test_the_object_s_namespace_stands_before_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["pod", "-n", "shop", "web"])
    assert "pod wants NAMESPACE/NAME: shop/web (-n is the namespace of the server's Service)" in capsys.readouterr().err


def test_a_name_may_stand_anywhere() -> None:
    options = parse(["pod", "--output", "json", "shop/web"])
    assert (options.kind, options.name, options.output) == ("pod", "shop/web", "json")


@pytest.mark.parametrize("arguments", [(), ("--preflight",), ("node", "n1"), ("pod", "a/b")])
async def test_a_cluster_that_answers_every_request_with_a_fault_is_one_that_cannot_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    broken = status(500, "InternalError", "etcd is away")
    async with serving(*[broken] * 4) as server:
        code = await asyncio.to_thread(run, ["--kubeconfig", str(kubeconfig_of(tmp_path, server.url)), *arguments])

    assert code == EXIT_UNAVAILABLE
    said = capsys.readouterr()
    assert said.out == ""
    assert "kube-apiserver answers with faults only" in said.err
    assert "etcd is away" in said.err
    assert {request.path for request in server.requests} == {"/version", "/api/v1/nodes"}


async def test_where_only_the_version_fails_the_rest_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, nodes = status(404, "NotFound", "there is none"), answer(200, {"items": []})
    async with serving(status(500, "InternalError", "no version"), nodes, *[missing] * 4) as server:
        kubeconfig = kubeconfig_of(tmp_path, server.url)
        code = await asyncio.to_thread(run, ["--kubeconfig", str(kubeconfig), "hpa", "shop/cart"])

    assert code == 2
    assert "there is no HorizontalPodAutoscaler shop/cart" in capsys.readouterr().out


def test_a_cluster_that_cannot_be_asked_has_an_exit_code_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--kubeconfig", str(tmp_path / "kubeconfig")]) == EXIT_UNAVAILABLE
    kubeconfig = kubeconfig_of(tmp_path, "https://127.0.0.1:1")
    assert run(["--kubeconfig", str(kubeconfig)]) == EXIT_UNAVAILABLE
    assert run(["--kubeconfig", str(kubeconfig), "--context", "b"]) == EXIT_UNAVAILABLE
    said = capsys.readouterr().err
    assert "kube-apiserver cannot be asked" in said
    assert "has no 'b' among its contexts" in said


def kubeconfig_of(directory: Path, url: str) -> Path:
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a}}]\n"
        f"clusters: [{{name: a, cluster: {{server: '{url}'}}}}]\n"
    )
    return kubeconfig
