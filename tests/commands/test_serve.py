"""What ends ``serve`` before it listens or writes anything."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from metrics_api import logs
from metrics_api.commands.serve import run
from metrics_api.errors import KubeConfigError


@pytest.fixture(autouse=True)
def _log_elsewhere() -> Iterator[None]:
    """Let the log that ``serve`` has set up not lead to a stream that ends with its test."""
    yield
    logs.configure(level=0, json=False, stream=io.StringIO())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read", id="missing"),
        pytest.param("root:x:0:0", "is no kubeconfig", id="another-file"),
        pytest.param("current-context: a\n", "has no 'a' among its contexts", id="incomplete"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_said_before_a_certificate_is_written(
    tmp_path: Path, content: str | None, said: str
) -> None:
    kubeconfig, certificates = tmp_path / "kubeconfig", tmp_path / "certificates"
    if content is not None:
        kubeconfig.write_text(content)

    with pytest.raises(KubeConfigError, match=said):
        run([f"--kubeconfig={kubeconfig}", f"--cert-dir={certificates}", "--secure-port=0"])

    assert not certificates.exists()


def test_outside_a_pod_a_kubeconfig_is_asked_for_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    certificates = tmp_path / "certificates"

    with pytest.raises(KubeConfigError, match="give --kubeconfig=<file>"):
        run([f"--cert-dir={certificates}", "--secure-port=0"])

    assert not certificates.exists()
