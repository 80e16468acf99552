"""A plain HTTPS client with the credentials of a kubeconfig: for requests that have to be exact."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from tempfile import NamedTemporaryFile

import httpx
import yaml


def asking(kubeconfig: Path) -> httpx.AsyncClient:
    """Return a client of the API server that a kubeconfig with a client certificate names."""
    document = yaml.safe_load(kubeconfig.read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with NamedTemporaryFile() as pair:
        pair.write(base64.b64decode(user["client-certificate-data"]))
        pair.write(base64.b64decode(user["client-key-data"]))
        pair.flush()
        context.load_cert_chain(pair.name)
    return httpx.AsyncClient(base_url=cluster["server"], verify=context, trust_env=False)
