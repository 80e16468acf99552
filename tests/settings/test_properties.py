import contextlib

from hypothesis import given
from hypothesis import strategies as st

from metrics_api.errors import SettingsError
from metrics_api.settings.flags import FLAGS
from metrics_api.settings.inert import INERT
from metrics_api.settings.parse import find_request, parse_settings
from metrics_api.settings.quoting import one_line, quote

NAMES = [*FLAGS, *INERT, "help", "version", "unknown"]
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "true", "0", "-1", "1m", "1e400", "9" * 5000 + "s", "::1", "a,b", '"', "a=b", "\ud800", "1.5h"]
    ),
    st.from_regex(r"[-+]?[0-9]{1,30}(ns|us|ms|s|m|h)?", fullmatch=True),
)
ARGUMENTS = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.builds("--{}={}".format, st.sampled_from(NAMES), VALUES),
        st.builds("--{}".format, st.sampled_from(NAMES)),
        st.builds("-{}".format, st.text("lvhx=", max_size=4)),
        VALUES,
    ),
    max_size=8,
)
ENVIRONMENT = st.dictionaries(
    st.builds("METRICS_API_FLAG_{}".format, st.sampled_from([name.replace("-", "_").upper() for name in NAMES])),
    VALUES,
    max_size=3,
)


def faults_of(arguments: list[str], environment: dict[str, str]) -> tuple[str, ...] | None:
    try:
        parse_settings(arguments, environment)
    except SettingsError as error:
        return error.faults
    return None


@given(arguments=ARGUMENTS, environment=ENVIRONMENT)
def test_whatever_is_given_there_are_settings_or_printable_faults(
    arguments: list[str], environment: dict[str, str]
) -> None:
    faults = faults_of(arguments, environment)

    assert faults is None or faults
    assert all(fault.isprintable() and len(fault) < 5000 for fault in faults or ())


@given(arguments=ARGUMENTS)
def test_looking_for_a_request_never_fails(arguments: list[str]) -> None:
    assert find_request(arguments) in (None, "help", "version")


@given(arguments=ARGUMENTS)
def test_the_same_arguments_give_the_same_settings(arguments: list[str]) -> None:
    with contextlib.suppress(SettingsError):
        settings = parse_settings(arguments, {})

        assert parse_settings(arguments, {}) == settings
        assert hash(settings.warnings) == hash(parse_settings(list(arguments), {}).warnings)


@given(st.text(max_size=500))
def test_quoted_text_is_one_printable_line(text: str) -> None:
    assert quote(text).isprintable()
    assert one_line(text).isprintable()
