import dataclasses

import pytest

from metrics_api.settings.flag import Flag
from metrics_api.settings.flags import FLAGS
from metrics_api.settings.kinds import show
from metrics_api.settings.parse import parse_settings
from metrics_api.settings.values import Settings

NO_FLAG = {"warnings", "node_label_selector"}


def test_every_setting_has_exactly_one_flag() -> None:
    fields = [field.name for field in dataclasses.fields(Settings) if field.name not in NO_FLAG]

    assert sorted(flag.field for flag in FLAGS.values()) == sorted(fields)


@pytest.mark.parametrize("flag", FLAGS.values(), ids=FLAGS)
def test_a_flags_kind_gives_what_its_setting_holds(flag: Flag) -> None:
    default = getattr(Settings(), flag.field)
    text = str(default).lower() if flag.kind.is_boolean else show(default)
    parsed = flag.kind.parse(text) if text else default

    assert parsed == default
    assert type(parsed) is type(default)
    assert flag.kind.is_list == isinstance(default, tuple)


@pytest.mark.parametrize("name", sorted(FLAGS.keys() - {"tls-sni-cert-key"}))  # no certificate cannot be written
def test_giving_the_default_changes_nothing(name: str) -> None:
    flag = FLAGS[name]
    default = show(getattr(Settings(), flag.field))

    assert parse_settings([f"--{flag.name}={default}"], {}) == Settings()


@pytest.mark.parametrize("flag", FLAGS.values(), ids=FLAGS)
def test_a_meaning_is_a_sentence_that_fits_a_table(flag: Flag) -> None:
    assert flag.meaning.endswith(".")
    assert "\n" not in flag.meaning
