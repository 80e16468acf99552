import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_api.model import ContainerUsage, Usage
from metrics_api.store.encode import encode_head, encode_node, encode_pod, quote
from metrics_api.timetext import parse_rfc3339

CAPTURED = Path(__file__).parent.parent / "data" / "metrics-server"
CREATED = parse_rfc3339("2026-11-21T02:02:02Z")
SAMPLED = parse_rfc3339("2026-11-21T02:01:50Z")


def captured_item(name: str) -> bytes:
    """Return what metrics-server v0.9.0 answered, without the two fields that an item of a list does not have."""
    text = (CAPTURED / name).read_bytes().strip()
    return b"{" + text[text.index(b'"metadata"') :]


def test_a_node_is_encoded_byte_for_byte_as_metrics_server_does() -> None:
    usage = Usage(SAMPLED, 14.996, (ContainerUsage("", 251008935, 1500000000),))
    head = encode_head("", "n1", {"zone": "a", "kubernetes.io/hostname": "n1"})

    assert encode_node(head, CREATED, usage) == captured_item("node.json")


def test_a_pod_is_encoded_byte_for_byte_as_metrics_server_does() -> None:
    containers = (ContainerUsage("side", 66, 1 << 20), ContainerUsage("app", 12346025, 50 << 20))
    head = encode_head("default", "web-1", {"k8s.io/x": "y", "app": "web"})

    assert encode_pod(head, CREATED, Usage(SAMPLED, 14.996, containers)) == captured_item("pod.json")


def test_labels_are_left_out_when_there_are_none() -> None:
    item = encode_node(encode_head("", "n1", {}), 0.0, Usage(1.0, 15.0, (ContainerUsage("", 0, 0),)))

    assert item == (
        b'{"metadata":{"name":"n1","creationTimestamp":"1970-01-01T00:00:00Z"},'
        b'"timestamp":"1970-01-01T00:00:01Z","window":"15s","usage":{"cpu":"0","memory":"0"}}'
    )


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        pytest.param(123456789, 4096, '{"cpu":"123456789n","memory":"4Ki"}', id="odd nanocores, a page"),
        pytest.param(1, 1616273408, '{"cpu":"1n","memory":"1578392Ki"}', id="one nanocore, many pages"),
        pytest.param(50_000_000, 5242880, '{"cpu":"50m","memory":"5Mi"}', id="whole millicores and MiB"),
        pytest.param(1_200_000, 12345, '{"cpu":"1200u","memory":"12345"}', id="microcores, odd bytes"),
        pytest.param(2_000_000_000, 1 << 30, '{"cpu":"2","memory":"1Gi"}', id="whole cores and GiB"),
        pytest.param(0, 0, '{"cpu":"0","memory":"0"}', id="nothing"),
        pytest.param(7, 1023, '{"cpu":"7n","memory":"1023"}', id="less than a KiB"),
        pytest.param(7, 1024, '{"cpu":"7n","memory":"1Ki"}', id="a KiB"),
        pytest.param(7, (1 << 20) + 1024, '{"cpu":"7n","memory":"1025Ki"}', id="above a MiB"),
    ],
)
def test_quantities_are_canonical(cpu: int, memory: int, expected: str) -> None:
    item = encode_pod(encode_head("a", "b", {}), 0.0, Usage(1.0, 15.0, (ContainerUsage("c", cpu, memory),)))

    assert item.endswith(f'"containers":[{{"name":"c","usage":{expected}}}]}}'.encode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("web-1", '"web-1"', id="plain"),
        pytest.param('say "hi"', '"say \\"hi\\""', id="quotation marks"),
        pytest.param("a\\b", '"a\\\\b"', id="backslash"),
        pytest.param("<b>&", '"\\u003cb\\u003e\\u0026"', id="HTML"),
        pytest.param("\b\f\n\r\t", '"\\b\\f\\n\\r\\t"', id="controls with short escapes"),
        pytest.param("\x00\x1b\x7f", '"\\u0000\\u001b\x7f"', id="controls without, and DEL"),
        pytest.param("\u2028\u2029", '"\\u2028\\u2029"', id="line separators"),
        pytest.param("ä\U0001f600", '"ä\U0001f600"', id="letters beyond ASCII"),
        pytest.param("\ud800", '"\ufffd"', id="half a pair"),
    ],
)
def test_strings_are_escaped_as_go_escapes_them(text: str, expected: str) -> None:
    assert quote(text) == expected


_HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(['"creationTimestamp":"', '},"timestamp":"', '"},"timestamp":"', '\\"},"timestamp":"', "}", '"']),
)


@given(_HOSTILE, _HOSTILE, st.dictionaries(_HOSTILE, _HOSTILE), _HOSTILE)
def test_whatever_the_names_are_an_item_is_valid_and_serves_as_the_head_of_the_next(
    namespace: str, name: str, labels: dict[str, str], container: str
) -> None:
    head = encode_head(namespace, name, labels)
    first = encode_pod(head, 1.0, Usage(2.0, 3.0, (ContainerUsage(container, 4, 5),)))
    usage = Usage(CREATED, 1.5, (ContainerUsage(container, 6, 7), ContainerUsage("z", 8, 9)))

    assert encode_pod(first, SAMPLED, usage) == encode_pod(head, SAMPLED, usage)
    assert json.loads(encode_pod(first, SAMPLED, usage)) == {
        "metadata": {"name": name}
        | ({"namespace": namespace} if namespace else {})
        | {"creationTimestamp": "2026-11-21T02:01:50Z"}
        | ({"labels": labels} if labels else {}),
        "timestamp": "2026-11-21T02:02:02Z",
        "window": "1.5s",
        "containers": [
            {"name": container, "usage": {"cpu": "6n", "memory": "7"}},
            {"name": "z", "usage": {"cpu": "8n", "memory": "9"}},
        ],
    }


def test_labels_are_sorted_by_key() -> None:
    head = encode_head("", "n", {"b": "1", "a.b/c": "2", "a": "3"})

    assert b'"labels":{"a":"3","a.b/c":"2","b":"1"}' in head


def test_labels_that_come_to_lie_where_others_lay_are_not_taken_for_them() -> None:
    for number in range(1000):
        assert f'"labels":{{"number":"{number}"}}'.encode() in encode_head("shop", "web", {"number": str(number)})
