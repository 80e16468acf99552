"""Which document is asked for, over a fleet and over time."""

from __future__ import annotations

import logging

import pytest

from metrics_api.kubelet.endpoint import EndpointChoice
from metrics_api.kubelet.options import EndpointMode
from metrics_api.model import Endpoint, NodeInfo
from tests.fakes import FakeClock

SUMMARY, RESOURCE = Endpoint.SUMMARY, Endpoint.RESOURCE


def nodes(count: int) -> list[NodeInfo]:
    return [NodeInfo(f"node-{number}", f"uid-{number}", {}) for number in range(count)]


def pass_time(clock: FakeClock, seconds: float) -> None:
    clock.move_to(clock.monotonic() + seconds)


@pytest.mark.parametrize("mode", ["summary", "resource"])
def test_a_fixed_endpoint_is_never_left(mode: EndpointMode) -> None:
    choice = EndpointChoice(mode, FakeClock())
    annotated = NodeInfo("kwok", "uid", {}, resource_metrics_path="/metrics/nodes/kwok/metrics/resource")
    assert choice.choose(annotated) == mode
    assert not choice.falls_back(404)


def test_summary_is_asked_for_first() -> None:
    assert EndpointChoice("auto", FakeClock()).choose(nodes(1)[0]) is SUMMARY


def test_an_annotated_path_means_the_resource_document() -> None:
    annotated = NodeInfo("kwok", "uid", {}, resource_metrics_path="/x")
    assert EndpointChoice("auto", FakeClock()).choose(annotated) is RESOURCE


@pytest.mark.parametrize("status", [403, 404, 405, 406, 501])
def test_refusals_lead_to_the_other_document(status: int) -> None:
    assert EndpointChoice("auto", FakeClock()).falls_back(status)


@pytest.mark.parametrize("status", [None, 301, 400, 401, 429, 500, 503])
def test_failures_that_would_hit_both_do_not(status: int | None) -> None:
    assert not EndpointChoice("auto", FakeClock()).falls_back(status)


def test_a_refusing_node_is_asked_for_the_other_document_for_ten_minutes() -> None:
    clock = FakeClock()
    choice = EndpointChoice("auto", clock)
    refusing, other = nodes(2)
    choice.summary_refused(refusing.uid, 404)
    assert choice.choose(refusing) is RESOURCE
    assert choice.choose(other) is SUMMARY
    pass_time(clock, 599)
    assert choice.choose(refusing) is RESOURCE
    pass_time(clock, 2)
    assert choice.choose(refusing) is SUMMARY


def forbid(choice: EndpointChoice, fleet: list[NodeInfo]) -> None:
    for node in fleet:
        choice.summary_refused(node.uid, 403)


def test_three_forbidding_nodes_stand_for_all_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    choice = EndpointChoice("auto", FakeClock())
    fleet = nodes(10)
    with caplog.at_level(logging.WARNING):
        forbid(choice, fleet[:2])
        assert choice.choose(fleet[5]) is SUMMARY
        forbid(choice, fleet[:2])
        assert choice.choose(fleet[5]) is SUMMARY, "two nodes, however often"
        forbid(choice, fleet[2:3])
        assert {choice.choose(node) for node in fleet} == {RESOURCE}
        forbid(choice, fleet[3:6])
    assert len(caplog.records) == 1
    assert "nodes/stats" in caplog.text


def test_missing_documents_do_not_stand_for_all() -> None:
    choice = EndpointChoice("auto", FakeClock())
    fleet = nodes(10)
    for node in fleet[:5]:
        choice.summary_refused(node.uid, 404)
    assert choice.choose(fleet[7]) is SUMMARY


def test_three_nodes_are_tried_again_every_ten_minutes() -> None:
    clock = FakeClock()
    choice = EndpointChoice("auto", clock)
    fleet = nodes(20)
    forbid(choice, fleet[:3])
    for _ in range(3):
        pass_time(clock, 590)
        assert [choice.choose(node) for node in fleet].count(SUMMARY) == 0
        pass_time(clock, 11)
        tried = [node for node in fleet if choice.choose(node) is SUMMARY]
        assert len(tried) == 3
        forbid(choice, tried)


def test_one_node_that_answers_brings_all_back(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    choice = EndpointChoice("auto", clock)
    fleet = nodes(10)
    forbid(choice, fleet[:3])
    choice.summary_refused(fleet[9].uid, 404)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        choice.summary_answered(fleet[4].uid)
        choice.summary_answered(fleet[5].uid)
    assert [choice.choose(node) for node in fleet] == [SUMMARY] * 9 + [RESOURCE]
    assert len(caplog.records) == 1


def test_single_nodes_that_forbid_among_many_that_answer_stand_for_themselves() -> None:
    choice = EndpointChoice("auto", FakeClock())
    fleet = nodes(10)
    for node in fleet[:5]:
        choice.summary_refused(node.uid, 403)
        choice.summary_answered(fleet[9].uid)
    assert choice.choose(fleet[0]) is RESOURCE
    assert choice.choose(fleet[7]) is SUMMARY


def test_nodes_that_answer_are_not_drawn_along_by_those_that_forbid() -> None:
    choice = EndpointChoice("auto", FakeClock())
    fleet = nodes(10)
    choice.summary_answered(fleet[9].uid)
    forbid(choice, fleet[:3])
    assert choice.choose(fleet[9]) is SUMMARY
    assert choice.choose(fleet[5]) is RESOURCE


def test_a_node_that_is_forgotten_is_new_again() -> None:
    choice = EndpointChoice("auto", FakeClock())
    (node,) = nodes(1)
    choice.summary_refused(node.uid, 404)
    choice.forget(node.uid)
    choice.forget(node.uid)
    assert choice.choose(node) is SUMMARY
