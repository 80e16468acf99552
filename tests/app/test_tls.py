"""The TLS flags, from the command line to what a client meets."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from metrics_api.app.tls import build_tls
from metrics_api.errors import StartupError
from metrics_api.serving.keeper import TlsKeeper
from metrics_api.settings.parse import parse_settings
from tests.serving.test_keeper import CA, Chains, connected, issue, serving, write

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
TLS12 = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"


def keeper(directory: Path, *more: str) -> TlsKeeper:
    pair = write(directory, "serving", issue("default"))
    files = (f"--tls-cert-file={pair.certificate_file}", f"--tls-private-key-file={pair.key_file}")
    return build_tls(parse_settings([*files, *more], {}))


@pytest.mark.parametrize(
    ("flags", "spoken"),
    [
        ([], {V12: "any", V13: "any"}),
        (["--tls-min-version=VersionTLS10"], {V12: "any", V13: "any"}),
        (["--tls-min-version=VersionTLS13"], {V13: "any"}),
        ([f"--tls-cipher-suites={TLS12}"], {V12: "ECDHE-ECDSA-CHACHA20-POLY1305", V13: "any"}),
        (["--tls-cipher-suites=TLS_AES_128_GCM_SHA256"], {V13: "any"}),
        # The suites are for certificates with an RSA key, and ours has another.
        (["--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"], {V13: "any"}),
        ([f"--tls-cipher-suites={TLS12},TLS_RSA_WITH_RC4_128_SHA"], {V12: "ECDHE-ECDSA-CHACHA20-POLY1305", V13: "any"}),
        (["--disable-http2-serving"], {V12: "any", V13: "any"}),
    ],
)
async def test_versions_and_suites_are_those_of_the_flags(
    tmp_path: Path, flags: list[str], spoken: dict[ssl.TLSVersion, str]
) -> None:
    met = {}
    async with serving(keeper(tmp_path, *flags), Chains()) as port:
        for version in (V12, V13):
            try:
                async with connected(port, version=version) as client:
                    met[version] = client.suite
                    assert await client.get() == b"200"
            except (ssl.SSLError, ConnectionError):
                continue

    assert met.keys() == spoken.keys()
    assert all(spoken[version] in ("any", suite) for version, suite in met.items())


async def test_suites_that_this_openssl_lacks_are_said(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="--tls-cipher-suites"):
        keeper(tmp_path, "--tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA")


async def test_pairs_for_names_come_from_the_flag_and_are_followed(tmp_path: Path) -> None:
    named, listed = write(tmp_path, "named", issue("named")), write(tmp_path, "listed", issue("listed"))
    tls = keeper(
        tmp_path,
        f"--tls-sni-cert-key={named.certificate_file},{named.key_file}:A.example,*.b.example",
        f"--tls-sni-cert-key={listed.certificate_file},{listed.key_file}",
    )

    async def shown(port: int, asked: str) -> str:
        context = ssl.create_default_context(cadata=CA.certificate.decode())
        context.check_hostname = False
        async with connected(port, asked, context=context) as client:
            return client.server_name

    async with serving(tls, Chains()) as port:
        asked = ("a.example", "x.b.example", "b.example", "x.y.b.example", "listed", "localhost", "other")
        assert [await shown(port, name) for name in asked] == [
            *("named", "named", "default", "default", "listed", "listed", "default")
        ]
        write(tmp_path, "named", issue("renewed"))
        assert tls.reload_if_changed()
        assert await shown(port, "a.example") == "renewed"
        named.key_file.write_bytes(issue("other").key)
        assert not tls.reload_if_changed()
        assert [await shown(port, name) for name in ("a.example", "other")] == ["renewed", "default"]
