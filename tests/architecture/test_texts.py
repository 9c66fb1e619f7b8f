"""Every word shown to people comes from the catalogue (docs/architecture.md, "Texts"): none missing, none unused."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final, get_args

import pytest
from babel.messages.catalog import Message
from babel.messages.checkers import num_plurals, python_format

from libs.common.contracts.http.identity import WaitsFor
from libs.common.contracts.identity import Outcome as JourneyOutcome
from libs.common.contracts.kandas import Outcome as DecisionOutcome
from libs.common.contracts.kandas import RefusalGround
from libs.common.texts.catalogue import SHARED, Catalogue
from libs.common.texts.languages import WRITTEN, Language
from libs.common.texts.scripts import in_script
from libs.common.web.refusals import HTTP_PROBLEMS
from libs.common.web.signature_problems import SIGNATURE_PROBLEMS
from services.biometrics.check.parts import SOURCES
from services.biometrics.liveness.challenge import ACTIONS, KINDS
from tests.architecture.source_tree import ROOT, Module, Modules, within

FOLDERS: Final[Mapping[str, Path]] = {
    ".".join(path.relative_to(ROOT).parts[:2]): path
    for path in (*(ROOT / "services").glob("*/texts"), *(ROOT / "libs").glob("citizen/texts"))
}
"""The folder of texts of each program, by its package."""
PROGRAMS: Final = sorted(FOLDERS)
KAZAKH, RUSSIAN, ENGLISH = WRITTEN

PLACEHOLDER: Final = re.compile(r"%\(\w+\)s|%%")
COMMAND: Final = re.compile(r"`[^`]*`|https?://\S+|\S+@\S+\.[a-z]+")
LATIN_WORDS: Final = frozenset(
    [
        *(
            "PDF",
            "JPEG",
            "PNG",
            "WebP",
            "WebM",
            "HEIC",
            "AVIF",
            "AV1",
            "H",  # H.264
            "VP8",
            "VP9",
            "iPhone",
            "MP4",
            "ZIP",
            "XML",
            "JSON",
            "CMS",
            "CAdES",
            "BES",
            "DER",
            "PEM",
            "TSA",
            "TLS",
            "Java",
        ),
        *(
            "SMS",
            "PIN",
            "QR",
            "ID",
            "Digital",
            "UUID",
            "ASCII",
            "ISO",
            "KZ",
            "IV",
            "HTTP",
            "NCALayer",
            "CVE",
            "TSA",
            "AES",
            "Windows",
        ),
        *("EC", "RSA", "SHA", "P", "PKCS", "SIGN", "AUTH", "OCSP", "base64"),
        *("Allow", "Authorization", "Bearer", "Idempotency", "Key", "true", "false"),
        *("action", "serial", "reason", "revoke", "certificate"),
    ]
)
"""Names of formats, standards, headers and members, which no language translates."""
KAZAKH_LETTERS: Final = re.compile("[әғқңөұүһіӘҒҚҢӨҰҮҺІ]")
KAZAKH_NAMES: Final = frozenset({"Жетісу", "Ұлытау"})
"""Names of regions that Russian texts spell as Kazakh ones do, by law."""
KEY: Final = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")


@cache
def catalogue(program: str) -> Catalogue:
    return Catalogue.load(SHARED, FOLDERS[program])


@cache
def own(program: str | None) -> Catalogue:
    """The texts of one program alone; None: those that all share."""
    return Catalogue.load(SHARED if program is None else FOLDERS[program])


def every_text() -> Iterator[tuple[str, Mapping[Language, tuple[str, ...]]]]:
    """Each id with its forms in each language."""
    for program in (None, *PROGRAMS):
        texts = own(program)
        for key in texts:
            yield key, {language: texts.forms(key, language) for language in WRITTEN}


TEXTS: Final = list(every_text())
FORMS: Final = [(key, language, form) for key, forms in TEXTS for language in WRITTEN for form in forms[language]]


def test_every_service_and_the_client_have_texts() -> None:
    services = {f"services.{path.parent.name}" for path in (ROOT / "services").glob("*/app.py")}
    assert services <= set(PROGRAMS)
    assert len(TEXTS) > 400


def test_every_text_is_there_in_each_language() -> None:
    assert [(key, language) for key, forms in TEXTS for language in WRITTEN if not all(forms[language])] == []
    assert [(key, language) for key, forms in TEXTS for language in WRITTEN if not forms[language]] == []


def test_each_language_has_the_same_placeholders_and_the_plural_forms_it_needs() -> None:
    """Judged by Babel's checkers, which compare with the English text."""
    for program in (None, *PROGRAMS):
        texts = own(program)
        for key in texts:
            english = texts.forms(key, ENGLISH)
            for language in WRITTEN:
                catalog, forms = texts.catalogs[language], texts.forms(key, language)
                ids = english[0] if len(english) == 1 else (english[0], english[1])
                message = Message(ids, forms[0] if len(forms) == 1 else forms, flags=["python-format"])
                python_format(catalog, message)
                num_plurals(catalog, message)


