from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import cv2
import numpy as np
import pytest

from services.biometrics.analysis.analyses import analyse_document
from services.biometrics.document.card_detection import find_cards
from services.biometrics.media.decode import Picture
from tests.fixtures.media import card
from tests.fixtures.media.make import MediaFiles
from tests.fixtures.media.photos import Who
from tests.unit.biometrics.conftest import HOLDER, jpeg

pytestmark = pytest.mark.usefixtures("loaded")


def portrait_of(scene: Picture) -> Picture:
    return np.ascontiguousarray(scene[60:420, 180:464])


def on_one_table(sides: Sequence[Picture]) -> Picture:
    table = np.full((1600, 1300, 3), 70, np.uint8)
    for row, side in enumerate(sides):
        table[100 + row * 760 : 100 + row * 760 + side.shape[0], 130 : 130 + side.shape[1]] = side
    return table


def test_both_sides_are_read(media: MediaFiles) -> None:
    report = analyse_document([media.front.read_bytes(), media.back.read_bytes()])
    assert report.ok
    assert report.embedding is not None
    assert report.portrait_jpeg is not None
    assert report.mrz is not None
    assert (report.mrz.iin, report.mrz.document_number) == (HOLDER.iin, HOLDER.document_number)
    assert (report.mrz.birth_date, report.mrz.expiry_date) == (HOLDER.birth_date, HOLDER.expiry_date)
    assert (report.mrz.surname, report.mrz.given_names) == (HOLDER.surname, HOLDER.given_names)


STRANGER = card.Holder(
    "850412399015", "987654321", "STRANGEROVA", "AIGUL", date(1985, 4, 12), date(2033, 1, 9), sex="F"
)
TWIN = replace(HOLDER, iin="900201300131", document_number="012345679")


@pytest.mark.parametrize("other", [STRANGER, TWIN], ids=["a stranger's back", "a twin's back"])
@pytest.mark.parametrize("seed", [21, 22, 23])
def test_ones_own_front_with_the_back_of_anothers_card_is_refused(
    media: MediaFiles, other: card.Holder, seed: int
) -> None:
    """The face would match, and the zone is a genuine one: only what is printed ties the two sides together."""
    back = card.photographed(card.back(other), seed)
    report = analyse_document([media.front.read_bytes(), jpeg(back)])
    assert report.mrz is not None
    assert report.mrz.iin == other.iin
    assert report.guidance == ("document.print_differs",)
    assert report.measures["PrintedIinAgrees"] == 0


def test_a_front_and_anothers_back_in_one_picture_are_refused_too(scenes: dict[Who, Picture]) -> None:
    sides = [card.front(HOLDER, portrait_of(scenes["a"])), card.back(STRANGER)]
    assert analyse_document([jpeg(on_one_table(sides))]).guidance == ("document.print_differs",)


def test_a_front_whose_iin_cannot_be_read_ties_to_no_back(media: MediaFiles, scenes: dict[Who, Picture]) -> None:
    front = card.front(HOLDER, portrait_of(scenes["a"]))
    covered = front.copy()
    covered[520:590, 380:800] = front[20:90, 500:920]
    report = analyse_document([jpeg(card.photographed(covered, 7)), media.back.read_bytes()])
    assert report.guidance == ("document.print_unreadable",)


