from __future__ import annotations

import json

import pytest

from metrics_api.api.query import MOST_PARAMETERS, parse_query
from tests.api.views import V1, get, make_api


def test_no_more_than_a_thousand_parameters_are_read() -> None:
    assert sum(map(len, parse_query(b"a=%41&" * 5000).values())) == MOST_PARAMETERS
    assert len(parse_query(b"&".join(b"%d=" % i for i in range(5000)))) == MOST_PARAMETERS


@pytest.mark.parametrize("path", ["/livez", f"{V1}/nodes", "/apis/x/y/z"])
async def test_too_many_parameters_are_refused_before_anybody_is_authenticated(path: str) -> None:
    async def gate(scope: object, request: object) -> None:
        raise AssertionError("asked")

    answer = await get(f"{path}?" + "&" * MOST_PARAMETERS, make_api(gate=gate))
    assert answer.status_code == 400
    status = json.loads(answer.content)
    assert (status["reason"], status["message"]) == ("BadRequest", "the query has more than 1000 parameters")


async def test_a_thousand_parameters_are_answered() -> None:
    assert (await get(f"{V1}/nodes?" + "a&" * (MOST_PARAMETERS - 1))).status_code == 200


@pytest.mark.parametrize("name", ["labelSelector", "fieldSelector"])
async def test_a_selector_of_too_many_terms_is_400(name: str) -> None:
    answer = await get(f"{V1}/pods?{name}=" + "a=," * 1000)
    assert (answer.status_code, answer.json()["message"]) == (400, "the selector has more than 500 terms")


def test_a_long_query_is_read_once_for_a_request() -> None:
    query = b"a=" + b"b" * 10_000
    assert parse_query(query) is parse_query(query)