def test_what_happened_is_one_sentence_that_is_the_same_every_time() -> None:
    titles = [(key, form) for key, _, form in FORMS if re.fullmatch(r"(?:problem|error)\..+\.happened", key)]
    assert [key for key, form in titles if key.startswith("problem.") and PLACEHOLDER.search(form)] == []
    assert [form for _, form in titles if not form.endswith((".", "…")) or "\n" in form] == []


def test_a_text_ends_alike_in_each_language() -> None:
    ends = {key: {forms[language][0][-1] in ".!?…" for language in WRITTEN} for key, forms in TEXTS}
    assert [key for key, found in ends.items() if len(found) > 1] == []
    assert [(key, form) for key, _, form in FORMS if form != form.strip() or "  " in form] == []


def test_no_text_is_a_bare_key() -> None:
    assert [(key, form) for key, _, form in FORMS if KEY.fullmatch(form)] == []


def plain(form: str) -> str:
    return COMMAND.sub(" ", PLACEHOLDER.sub(" ", form))


def test_texts_in_cyrillic_have_no_latin_letters_but_in_words_that_are_not_translated() -> None:
    """Also finds Latin letters that look like Cyrillic ones."""
    found = {
        (key, word)
        for key, language, form in FORMS
        if language is not ENGLISH
        for word in re.findall(r"\w*[A-Za-z]\w*", plain(form))
    }
    assert sorted(each for each in found if each[1] not in LATIN_WORDS) == []


def test_kazakh_russian_and_english_are_three_languages() -> None:
    same = [key for key, forms in TEXTS if forms[KAZAKH] == forms[RUSSIAN] and re.search("[а-я]", forms[KAZAKH][0])]
    assert [key for key in same if key != "field.pin"] == []
    russian = [(key, form) for key, language, form in FORMS if language is RUSSIAN]
    assert [
        key for key, form in russian if KAZAKH_LETTERS.search(form) and not any(name in form for name in KAZAKH_NAMES)
    ] == []
    assert [key for key, language, form in FORMS if language is ENGLISH and re.search("[Ѐ-ӿ]", form)] == []


@pytest.mark.parametrize("language", [Language.KAZAKH_ARABIC, Language.KAZAKH_LATIN])
def test_every_kazakh_text_can_be_written_in_the_other_scripts(language: Language) -> None:
    for key, _, form in (each for each in FORMS if each[1] is KAZAKH):
        written = in_script(form, language)
        assert not re.search("[Ѐ-ӿ]", re.sub(r"https?://\S+", "", written)), key
        assert sorted(PLACEHOLDER.findall(written)) == sorted(PLACEHOLDER.findall(form)), key
        assert sorted(COMMAND.findall(written)) == sorted(COMMAND.findall(form)), key


# ---- ids in the sources ----


def product(modules: Modules) -> list[Module]:
    return [module for module in modules.values() if module.name.partition(".")[0] in {"libs", "services", "deploy"}]


def literals(module: Module) -> set[str]:
    values = (node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant))
    return {value for value in values if isinstance(value, str)}


def patterns(module: Module) -> Iterator[re.Pattern[str]]:
    """Ids that are put together: ``f"waits.{view.waits_for}"``, ``f"{source}.takes_too_long"``."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(each.value) if isinstance(each, ast.Constant) else None for each in node.values]
            whole = (parts[0] or "").endswith((".", "_")) or (parts[-1] or "").startswith(".")
            if (
                whole
                and parts[0] not in {"problem.", "error."}
                and KEY.fullmatch("".join(each or "x" for each in parts))
            ):
                yield re.compile("".join(r"[\w.-]+" if each is None else re.escape(each) for each in parts))


def enumerated(module: Module) -> Iterator[str]:
    """The values of a module's string enums."""
    for each in module.classes:
        if any(ast.unparse(base) == "StrEnum" for base in each.bases):
            values = (node.value for node in each.body if isinstance(node, ast.Assign))
            yield from (str(value.value) for value in values if isinstance(value, ast.Constant))


def owner(module: Module) -> str | None:
    return next((program for program in PROGRAMS if within(module.name, program)), None)


def refusals(modules: Modules) -> Iterator[tuple[str, str]]:
    """Each reason to refuse, with each program that may answer it."""
    for module in product(modules):
        if module.name.endswith("refusals"):
            programs = PROGRAMS if owner(module) is None else [str(owner(module))]
            yield from ((program, key) for key in enumerated(module) for program in programs)


def test_every_reason_to_refuse_has_words_for_what_happened_and_what_to_do(repository: Modules) -> None:
    reasons = set(refusals(repository))
    assert {("services.otp", "otp.wrong_code"), ("services.ca", "token.expired")} <= reasons, "the search finds them"
    parts = ("happened", "remedy")
    missing = [
        f"{program}: problem.{key}.{part}"
        for program, key in sorted(reasons)
        for part in parts
        if f"problem.{key}.{part}" not in catalogue(program)
    ]
    assert missing == []


