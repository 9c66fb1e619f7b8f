"""A catalogue reads .po files, fills in facts, and never shows nothing."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from libs.common.texts.catalogue import SHARED, Catalogue, TextMissing, shared
from libs.common.texts.languages import Language
from libs.common.texts.places import country_name, region_codes, region_name

PLURALS = {
    "kk": "nplurals=2; plural=(n != 1);",
    "ru": "nplurals=3; plural=n % 10 == 1 && n % 100 != 11 ? 0 : n % 10 >= 2 && n % 10 <= 4 "
    "&& (n % 100 < 12 || n % 100 > 14) ? 1 : 2;",
    "en": "nplurals=2; plural=(n != 1);",
}


def po(language: str, *entries: str) -> str:
    header = f'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\nPlural-Forms: {PLURALS[language]}\\n"'
    return "\n\n".join([header, *entries])


def entry(key: str, text: str) -> str:
    return f'msgid "{key}"\nmsgstr "{text}"'


def counted(key: str, fact: str, *forms: str) -> str:
    return f'msgid "{key}"\nmsgid_plural "{fact}"\n' + "\n".join(f'msgstr[{i}] "{f}"' for i, f in enumerate(forms))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "kk": (
            entry("greeting", "Сәлем, %(name)s!"),
            entry("due", "Мерзімі: %(due_on)s."),
            entry("half", "50 %%."),
            entry("kazakh_only", "Тек қазақша."),
            counted("left", "tries", "%(tries)s әрекет қалды.", "%(tries)s әрекет қалды."),
        ),
        "ru": (
            entry("greeting", "Здравствуйте, %(name)s!"),
            entry("due", "Срок: %(due_on)s."),
            entry("half", "50 %%."),
            counted(
                "left",
                "tries",
                "Осталась %(tries)s попытка.",
                "Осталось %(tries)s попытки.",
                "Осталось %(tries)s попыток.",
            ),
        ),
        "en": (
            entry("greeting", "Hello, %(name)s!"),
            entry("due", "Due: %(due_on)s."),
            entry("half", "50 %%."),
            counted("left", "tries", "%(tries)s try left.", "%(tries)s tries left."),
        ),
    }
    for language, entries in files.items():
        (tmp_path / f"{language}.po").write_text(po(language, *entries), "utf-8")
    return tmp_path


@pytest.fixture
def texts(folder: Path) -> Catalogue:
    return Catalogue.load(folder)


def test_facts_are_filled_in_and_never_transliterated(texts: Catalogue) -> None:
    shown = {language: texts.text("greeting", language, name="Айгүл") for language in Language}
    assert shown == {
        "kk": "Сәлем, Айгүл!",
        "ru": "Здравствуйте, Айгүл!",
        "en": "Hello, Айгүл!",
        "kk-Arab": "سالەم، Айгүл!",
        "kk-Latn": "Sälem, Айгүл!",
    }


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        (Language.KAZAKH, "Мерзімі: 2026 жылғы 1 желтоқсан."),
        (Language.RUSSIAN, "Срок: 1 декабря 2026 года."),
        (Language.ENGLISH, "Due: 1 December 2026."),
        (Language.KAZAKH_LATIN, "Merzımı: 2026 jylğy 1 jeltoqsan."),
        (Language.KAZAKH_ARABIC, "مەرزىمى: 2026 جىلعى 1 جەلتوقسان."),
    ],
)
def test_dates_are_written_as_the_language_writes_them(texts: Catalogue, language: Language, shown: str) -> None:
    assert texts.text("due", language, due_on=date(2026, 12, 1)) == shown


def test_moments_are_shown_in_the_time_of_kazakhstan(texts: Catalogue) -> None:
    moment = datetime(2026, 11, 30, 21, 5, tzinfo=UTC)
    assert texts.text("due", Language.RUSSIAN, due_on=moment) == "Срок: 1 декабря 2026 года, 02:05."


def test_a_count_chooses_the_plural_form(texts: Catalogue) -> None:
    russian = [texts.text("left", Language.RUSSIAN, tries=count) for count in (1, 2, 5, 11, 21)]
    assert [text.split()[-1] for text in russian] == ["попытка.", "попытки.", "попыток.", "попыток.", "попытка."]
    assert texts.text("left", Language.ENGLISH, tries=1) == "1 try left."
    assert texts.text("left", Language.KAZAKH, tries=3) == "3 әрекет қалды."


def test_a_per_cent_sign_is_shown(texts: Catalogue) -> None:
    assert texts.text("half", Language.KAZAKH_LATIN) == "50 %."


def test_a_text_that_a_language_lacks_is_shown_in_another(texts: Catalogue) -> None:
    with pytest.warns(TextMissing, match="kazakh_only is missing in ru"):
        assert texts.text("kazakh_only", Language.RUSSIAN) == "Тек қазақша."


def test_a_text_that_no_language_has_is_visible(texts: Catalogue) -> None:
    with pytest.warns(TextMissing, match="otp.100% is missing"):
        assert texts.text("otp.100%", Language.KAZAKH) == "[otp.100%]"


def test_a_fact_that_was_not_given_is_visible(texts: Catalogue) -> None:
    with pytest.warns(TextMissing, match="greeting lacks the fact name"):
        assert texts.text("greeting", Language.ENGLISH) == "Hello, …!"


def test_a_missing_text_is_an_error_in_tests(texts: Catalogue) -> None:
    with pytest.raises(TextMissing):
        texts.text("nothing", Language.KAZAKH)


def test_the_facts_of_a_text_are_known(texts: Catalogue) -> None:
    assert texts.placeholders("left") == {"tries"}
    assert texts.placeholders("half") == frozenset()


def test_folders_are_merged_into_one_catalogue(folder: Path) -> None:
    texts = Catalogue.load(SHARED, folder)
    assert {"greeting", "selfie.blurred", "problem.token.expired.happened"} <= set(texts)
    assert "greeting" in texts
    assert "farewell" not in texts


def test_an_id_that_stands_in_two_folders_is_an_error(folder: Path) -> None:
    with pytest.raises(ValueError, match="greeting stands here and in another file"):
        Catalogue.load(folder, folder)


def test_an_id_that_stands_twice_in_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kk.po").write_text(po("kk", entry("a", "Бір."), entry("a", "Екі.")), "utf-8")
    with pytest.raises(ValueError, match="stands twice"):
        Catalogue.load(tmp_path)


def test_other_plural_forms_than_the_language_has_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "ru.po").write_text(po("en", entry("a", "Раз.")), "utf-8")
    with pytest.raises(ValueError, match="plural forms"):
        Catalogue.load(tmp_path)


@pytest.mark.parametrize(
    ("code", "language", "name"),
    [
        ("CHN", Language.KAZAKH, "Қытай"),
        ("CN", Language.KAZAKH_ARABIC, "قىتاي"),
        ("BRA", Language.RUSSIAN, "Бразилия"),
        ("KGZ", Language.RUSSIAN, "Кыргызстан"),
        ("XXA", Language.ENGLISH, "Stateless"),
        ("QQQ", Language.KAZAKH, "QQQ"),
    ],
)
def test_countries_are_named_by_two_or_three_letters(code: str, language: Language, name: str) -> None:
    assert country_name(shared(), code, language) == name


def test_every_region_has_a_name() -> None:
    assert len(region_codes(shared())) == 20
    assert region_name(shared(), "KZ-62", Language.RUSSIAN) == "область Ұлытау"
