"""The doctor's arguments, and what ends it before it has looked at anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics_api.commands.doctor import EXIT_UNAVAILABLE, EXIT_USAGE, parse, run


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


def test_a_cluster_that_cannot_be_asked_has_an_exit_code_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    assert run(["--kubeconfig", str(kubeconfig)]) == EXIT_UNAVAILABLE
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n"
    )
    assert run(["--kubeconfig", str(kubeconfig)]) == EXIT_UNAVAILABLE
    assert run(["--kubeconfig", str(kubeconfig), "--context", "b"]) == EXIT_UNAVAILABLE
    said = capsys.readouterr().err
    assert "kube-apiserver cannot be asked" in said
    assert "has no 'b' among its contexts" in said
