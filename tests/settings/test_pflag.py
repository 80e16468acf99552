import pytest

from metrics_api.settings.pflag import Grammar, read_arguments

GRAMMAR = Grammar(
    is_boolean={"insecure": True, "help": True, "port": False, "node-selector": False, "v": False, "quiet": True},
    shorthands={"l": "node-selector", "v": "v", "h": "help", "q": "quiet"},
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--port=1"], [("port", "1")], id="equals"),
        pytest.param(["--port", "1"], [("port", "1")], id="next-argument"),
        pytest.param(["--port="], [("port", "")], id="empty-value"),
        pytest.param(["--port", ""], [("port", "")], id="empty-next-argument"),
        pytest.param(["--port=a=b"], [("port", "a=b")], id="equals-in-the-value"),
        pytest.param(["--port", "--insecure"], [("port", "--insecure")], id="next-argument-looks-like-a-flag"),
        pytest.param(["--port", "--"], [("port", "--")], id="next-argument-is-the-terminator"),
        pytest.param(["--insecure"], [("insecure", "true")], id="boolean"),
        pytest.param(["--insecure=false"], [("insecure", "false")], id="boolean-with-value"),
        pytest.param(["--insecure", "--port=1"], [("insecure", "true"), ("port", "1")], id="boolean-takes-no-next"),
        pytest.param(["--node_selector=a"], [("node-selector", "a")], id="underscore"),
        pytest.param(["--node_selector", "a_b"], [("node-selector", "a_b")], id="underscore-in-the-value-stays"),
        pytest.param(["-l", "a=b"], [("node-selector", "a=b")], id="short-next-argument"),
        pytest.param(["-la=b"], [("node-selector", "a=b")], id="short-attached"),
        pytest.param(["-l=a=b"], [("node-selector", "a=b")], id="short-equals"),
        pytest.param(["-l="], [("node-selector", "=")], id="short-equals-without-value-is-the-value"),
        pytest.param(["-v", "2"], [("v", "2")], id="v-next-argument"),
        pytest.param(["-v=2"], [("v", "2")], id="v-equals"),
        pytest.param(["-v2"], [("v", "2")], id="v-attached"),
        pytest.param(["--v=2"], [("v", "2")], id="v-long"),
        pytest.param(["-h"], [("help", "true")], id="help"),
        pytest.param(["-qh"], [("quiet", "true"), ("help", "true")], id="short-booleans-together"),
        pytest.param(["-qv3"], [("quiet", "true"), ("v", "3")], id="short-boolean-before-a-value"),
        pytest.param(["-q=false"], [("quiet", "false")], id="short-boolean-with-value"),
        pytest.param(["--port=1", "--port=2"], [("port", "1"), ("port", "2")], id="twice-keeps-the-order"),
        pytest.param(["--port=1", "--"], [("port", "1")], id="terminator-at-the-end"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_arguments_are_read_as_pflag_reads_them(arguments: list[str], expected: list[tuple[str, str]]) -> None:
    reading = read_arguments(arguments, GRAMMAR)

    assert [(use.name, use.value) for use in reading.occurrences] == expected
    assert reading.faults == []


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        pytest.param(["--port"], "flag needs an argument: --port", id="value-missing"),
        pytest.param(["-l"], "flag needs an argument: 'l' in -l", id="short-value-missing"),
        pytest.param(["-ql"], "flag needs an argument: 'l' in -ql", id="short-group-value-missing"),
        pytest.param(["-x"], "unknown shorthand flag: 'x' in -x", id="unknown-letter"),
        pytest.param(["-qxh"], "unknown shorthand flag: 'x' in -qxh", id="unknown-letter-in-a-group"),
        pytest.param(["--=1"], "bad flag syntax: --=1", id="no-name"),
        pytest.param(["---port=1"], "bad flag syntax: ---port=1", id="three-dashes"),
        pytest.param(["--prot=1"], "unknown flag: --prot (did you mean --port?)", id="suggestion"),
        pytest.param(["--zzz"], "unknown flag: --zzz", id="nothing-like-it"),
        pytest.param(
            ["--port 1"],
            "unknown flag: --port 1 (there is a space in this argument: write --port=VALUE, or two arguments)",
            id="name-and-value-in-one-argument",
        ),
        pytest.param(
            ["true"],
            'unexpected argument "true": only flags are taken (a boolean\'s value is written --flag=false)',
            id="positional",
        ),
        pytest.param(
            ["-"],
            'unexpected argument "-": only flags are taken (a boolean\'s value is written --flag=false)',
            id="dash",
        ),
        pytest.param(
            ["--", "--port"],
            'unexpected argument "--port": only flags are taken (a boolean\'s value is written --flag=false)',
            id="after-the-terminator",
        ),
    ],
)
def test_a_fault_is_told_in_one_sentence(arguments: list[str], fault: str) -> None:
    reading = read_arguments(arguments, GRAMMAR)

    assert reading.faults == [fault]


def test_the_value_of_an_unknown_flag_is_not_a_second_fault() -> None:
    reading = read_arguments(["--prot", "1", "--port", "2"], GRAMMAR)

    assert reading.faults == ["unknown flag: --prot (did you mean --port?)"]
    assert [(use.name, use.value) for use in reading.occurrences] == [("port", "2")]


def test_reading_goes_on_after_each_fault() -> None:
    reading = read_arguments(["--zzz=1", "x", "-x", "--port=3"], GRAMMAR)

    assert len(reading.faults) == 3
    assert [(use.name, use.value) for use in reading.occurrences] == [("port", "3")]


def test_a_flag_is_named_with_its_shorthand_as_pflag_does() -> None:
    reading = read_arguments(["-l", "a", "--port=1"], GRAMMAR)

    assert [use.where for use in reading.occurrences] == ['"-l, --node-selector" flag', '"--port" flag']


@pytest.mark.parametrize(
    "argument", ["--\x1b[31mred\nline", "-\n", "\n\x00", f"--{'a' * 5000}", "--" + "é\u2028" * 300]
)
def test_hostile_arguments_make_one_printable_line_of_bounded_length(argument: str) -> None:
    (fault,) = read_arguments([argument], GRAMMAR).faults

    assert fault.isprintable()
    assert len(fault) < 2500
