"""Tesseract as a process: what it is given, what it must not be given, and what happens when it fails."""

import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from deploy.media import card
from services.biometrics.mrz import ALPHABET
from services.biometrics.mrz_reader import MrzReader
from services.biometrics.tesseract import Grey, Tesseract, TesseractError
from tests.unit.biometrics.conftest import HOLDER

BLANK: Grey = np.full((68, 600), 255, np.uint8)


def printed(line: str) -> Grey:
    """A line of the zone as it is printed on a card, cut out."""
    whole = card.Holder(HOLDER.iin, HOLDER.document_number, line, "", HOLDER.birth_date, HOLDER.expiry_date)
    grey = cv2.cvtColor(card.back(whole), cv2.COLOR_RGB2GRAY)[555:625]
    return np.asarray(cv2.normalize(grey, np.empty_like(grey), 0, 255, cv2.NORM_MINMAX), np.uint8)


def standing_in(folder: Path, reads: str) -> str:
    """A program that has English data, as far as it says, and does `reads` when it is to read."""
    program = folder / "tesseract"
    program.write_text(f'#!/bin/sh\nif [ "$1" = --list-langs ]; then echo eng; exit; fi\n{reads}\n')
    program.chmod(0o700)
    return str(program)


def test_lines_come_back_in_their_order_and_blank_ones_keep_their_place() -> None:
    texts = Tesseract(ALPHABET).read([printed("AKHMETOV"), BLANK, printed("SPECIMENOVA")])
    assert [text.split("<")[0] for text in texts] == ["AKHMETOV", "", "SPECIMENOVA"]


def test_only_the_alphabet_is_read() -> None:
    assert set(Tesseract("0123456789").read([printed("SPECIMENOV")])[0]) <= set("0123456789")


def test_nothing_to_read_starts_nothing(tmp_path: Path) -> None:
    assert Tesseract(ALPHABET, program=standing_in(tmp_path, "exit 1")).read([]) == []


def test_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"install the Debian package tesseract-ocr\."):
        MrzReader()


def test_missing_data_name_their_package(tmp_path: Path) -> None:
    program = standing_in(tmp_path, "")
    Path(program).write_text("#!/bin/sh\necho osd\n")
    with pytest.raises(FileNotFoundError, match="install the Debian package tesseract-ocr-eng"):
        Tesseract(ALPHABET, program=program)


def test_a_program_that_hangs_is_ended_and_leaves_no_process(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    program = standing_in(tmp_path, f"echo $$ > {noted}; exec sleep 60")
    began = time.monotonic()
    with pytest.raises(TesseractError, match=r"longer than 0\.5 s"):
        Tesseract(ALPHABET, program=program, timeout=0.5).read([BLANK])
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted.read_text()), 0)


def test_the_kernel_bounds_the_programs_processor_time_should_we_be_gone(tmp_path: Path) -> None:
    noted = tmp_path / "limit"
    program = standing_in(tmp_path, f"ulimit -t > {noted}; echo")
    Tesseract(ALPHABET, program=program, timeout=7).read([BLANK])
    assert noted.read_text().strip() == "7"


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    program = standing_in(tmp_path, "echo out of paper >&2; exit 3")
    with pytest.raises(TesseractError, match="status 3: out of paper"):
        Tesseract(ALPHABET, program=program).read([BLANK])


def test_an_answer_for_another_number_of_lines_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(TesseractError, match="given 2 lines and answered 1"):
        Tesseract(ALPHABET, program=standing_in(tmp_path, "echo IDKAZ")).read([BLANK, BLANK])


def test_the_program_does_not_see_the_services_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOMETRICS_SECRET", "not for others")
    seen = Tesseract(ALPHABET, program=standing_in(tmp_path, "env")).read([BLANK])[0]
    assert "OMP_THREAD_LIMIT=1" in seen
    assert "BIOMETRICS" not in seen


def test_no_jbig_decoder_is_loaded_into_the_process_that_analyses(models: Path) -> None:
    """Its licence, GPL, allows a program beside ours but no library within it."""
    look = f"""
from pathlib import Path
from services.biometrics import analysis
analysis.load(Path({str(models)!r}))
print(Path("/proc/self/maps").read_text())
"""
    maps = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    ).stdout
    assert "onnxruntime" in maps
    assert "jbig" not in maps
    assert "tesseract" not in maps
