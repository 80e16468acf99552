from __future__ import annotations

import base64
import json
import logging
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from metrics_api.errors import KubeConfigError
from metrics_api.kube.access import KubeAccess
from metrics_api.kube.config import load_access
from metrics_api.pki import Authority
from metrics_api.timetext import format_rfc3339
from tests.fakes import FakeClock

_V1 = "client.authentication.k8s.io/v1"
_IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
Document = dict[str, Any]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _document(cluster: Document | None = None, user: Document | None = None) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
    }


def _write(folder: Path, document: object) -> str:
    path = folder / "config"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return str(path)


async def _load(folder: Path, document: object, clock: FakeClock | None = None) -> KubeAccess:
    return await load_access(_write(folder, document), clock=clock or FakeClock())


def _plugin(folder: Path, script: str, **extra: object) -> Document:
    """A user whose exec plugin is this Python program, and that counts its runs."""
    program = folder / "bin" / "plugin"
    program.parent.mkdir(exist_ok=True)
    counting = f"import sys, os, json\nopen({str(folder / 'runs')!r}, 'a').write('x')\n"
    program.write_text(f"#!{sys.executable}\n{counting}{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"command": "bin/plugin", "apiVersion": _V1, **extra}}


def _credential(**status: object) -> str:
    return f"print({json.dumps({'kind': 'ExecCredential', 'apiVersion': _V1, 'status': status})!r})"


def _runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


def _service_account(folder: Path) -> Path:
    (folder / "token").write_text("sa-token\n")
    (folder / "ca.crt").write_bytes(Authority.create("cluster").certificate)
    return folder


@pytest.mark.parametrize(
    ("host", "url"),
    [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")],
    ids=["ipv4", "ipv6"],
)
async def test_in_a_pod_the_service_account_is_used(tmp_path: Path, host: str, url: str) -> None:
    folder = _service_account(tmp_path)
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}
    access = await load_access("", clock=FakeClock(), environment=environment, service_account=folder)

    assert access.server.url == url
    assert not access.server.insecure
    assert access.tls.ca_bundle == (folder / "ca.crt").read_bytes()
    assert access.tls.certificate is None
    assert await access.token() == "sa-token"


@pytest.mark.parametrize(
    ("environment", "missing", "words"),
    [
        pytest.param({}, "", "--kubeconfig", id="not-in-a-pod"),
        pytest.param({"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": ""}, "", "--kubeconfig", id="no-port"),
        pytest.param(_IN_A_POD, "token", "automountServiceAccountToken", id="no-token"),
        pytest.param(_IN_A_POD, "ca.crt", "automountServiceAccountToken", id="no-ca"),
    ],
)
async def test_what_is_missing_in_a_pod_is_said(
    tmp_path: Path, environment: dict[str, str], missing: str, words: str
) -> None:
    folder = _service_account(tmp_path)
    if missing:
        (folder / missing).unlink()
    with pytest.raises(KubeConfigError, match=words):
        await load_access("", clock=FakeClock(), environment=environment, service_account=folder)


async def test_a_rotated_token_file_is_read_again_after_a_minute(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first")
    clock = FakeClock()
    access = await _load(tmp_path, _document(user={"tokenFile": "token", "token": "inline"}), clock)
    (tmp_path / "token").write_text("second")

    clock.move_to(clock.monotonic() + 59)
    assert await access.token() == "first"
    clock.move_to(clock.monotonic() + 2)
    assert await access.token() == "second"


async def test_a_refused_token_is_read_again_at_once(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first")
    access = await _load(tmp_path, _document(user={"tokenFile": "token"}))
    (tmp_path / "token").write_text("second")

    assert await access.token(refresh=True) == "second"


async def test_a_token_file_that_goes_away_leaves_the_old_token_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "token").write_text("first")
    clock = FakeClock()
    access = await _load(tmp_path, _document(user={"tokenFile": "token"}), clock)
    (tmp_path / "token").unlink()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            clock.move_to(clock.monotonic() + 61)
            assert await access.token() == "first"
        (tmp_path / "token").write_text("second")
        clock.move_to(clock.monotonic() + 61)
        assert await access.token() == "second"

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_certificates_are_taken_from_data_or_from_files_beside_the_kubeconfig(tmp_path: Path) -> None:
    ca = Authority.create("cluster")
    pair = ca.issue("reader", client=True)
    (tmp_path / "ca.pem").write_bytes(ca.certificate)
    user = {"client-certificate-data": _base64(pair.certificate), "client-key-data": _base64(pair.key)}
    access = await _load(tmp_path, _document({"certificate-authority": "ca.pem"}, user))

    assert access.server.url == "https://api.example:6443"
    assert access.tls == (ca.certificate, pair.certificate, pair.key)
    assert await access.token() is None
    assert await access.authorization() is None


async def test_a_user_name_and_password_go_to_the_api_server_but_are_no_token(tmp_path: Path) -> None:
    access = await _load(tmp_path, _document(user={"username": "me", "password": "pw"}))

    assert await access.authorization() == "Basic " + _base64(b"me:pw")
    assert await access.token() is None


async def test_credentials_are_not_sent_in_the_clear(tmp_path: Path) -> None:
    access = await _load(tmp_path, _document({"server": "http://127.0.0.1:8001"}, {"token": "secret"}))

    assert await access.authorization() is None


async def test_a_context_without_a_user_is_anonymous(tmp_path: Path) -> None:
    document = _document()
    del document["contexts"][0]["context"]["user"]

    assert await (await _load(tmp_path, document)).token() is None


async def test_an_exec_plugin_gives_the_token_and_is_told_of_the_cluster(tmp_path: Path) -> None:
    ca = Authority.create("cluster")
    script = f"""
told = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = told["spec"]["cluster"]["server"] + "|" + sys.argv[1] + "|" + os.environ["MODE"] + "|" + sys.stdin.read()
assert told["spec"]["interactive"] is False and told["spec"]["cluster"]["certificate-authority-data"]
print(json.dumps({{"kind": "ExecCredential", "apiVersion": {_V1!r}, "status": {{"token": token}}}}))
"""
    user = _plugin(tmp_path, script, args=["a"], env=[{"name": "MODE", "value": "m"}], provideClusterInfo=True)
    access = await _load(tmp_path, _document({"certificate-authority-data": _base64(ca.certificate)}, user))

    assert await access.token() == "https://api.example:6443/|a|m|"
    assert await access.authorization() == "Bearer https://api.example:6443/|a|m|"


async def test_an_exec_plugin_runs_again_when_its_token_expires(tmp_path: Path) -> None:
    clock = FakeClock()
    script = _credential(token="t", expirationTimestamp=format_rfc3339(clock.now() + 600))
    access = await _load(tmp_path, _document(user=_plugin(tmp_path, script)), clock)

    clock.move_to(clock.monotonic() + 585)
    await access.token()
    assert _runs(tmp_path) == 1
    clock.move_to(clock.monotonic() + 10)
    await access.token()
    assert _runs(tmp_path) == 2


async def test_an_exec_plugin_without_expiry_runs_again_when_refused_but_not_for_every_request(tmp_path: Path) -> None:
    clock = FakeClock()
    access = await _load(tmp_path, _document(user=_plugin(tmp_path, _credential(token="t"))), clock)

    clock.move_to(clock.monotonic() + 86_400)
    await access.token()
    assert _runs(tmp_path) == 1
    for _ in range(3):
        await access.token(refresh=True)
    assert _runs(tmp_path) == 2


async def test_an_exec_plugin_may_give_a_client_certificate(tmp_path: Path) -> None:
    pair = Authority.create("cluster").issue("reader", client=True)
    script = _credential(clientCertificateData=pair.certificate.decode(), clientKeyData=pair.key.decode())
    access = await _load(tmp_path, _document(user=_plugin(tmp_path, script)))

    assert access.tls == (None, pair.certificate, pair.key)
    assert await access.token() is None


async def test_an_exec_plugin_that_fails_later_leaves_the_old_token(tmp_path: Path) -> None:
    clock = FakeClock()
    script = _credential(token="t", expirationTimestamp=format_rfc3339(clock.now() + 600))
    user = _plugin(tmp_path, f"{script}\nsys.exit(os.path.getsize({str(tmp_path / 'runs')!r}) > 1)")
    access = await _load(tmp_path, _document(user=user), clock)
    clock.move_to(clock.monotonic() + 700)

    assert await access.token() == "t"
    assert _runs(tmp_path) == 2


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param("sys.exit('no session,\\x1b[2J log in')", r"code 1: 'no session,\\x1b\[2J log in'", id="fails"),
        pytest.param("print('hello')", "did not print an ExecCredential", id="no-json"),
        pytest.param("print('{\"a\":' * 5000)", "did not print an ExecCredential", id="nested"),
        pytest.param(
            f"print(' ' * 3_000_000)\n{_credential(token='t')}", "did not print an ExecCredential", id="floods-stdout"
        ),
        pytest.param("sys.stderr.write('x' * 3_000_000); sys.exit(3)", "code 3", id="floods-stderr"),
        pytest.param(_credential(), "neither a token nor", id="empty"),
        pytest.param(_credential(token="two\nlines"), "no bearer token", id="header-injection"),
        pytest.param(_credential(token="t", expirationTimestamp="soon"), "expirationTimestamp", id="odd-expiry"),
        pytest.param(_credential(clientCertificateData="x", clientKeyData="y"), "not usable PEM", id="odd-certificate"),
        pytest.param(
            'print(\'{"kind": "ExecCredential", "apiVersion": "v0"}\')',
            "printed 'ExecCredential' of 'v0'",
            id="version",
        ),
    ],
)
async def test_an_exec_plugin_that_misbehaves_is_an_error(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(KubeConfigError, match=words) as caught:
        await _load(tmp_path, _document(user=_plugin(tmp_path, script)))

    assert "user 'u'" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


async def test_an_exec_plugin_that_is_not_there_is_an_error_with_its_install_hint(tmp_path: Path) -> None:
    user = {"exec": {"command": "no-such-plugin", "apiVersion": _V1, "installHint": "brew install it"}}
    with pytest.raises(KubeConfigError, match=r"'no-such-plugin' cannot be started.*brew install it"):
        await _load(tmp_path, _document(user=user))


def _without(*path: str | int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        parent: Any = document
        for step in path[:-1]:
            parent = parent[step]
        del parent[path[-1]]

    return change


def _with(value: object, *path: str | int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        parent: Any = document
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = value

    return change


_CLUSTER, _USER = ("clusters", 0, "cluster"), ("users", 0, "user")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(_without("current-context"), "no current-context", id="no-current-context"),
        pytest.param(_with("x", "current-context"), "'x' among its contexts; there is: 'main'", id="no-context"),
        pytest.param(_with([], "clusters"), "'c' among its clusters; there is: nothing", id="no-cluster"),
        pytest.param(_with(None, "users"), "'u' among its users", id="no-user"),
        pytest.param(_without(*_CLUSTER, "server"), "has no server", id="no-server"),
        pytest.param(_with("api.example", *_CLUSTER, "server"), "no URL such as https://", id="server-without-scheme"),
        pytest.param(_with("https://a:b", *_CLUSTER, "server"), "no URL such as https://", id="server-with-odd-port"),
        pytest.param(_with("gone", *_CLUSTER, "certificate-authority"), "gone' cannot be read", id="no-ca-file"),
        pytest.param(_with("!", *_CLUSTER, "certificate-authority-data"), "no valid base64", id="ca-no-base64"),
        pytest.param(_with("eA==", *_CLUSTER, "certificate-authority-data"), "no usable certificate", id="ca-no-pem"),
        pytest.param(_with("socks5://p", *_CLUSTER, "proxy-url"), "proxy-url must begin", id="socks-proxy"),
        pytest.param(_with(7, "clusters"), r"Expected `array \| null`, got `int`", id="wrong-type"),
        pytest.param(_with("gone", *_USER, "tokenFile"), "gone' cannot be read", id="no-token-file"),
        pytest.param(_with("a b", *_USER, "token"), "no bearer token", id="token-with-a-space"),
        pytest.param(_with("eA==", *_USER, "client-key-data"), "client-certificate is missing", id="key-only"),
        pytest.param(_with("root", *_USER, "as"), "impersonation", id="impersonation"),
        pytest.param(_with({"name": "oidc"}, *_USER, "auth-provider"), "'oidc' is not supported", id="auth-provider"),
        pytest.param(_with({"command": "x", "apiVersion": "v0"}, *_USER, "exec"), "apiVersion 'v0'", id="exec-version"),
        pytest.param(
            _with({"command": "x", "apiVersion": _V1, "interactiveMode": "Always"}, *_USER, "exec"),
            "terminal",
            id="exec-asks",
        ),
    ],
)
async def test_a_mistake_in_a_kubeconfig_is_said_with_the_file(
    tmp_path: Path, change: Callable[[Document], None], words: str
) -> None:
    document = _document()
    change(document)
    with pytest.raises(KubeConfigError, match=words) as caught:
        await _load(tmp_path, document)

    assert str(tmp_path / "config") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("a: [1,\ntoken: s3cret", "no valid YAML at line 2", id="bad-yaml"),
        pytest.param("just text", "is no kubeconfig", id="text"),
        pytest.param("a: !!python/object/apply:os.system [x]", "no valid YAML", id="a-python-object"),
        pytest.param("a: !!int ''", "no valid YAML", id="an-empty-tagged-integer"),
        pytest.param("a: !!bool x", "no valid YAML", id="a-tagged-boolean-that-is-none"),
        pytest.param("a: !!timestamp x", "no valid YAML", id="a-tagged-time-that-is-none"),
        pytest.param("a: !!float ''", "no valid YAML", id="an-empty-tagged-number"),
    ],
)
async def test_a_file_that_is_no_kubeconfig_is_refused_without_quoting_it(
    tmp_path: Path, content: str, words: str
) -> None:
    with pytest.raises(KubeConfigError, match=words) as caught:
        await _load(tmp_path, content)

    assert "s3cret" not in str(caught.value)


