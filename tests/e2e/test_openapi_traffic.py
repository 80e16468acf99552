"""What our own OpenAPI documents allow, and what they forbid, sent to a whole server over TLS by schemathesis."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from metrics_api.localcluster.users import User
from tests.e2e.guarded import Guarded
from tests.e2e.test_hostile_requests import MOST_GROWTH_KIB, resident_kib

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("admission"),
    pytest.mark.timeout(600),
]

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


def send_all(document: dict[str, Any], session: requests.Session, url: str, examples: int) -> Counter[int]:
    """Send requests to every operation of a document; return how many answers had which status.

    It fails on an answer that is a server's error, or not what the document says of its form.
    """
    seen: Counter[int] = Counter()
    budget = settings(
        max_examples=examples,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        for mode in schemathesis.GenerationMode:

            @budget
            @given(case=operation.as_strategy(generation_mode=mode))
            def send(case: schemathesis.Case[Any]) -> None:
                response = case.call(base_url=url, session=session, verify=session.verify, timeout=30)
                seen[response.status_code] += 1
                case.validate_response(response, checks=CHECKS)

            try:
                send()
            except Unsatisfiable:  # an operation without parameters has none that could be wrong
                if mode is not schemathesis.GenerationMode.NEGATIVE:
                    raise
    return seen


@pytest.mark.parametrize("examples", [3, pytest.param(100, marks=pytest.mark.long)])
async def test_no_request_that_the_documents_can_describe_breaks_the_server(guarded: Guarded, examples: int) -> None:
    client, port = guarded.server.client, guarded.server.port
    index = (await client.get("/openapi/v3")).json()["paths"]
    documents = [(await client.get(each["serverRelativeURL"])).json() for each in index.values()]
    token = guarded.cluster.api.tokens.issue(User("tester", groups=("system:masters",)))
    before = resident_kib(guarded.server.process.pid)

    seen: Counter[int] = Counter()
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(guarded.directory / "apiserver.crt")
        session.headers["Authorization"] = f"Bearer {token}"
        for document in documents:
            seen += await asyncio.to_thread(send_all, document, session, f"https://127.0.0.1:{port}", examples)

    assert {200, 400, 404} <= seen.keys(), seen
    assert "Traceback" not in (guarded.directory / "log").read_text()
    assert resident_kib(guarded.server.process.pid) - before < MOST_GROWTH_KIB
    assert (await client.get("/livez")).is_success
