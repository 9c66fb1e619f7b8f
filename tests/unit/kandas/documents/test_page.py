import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from libs.common.contracts.kandas import Outcome, RefusalGround
from libs.common.texts.languages import Language
from services.kandas.documents.page import PageFacts, render
from services.kandas.documents.seal import Seal
from services.kandas.texts import TEXTS
from tests.unit.kandas.factories import APPLICANT, APPLICATION
from tests.unit.kandas.seals import PASSPHRASE, make_seal

FONTS = Path("/usr/share/fonts/truetype/dejavu")
FACTS = PageFacts(
    number=f"{APPLICATION}/p1",
    verify_url=f"https://onboarding.example/v1/documents/{APPLICATION}/p1",
    person=APPLICANT,
    outcome="granted",
    reasons=(),
    region="KZ-75",
    decided_on=date(2026, 3, 2),
    valid_until=date(2027, 3, 2),
    rules="2025-10-26",
)
needs_fonts = pytest.mark.skipif(not FONTS.is_dir(), reason="the fonts are missing: install fonts-dejavu-core")


def judge(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is missing: install poppler-utils")


def run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(pdf: bytes) -> Path:
        path = tmp_path / "document.pdf"
        path.write_bytes(pdf)
        return path

    return write


@needs_fonts
def test_the_same_facts_give_the_same_bytes_and_other_facts_others() -> None:
    assert render(FACTS, FONTS) == render(FACTS, FONTS)
    assert render(FACTS, FONTS) != render(replace(FACTS, valid_until=date(2027, 3, 3)), FONTS)


@needs_fonts
@judge("pdftotext")
def test_a_certificate_says_who_what_and_until_when(written: Callable[[bytes], Path]) -> None:
    words = run("pdftotext", "-layout", written(render(FACTS, FONTS)), "-")

    for expected in ("ҚАНДАС КУӘЛІГІ", "Сейтжанұлы", "Ерасыл", "830717350867", "Қытай", "02.03.2027", "Алматы қаласы"):
        assert expected in words
    assert FACTS.verify_url in words


@needs_fonts
@judge("pdftotext")
@pytest.mark.parametrize(
    ("outcome", "title"),
    [("granted", "Kandas certificate"), ("extended", "Decision to extend"), ("refused", "Reasoned refusal")],
)
def test_each_outcome_has_its_own_title(written: Callable[[bytes], Path], outcome: Outcome, title: str) -> None:
    assert title in run("pdftotext", "-layout", written(render(replace(FACTS, outcome=outcome), FONTS)), "-")


@needs_fonts
@judge("pdftotext")
def test_a_refusal_with_every_ground_spells_all_of_them_out_and_stays_verifiable(
    written: Callable[[bytes], Path],
) -> None:
    facts = replace(FACTS, outcome="refused", valid_until=None, reasons=tuple(RefusalGround))
    words = " ".join(run("pdftotext", "-layout", written(render(facts, FONTS)), "-").split())

    for reason in RefusalGround:
        assert TEXTS.text(reason, Language.KAZAKH) in words
    assert facts.verify_url in words


@needs_fonts
@judge("pdffonts")
def test_every_font_is_embedded(written: Callable[[bytes], Path]) -> None:
    lines = run("pdffonts", written(render(FACTS, FONTS))).splitlines()[2:]
    assert lines
    assert all(line.split()[-5] == "yes" for line in lines), "the column 'emb'"


@needs_fonts
@judge("pdfsig")
def test_an_outside_judge_finds_the_seal_valid_over_the_whole_document(written: Callable[[bytes], Path]) -> None:
    sealed = Seal(make_seal(), PASSPHRASE).apply(render(FACTS, FONTS))
    judged = run("pdfsig", written(sealed))

    assert "Signature is Valid" in judged
    assert "ETSI.CAdES.detached" in judged
    assert "SHA-256" in judged
    assert "Total document signed" in judged


@needs_fonts
@judge("pdfsig")
def test_a_changed_document_is_found_out(written: Callable[[bytes], Path]) -> None:
    sealed = Seal(make_seal(), PASSPHRASE).apply(render(FACTS, FONTS))
    place = sealed.index(b"/Title")
    judged = run("pdfsig", written(sealed[:place] + b"/Titel" + sealed[place + 6 :]))
    assert "Signature is Valid" not in judged
    assert "Digest Mismatch" in judged


def test_a_wrong_passphrase_is_told_at_the_start() -> None:
    with pytest.raises(ValueError, match="PKCS#12"):
        Seal(make_seal(), "another")