async def test_a_kubeconfig_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(KubeConfigError, match=r"nowhere' cannot be read \(No such file or directory\)"):
        await load_access(str(tmp_path / "nowhere"), clock=FakeClock())


async def test_a_ca_beside_insecure_is_refused(tmp_path: Path) -> None:
    cluster = {"certificate-authority": "ca.pem", "insecure-skip-tls-verify": True}
    with pytest.raises(KubeConfigError, match="exclude each other"):
        await _load(tmp_path, _document(cluster))


async def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    ca = Authority.create("cluster")
    user = {
        "client-certificate-data": _base64(ca.issue("a", client=True).certificate),
        "client-key-data": _base64(ca.issue("b", client=True).key),
    }
    with pytest.raises(KubeConfigError, match="does not belong"):
        await _load(tmp_path, _document(user=user))


async def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    certificate = Authority.create("cluster").issue("a", client=True).certificate
    user = {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}
    with pytest.raises(KubeConfigError, match="not usable PEM"):
        await _load(tmp_path, _document(user=user))


async def test_a_token_file_that_is_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(KubeConfigError, match="Is a directory"):
        await _load(tmp_path, _document(user={"tokenFile": "."}))


async def test_a_token_file_that_is_far_too_large_is_said(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"x" * (1 << 20) + b"x")
    with pytest.raises(KubeConfigError, match="larger than 1 MiB"):
        await _load(tmp_path, _document(user={"tokenFile": "token"}))