def test_every_reason_to_refuse_has_a_status(repository: Modules) -> None:
    own_reasons = {(program, key) for program, key in refusals(repository) if program.startswith("services.")}
    tables = {
        program: set(import_module(f"{program}.problems").PROBLEMS) | set(HTTP_PROBLEMS) | set(SIGNATURE_PROBLEMS)
        for program in {program for program, _ in own_reasons}
    }
    assert sorted(key for program, key in own_reasons if key not in tables[program]) == []


def test_no_wording_stands_where_something_is_refused(repository: Modules) -> None:
    spoken = [
        f"{module.name}:{node.lineno}"
        for module in product(repository)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "Refused"
        and (len(node.args) != 1 or isinstance(node.args[0], ast.Constant | ast.JoinedStr))
    ]
    assert spoken == []


def test_every_id_that_a_source_names_has_a_text(repository: Modules) -> None:
    named = {
        (module.name, node.args[0].value)
        for module in product(repository)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in {"text", "words", "_words", "line", "Progress"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
        and KEY.fullmatch(node.args[0].value)
    }
    assert len(named) > 5, "the search finds them"
    everywhere = {key for key, _ in TEXTS}
    assert sorted(each for each in named if each[1] not in everywhere) == []


def test_whatever_a_face_check_says_has_words(repository: Modules) -> None:
    pattern = re.compile(
        r"(?:(?:selfie|clip|document|picture)\.[a-z_]+|face\.[a-z]+_[a-z_]+|capture\.not_readable|review\.overdue)(?<!_)"
    )
    said = {
        literal
        for module in product(repository)
        if within(module.name, "services.biometrics") and not module.name.endswith("refusals")
        for literal in literals(module)
        if pattern.fullmatch(literal)
    } - {"face.review_requested"}
    assert {"selfie.blurred", "document.pdf_locked", "clip.pad_doubt"} <= said, "the search finds them"
    assert sorted(said - set(own(None))) == []


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ("challenge.{}", ACTIONS),
        ("clip.no_{}", KINDS),
        ("{}.takes_too_long", SOURCES),
        ("journey.{}", get_args(JourneyOutcome)),
        ("waits.{}", get_args(WaitsFor)),
        ("{}", RefusalGround),
        ("kandas.{}", get_args(DecisionOutcome)),
    ],
)
def test_ids_that_are_put_together_have_texts(form: str, values: Sequence[str]) -> None:
    assert [key for key in (form.format(value) for value in values) if key not in own(None)] == []


def test_every_field_of_a_form_has_a_name(repository: Modules) -> None:
    forms, fields = {"Form"}, set()
    for each in (each for module in product(repository) if "contracts.http" in module.name for each in module.classes):
        if forms & {ast.unparse(base) for base in each.bases}:
            forms.add(each.name)
            fields |= {ast.unparse(node.target) for node in each.body if isinstance(node, ast.AnnAssign)}
    assert {"iin", "origin_country", "sign_csr"} <= fields, "the search finds them"
    assert sorted(field for field in fields if f"field.{field}" not in own(None)) == []


def test_every_event_of_a_timeline_has_words(repository: Modules) -> None:
    """A timeline shows events by their topics."""
    topics = {
        literal
        for module in product(repository)
        if module.name in {"libs.common.contracts.otp", "libs.common.contracts.biometrics", "libs.common.contracts.ca"}
        for literal in literals(module)
        if re.fullmatch(r"(?:otp|face|cert)\.[a-z_]+", literal)
    }
    assert {"otp.sent", "face.matched", "cert.issued"} <= topics, "the search finds them"
    assert sorted(topics - {"otp.confirmed", "cert.expiring"} - set(own(None))) == []


# ---- texts without use ----


def test_every_text_is_used(repository: Modules) -> None:
    modules = product(repository)
    by_owner = {program: [each for each in modules if owner(each) == program] for program in (None, *PROGRAMS)}
    said = {program: set().union(*(literals(each) for each in found), set()) for program, found in by_owner.items()}
    ways = [pattern for module in modules for pattern in patterns(module)]
    fields = {
        ast.unparse(node.target)
        for module in modules
        for each in module.classes
        for node in each.body
        if isinstance(node, ast.AnnAssign)
    }
    unused = []
    for program in (None, *PROGRAMS):
        names = set().union(*said.values()) if program is None else said[program] | said[None]
        for key in own(program):
            about = re.fullmatch(r"(?:problem|error)\.(.+)\.(?:happened|means|remedy)", key)
            wanted = about[1] if about else key
            field = wanted.removesuffix(".malformed")
            if not (
                wanted in names
                or (field != wanted and field in fields)
                or any(pattern.fullmatch(wanted) for pattern in ways)
            ):
                unused.append(f"{program or 'shared'}: {key}")
    assert unused == []
