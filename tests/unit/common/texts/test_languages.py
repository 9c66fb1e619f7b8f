"""Which language a caller or a process gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.texts.languages import Language, from_locale, negotiate

KK, RU, EN, ARAB, LATN = (
    Language.KAZAKH,
    Language.RUSSIAN,
    Language.ENGLISH,
    Language.KAZAKH_ARABIC,
    Language.KAZAKH_LATIN,
)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", KK),
        ("*", KK),
        ("de-DE,de", KK),
        ("kk", KK),
        ("kk-KZ,kk;q=0.9,ru;q=0.8", KK),
        ("KK-Cyrl-KZ", KK),
        ("kk-Arab", ARAB),
        ("kk-arab-CN, ru", ARAB),
        ("kk-CN", ARAB),
        ("kk-Latn-KZ;q=0.8, ru;q=0.5", LATN),
        ("ru-KZ, kk;q=0.9", RU),
        ("en;q=0.5, ru;q=0.7 , kk;q=0.6", RU),
        ("kk;q=0, ru;q=0.1", RU),
        ("kk;q=0", RU),
        ("kk;q=0, *", RU),
        ("kk;q=0, ru;q=0, *;q=0.5", EN),
        ("kk;q=0, ru;q=0, en;q=0", KK),
        ("en, *;q=0.5", EN),
        ("fr, ru;q=0.001", RU),
        ("kk;q=2, ru", RU),
        ("ru;level=1,en", EN),
        ("en-US,en", EN),
        ("xx," * 200 + "ru", KK),
    ],
)
def test_the_caller_gets_the_language_they_read_best(header: str, language: Language) -> None:
    assert negotiate(header) is language


@given(st.text(max_size=600))
def test_no_header_breaks_the_choice(header: str) -> None:
    assert negotiate(header) in Language


RANGES = st.tuples(
    st.sampled_from(["kk", "KK-cyrl", "kk-Arab-CN", "kk-Latn", "ru", "ru-RU", "en", "en-GB-oed", "de", "*", "", "-"]),
    st.sampled_from(["", ";q=0", "; q=0.000", ";q=0.5", " ;Q=1.000", ";q=1.5", ";q=-1", ";q=", ";x=y", ";q=0.5;q=1"]),
)


@given(st.lists(RANGES.map("".join), max_size=12))
def test_a_language_refused_by_name_is_not_chosen_unless_named_besides(ranges: list[str]) -> None:
    header = ",".join(["ru;q=0", *ranges])
    if not any(each.lower().startswith("ru") for each in ranges):
        assert negotiate(header) is not RU


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, KK),
        ({"LANG": "C.UTF-8"}, KK),
        ({"LANG": "ru_KZ.UTF-8"}, RU),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "kk_KZ.UTF-8"}, KK),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "ru_RU"}, RU),
        ({"LANG": "ru_RU", "LANGUAGE": "de:en:ru"}, EN),
        ({"LANG": "kk_KZ@latin"}, LATN),
        ({"LANG": "kk_Arab_CN.UTF-8"}, ARAB),
        ({"LANG": "kk_CN"}, ARAB),
        ({"LANG": "sr_RS@latin"}, KK),
        ({"LANG": "../../etc"}, KK),
    ],
)
def test_a_process_gets_the_language_of_its_locale(environ: dict[str, str], language: Language) -> None:
    assert from_locale(environ) is language


def test_only_arabic_script_runs_from_right_to_left() -> None:
    assert [each for each in Language if each.direction == "rtl"] == [ARAB]


def test_derived_scripts_name_the_language_they_come_from() -> None:
    assert {each: each.written for each in Language if each is not each.written} == {ARAB: KK, LATN: KK}