def test_a_number_printed_beside_the_zone_that_is_not_the_zones_is_noticed(
    media: MediaFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = card.zone(HOLDER)
    monkeypatch.setattr(card, "zone", lambda _: genuine)
    forged = card.back(replace(HOLDER, document_number="012345670"))
    report = analyse_document([media.front.read_bytes(), jpeg(card.photographed(forged, 8))])
    assert report.guidance == ("document.print_differs",)


def test_a_passports_page_is_read_by_itself(media: MediaFiles) -> None:
    report = analyse_document([media.page.read_bytes()])
    assert report.ok
    assert report.embedding is not None
    assert report.mrz is not None
    assert (report.mrz.layout, report.mrz.iin) == ("TD3", HOLDER.iin)
    assert (report.mrz.document_number, report.mrz.birth_date) == (HOLDER.document_number, HOLDER.birth_date)
    assert report.measures["PrintedIinAgrees"] == report.measures["PrintedBirthDateAgrees"] == 1


@pytest.mark.parametrize("seed", [31, 32])
def test_a_passports_page_with_a_letter_in_its_number_is_read_upside_down_too(
    scenes: dict[Who, Picture], seed: int
) -> None:
    holder = replace(HOLDER, document_number="N12345678")
    page = card.photographed(card.page(holder, portrait_of(scenes["b"])), seed)
    report = analyse_document([jpeg(np.ascontiguousarray(page[::-1, ::-1]))])
    assert report.ok
    assert report.mrz is not None
    assert report.mrz.document_number == "N12345678"


def test_a_passports_page_with_anothers_zone_is_refused(
    scenes: dict[Who, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = card.page_zone(STRANGER)
    monkeypatch.setattr(card, "page_zone", lambda _: foreign)
    page = card.photographed(card.page(HOLDER, portrait_of(scenes["a"])), 33)
    assert analyse_document([jpeg(page)]).guidance == ("document.print_differs",)


def test_a_side_is_told_by_what_is_on_it_and_not_by_its_place(media: MediaFiles) -> None:
    there = analyse_document([media.front.read_bytes(), media.back.read_bytes()])
    back = analyse_document([media.back.read_bytes(), media.front.read_bytes()])
    assert back.mrz == there.mrz
    assert back.embedding == there.embedding


@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_cards_are_found_and_read_however_they_lie(scenes: dict[Who, Picture], seed: int) -> None:
    front = card.photographed(card.front(HOLDER, portrait_of(scenes["b"])), seed)
    back = card.photographed(card.back(HOLDER), seed + 50)
    upside_down = np.ascontiguousarray(front[::-1, ::-1])
    report = analyse_document([jpeg(upside_down, 80), jpeg(np.ascontiguousarray(back[::-1, ::-1]), 80)])
    assert report.ok
    assert report.mrz is not None
    assert report.mrz.iin == HOLDER.iin


def test_one_picture_may_show_both_sides(scenes: dict[Who, Picture]) -> None:
    sides = [card.front(HOLDER, portrait_of(scenes["a"])), card.back(HOLDER)]
    report = analyse_document([jpeg(on_one_table(sides))])
    assert report.ok
    assert report.measures["Sides"] == 2


def test_a_file_cut_to_the_card_is_read_as_it_is(scenes: dict[Who, Picture]) -> None:
    sides = [card.front(HOLDER, portrait_of(scenes["a"])), card.back(HOLDER)]
    assert analyse_document([jpeg(side) for side in sides]).ok


def test_the_front_alone_lacks_the_zone(media: MediaFiles) -> None:
    report = analyse_document([media.front.read_bytes()])
    assert report.guidance == ("document.mrz_unreadable",)
    assert report.embedding is not None


def test_the_back_alone_lacks_the_portrait(media: MediaFiles) -> None:
    report = analyse_document([media.back.read_bytes()])
    assert report.guidance == ("document.no_portrait",)
    assert report.embedding is None
    assert report.mrz is not None


def test_a_blurred_zone_is_called_blurred_and_never_guessed(media: MediaFiles) -> None:
    back = cv2.GaussianBlur(card.photographed(card.back(HOLDER), 3, noise=0), (0, 0), 11)
    report = analyse_document([media.front.read_bytes(), jpeg(np.asarray(back, np.uint8))])
    assert report.mrz is None
    assert report.guidance == ("document.mrz_unreadable", "document.blurred")


def test_a_zone_whose_check_digits_disagree_is_not_believed(media: MediaFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = card.zone(HOLDER)
    forged = (first, "9102018" + second[7:], third)
    monkeypatch.setattr(card, "zone", lambda _: forged)
    report = analyse_document([media.front.read_bytes(), jpeg(card.photographed(card.back(HOLDER), 4))])
    assert report.mrz is None
    assert "document.mrz_unreadable" in report.guidance


def test_a_zone_without_an_iin_says_so(media: MediaFiles) -> None:
    bare = card.Holder("<" * 12, "012345678", "SPECIMENOV", "ASKAR", HOLDER.birth_date, HOLDER.expiry_date)
    report = analyse_document([media.front.read_bytes(), jpeg(card.photographed(card.back(bare), 5))])
    assert "document.no_iin" in report.guidance


@pytest.mark.parametrize("count", [0, 3])
def test_one_or_two_pictures_are_wanted(media: MediaFiles, count: int) -> None:
    assert analyse_document([media.front.read_bytes()] * count).guidance == ("document.one_or_two_pictures",)


def test_a_picture_without_a_card_gets_guidance() -> None:
    table = np.random.default_rng(1).integers(80, 120, (900, 1200, 3), np.uint8)
    report = analyse_document([jpeg(table)])
    assert set(report.guidance) >= {"document.no_portrait", "document.mrz_unreadable"}


def test_what_is_no_picture_gets_an_answer_and_no_exception(media: MediaFiles) -> None:
    front = media.front.read_bytes()
    assert analyse_document([front, b"GIF89a"]).guidance == ("picture.not_an_image",)
    assert analyse_document([front, b"%PDF-1.7"]).guidance == ("document.pdf_damaged",)


def test_the_table_is_not_taken_for_the_card() -> None:
    for seed in range(6):
        picture = card.photographed(card.back(HOLDER), 100 + seed)
        best = find_cards(picture)[0]
        assert cv2.contourArea(best) < 0.8 * picture.shape[0] * picture.shape[1]
