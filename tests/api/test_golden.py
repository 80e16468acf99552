"""Every route in every format, against answers that were written down and read by a person."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.api.golden import CASES, FOLDER, WATCHES, render_case, render_watch
from tests.api.protobuf import decode_object
from tests.api.views import DATA, V1BETA1, FakeView, captured_row, connect, make_api


@pytest.mark.parametrize("name", CASES)
async def test_an_answer_is_the_one_that_was_written_down(name: str) -> None:
    assert await render_case(name) == (FOLDER / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", WATCHES)
async def test_a_watch_is_the_one_that_was_written_down(name: str) -> None:
    assert await render_watch(*WATCHES[name]) == (FOLDER / f"{name}.txt").read_text()


def test_nothing_is_written_down_that_no_case_asks_for() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == CASES.keys() | WATCHES.keys()


@pytest.mark.parametrize(
    ("path", "captured"), [("/nodes/n1", "node"), ("/namespaces/default/pods/web-1", "pod"), ("/nodes", "nodes")]
)
async def test_every_format_of_an_answer_says_what_metrics_server_said(path: str, captured: str) -> None:
    oracle = (DATA / f"{captured}.pb").read_bytes()
    view = FakeView([captured_row("node.json")], [captured_row("pod.json")])
    async with connect(make_api(view)) as client:

        async def body(accept: str) -> bytes:
            return (await client.get(V1BETA1 + path, headers={"accept": accept})).content

        assert await body("application/vnd.kubernetes.protobuf") == oracle
        assert json.loads(await body("application/json")) == decode_object(oracle)
        assert json.loads(await body("application/json;pretty=1")) == decode_object(oracle)
        assert yaml.safe_load(await body("application/yaml")) == decode_object(oracle)


async def test_a_missing_node_is_told_of_in_protobuf_as_by_metrics_server() -> None:
    async with connect(make_api()) as client:
        response = await client.get(
            f"{V1BETA1}/nodes/nope", headers={"accept": "application/vnd.kubernetes.protobuf, */*"}
        )
    assert (response.status_code, response.headers["content-type"]) == (404, "application/vnd.kubernetes.protobuf")
    assert response.content == (DATA / "status404.pb").read_bytes()
