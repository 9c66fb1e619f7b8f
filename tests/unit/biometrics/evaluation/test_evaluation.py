"""Error rates on an operator's own pictures: what the figures mean, and what they refuse to say."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.biometrics.evaluation import dataset, plot, report
from services.biometrics.evaluation.__main__ import evaluate, write
from services.biometrics.evaluation.dataset import DatasetError
from services.biometrics.evaluation.measure import Acquired, Presentations
from services.biometrics.evaluation.statistics import (
    Comparisons,
    carries,
    det,
    fmr,
    fnmr,
    operating_point,
    proportion,
)
from services.biometrics.models.model_card import DLIB_RESNET_V1
from tests.fixtures.media.make import MediaFiles
from tests.fixtures.media.photos import PHOTOGRAPHS, photograph
from tests.unit.biometrics.conftest import CHALLENGE
from tests.unit.biometrics.liveness.pad_network import mounted

distances = st.lists(st.floats(0, 2), min_size=1, max_size=40).map(np.array)


def drawn(people: int, seed: int = 7) -> Comparisons:
    """Comparisons as a fairly good model would make them: 3 genuine ones a person, one a pair of people."""
    dice = np.random.default_rng(seed)
    pairs = people * (people - 1) // 2
    genuine = tuple(dice.normal(0.35, 0.06, 3).clip(0) for _ in range(people))
    return Comparisons(genuine, dice.normal(0.75, 0.07, pairs).clip(0), pairs)


@given(genuine=st.lists(distances, min_size=1, max_size=5), threshold=st.floats(0, 2))
def test_the_false_non_match_rate_lies_within_its_interval_and_counts_people_alike(
    genuine: list[np.ndarray], threshold: float
) -> None:
    rate = fnmr(genuine, threshold)
    shares = [sum(distance > threshold for distance in each) / len(each) for each in genuine]
    assert rate.value == pytest.approx(sum(shares) / len(shares))
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    assert rate.trials == len(genuine)


@given(impostor=distances, thresholds=st.tuples(st.floats(0, 2), st.floats(0, 2)))
def test_a_larger_threshold_never_lowers_the_false_match_rate(
    impostor: np.ndarray, thresholds: tuple[float, float]
) -> None:
    comparisons = Comparisons((), impostor, impostor.size)
    low, high = sorted(thresholds)
    assert fmr(comparisons, low).value <= fmr(comparisons, high).value


@given(genuine=distances, impostor=distances)
def test_the_curve_gives_both_errors_at_each_threshold_the_data_know(genuine: np.ndarray, impostor: np.ndarray) -> None:
    comparisons = Comparisons((genuine,), impostor, impostor.size)
    false_match, false_non_match = det(comparisons)
    for n, threshold in enumerate(np.unique(np.concatenate([genuine, impostor]))):
        assert false_match[n] == pytest.approx(np.mean(impostor <= threshold))
        assert false_non_match[n] == pytest.approx(np.mean(genuine > threshold))


def test_no_error_in_a_hundred_trials_still_leaves_three_in_a_hundred_possible() -> None:
    rate = proportion(0, 100)
    assert rate.value == 0
    assert rate.high == pytest.approx(0.036, abs=0.001)  # two-sided; the rule of 3 says 0.03 for one side


@pytest.mark.parametrize(("trials", "verdict"), [(2_999, "no"), (3_000, "indication"), (30_000, "yes")])
def test_a_claim_of_one_in_a_thousand_takes_thirty_thousand_pairs_of_people(trials: int, verdict: str) -> None:
    assert carries(1e-3, trials) == verdict


def test_a_suggested_threshold_keeps_the_false_match_rate_that_was_asked_for() -> None:
    comparisons = drawn(300)
    point = operating_point(comparisons, 1e-3)
    assert point.carries == "yes"
    assert point.threshold is not None
    assert fmr(comparisons, point.threshold).value <= 1e-3
    assert fmr(comparisons, point.threshold + 0.02).value > 1e-3


def test_too_few_people_carry_no_threshold_however_many_pictures_there_are() -> None:
    few = drawn(20)
    many_pictures = Comparisons(few.genuine, np.tile(few.impostor, 1_000), few.pairs)
    assert operating_point(many_pictures, 1e-3).threshold is None


def of_clips(*kinds: Presentations) -> report.Evaluation:
    return report.Evaluation(DLIB_RESNET_V1, Acquired((), 0, Counter()), None, kinds)


def test_the_worst_kind_of_attack_decides_and_small_samples_are_named() -> None:
    kinds = (
        Presentations("bona-fide", 45, 0, Counter({"clip.no_blink": 5}), Counter()),
        Presentations("printed", 0, 0, Counter({"clip.looks_flat": 40}), Counter()),
        Presentations("puppet", 3, 0, Counter(), Counter()),
    )
    text = report.markdown(of_clips(*kinds))
    assert "| bona-fide | 50 | 0 | 0 | BPCER | 10.00 %" in text
    assert "| printed | 40 | 0 | 0 | APCER | 0.00 % (none seen in 40, 0.00 to 8.81)" in text
    assert "| puppet | 3 | 0 | 0 | APCER | 100.00 % (29.24 to 100.00) (too few to compare by)" in text
    assert "APCER 100.00 %" in text.partition("worst kind")[2]


def test_what_could_not_be_looked_at_speaks_for_no_detection_and_against_the_service() -> None:
    unread = Counter({"clip.damaged": 30})
    kinds = (
        Presentations("bona-fide", 30, 0, Counter(), unread),
        Presentations("mask", 0, 0, Counter(), unread),
        Presentations("printed", 1, 0, Counter({"clip.looks_flat": 9}), unread),
    )
    text = report.markdown(of_clips(*kinds))
    assert "| bona-fide | 60 | 0 | 30 | BPCER | 50.00 %" in text
    assert "| mask | 30 | 0 | 30 | APCER | **no claim**" in text
    assert "| printed | 40 | 0 | 30 | APCER | 10.00 %" in text
    shown = json.loads(report.json(of_clips(*kinds)))["presentations"]
    assert [each["error"] and each["error"]["trials"] for each in shown] == [60, None, 10]
    assert shown[2]["refused"] == {"clip.looks_flat": 9}
    assert shown[2]["unanswered"] == {"clip.damaged": 30}


def test_a_detectors_doubt_about_a_live_person_is_an_error_and_about_an_attack_none() -> None:
    kinds = (
        Presentations("bona-fide", 36, 4, Counter(), Counter()),
        Presentations("replay", 10, 30, Counter(), Counter()),
    )
    text = report.markdown(of_clips(*kinds))
    assert "| bona-fide | 40 | 4 | 0 | BPCER | 10.00 %" in text
    assert "| replay | 40 | 30 | 0 | APCER | 25.00 %" in text


def test_the_curve_is_a_picture() -> None:
    comparisons = drawn(300)
    points = tuple(operating_point(comparisons, target) for target in report.TARGETS)
    assert plot.det_png(comparisons, points, "a-model").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "challenge",
    [None, "{}", '{"challenge": ["jump"]}', '{"challenge": ["blink"]}', '{"challenge": ["left", "left"]}'],
)
def test_a_clip_without_a_usable_challenge_is_named_with_what_it_needs(tmp_path: Path, challenge: str | None) -> None:
    clip = tmp_path / "clips" / "printed" / "one.webm"
    clip.parent.mkdir(parents=True)
    clip.touch()
    if challenge is not None:
        clip.with_suffix(".json").write_text(challenge)
    with pytest.raises(DatasetError, match=r"one\.json"):
        dataset.read(tmp_path)


def test_an_empty_folder_is_told_how_it_should_look(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="faces/<person>/"):
        dataset.read(tmp_path)


def person(folder: Path, name: str, *pictures: bytes) -> None:
    there = folder / "faces" / name
    there.mkdir(parents=True)
    for number, content in enumerate(pictures):
        (there / f"{number}.jpg").write_bytes(content)


@pytest.mark.parametrize("second", ["one", "other"])
def test_a_file_that_is_there_twice_is_named_as_it_makes_no_comparison_or_has_a_wrong_label(
    tmp_path: Path, second: str
) -> None:
    person(tmp_path, "one", b"first", *([b"first"] if second == "one" else []))
    person(tmp_path, "other", *([b"first"] if second == "other" else [b"second"]))
    with pytest.raises(DatasetError, match=r"one/0\.jpg and .* are the same file"):
        dataset.read(tmp_path)


def test_a_folder_that_is_named_like_a_picture_is_none(tmp_path: Path) -> None:
    person(tmp_path, "one", b"first")
    (tmp_path / "faces" / "one" / "older.jpg").mkdir()
    assert [[each.name for each in pictures] for pictures in dataset.read(tmp_path).faces] == [["0.jpg"]]


async def test_clips_are_judged_as_the_service_would_and_the_report_is_left_whole(
    tmp_path: Path, models: Path, media: MediaFiles
) -> None:
    clip = media.clip.read_bytes()
    shown = {"bona-fide": [clip], "cut": [clip[: len(clip) // 2], clip[:3000], b"no clip"]}
    for kind, contents in shown.items():
        folder = tmp_path / "clips" / kind
        folder.mkdir(parents=True)
        for number, content in enumerate(contents):
            (folder / f"{number}.webm").write_bytes(content)
            (folder / f"{number}.json").write_text(json.dumps({"challenge": CHALLENGE}))
    out = tmp_path / "out"
    out.mkdir()
    (out / "det.png").write_bytes(b"a curve of an earlier evaluation")
    write(
        await evaluate(dataset.read(tmp_path), models, 1, any_quality=False, pad_card=mounted(tmp_path), look_s=20), out
    )
    shown = json.loads((out / "report.json").read_text())
    assert shown["detector"] == "brightness-1"
    live, cut = shown["presentations"]
    assert live["passed"] + live["doubted"] == live["total"] == 1
    assert (cut["total"], cut["error"]["trials"], cut["error"]["value"]) == (3, 1, 0)
    assert sum(cut["unanswered"].values()) == 2
    assert "brightness-1" in (out / "report.md").read_text()
    assert not (out / "det.png").exists()


@pytest.mark.parametrize("threshold", [0.01, 0.99])
async def test_a_mounted_detector_is_measured_with_the_rest(
    tmp_path: Path, models: Path, media: MediaFiles, threshold: float
) -> None:
    folder = tmp_path / "clips" / "bona-fide"
    folder.mkdir(parents=True)
    shutil.copy(media.clip, folder / "a.webm")
    (folder / "a.json").write_text(json.dumps({"challenge": CHALLENGE}))
    card = mounted(tmp_path, threshold=threshold)
    evaluated = await evaluate(dataset.read(tmp_path), models, 1, any_quality=False, pad_card=card, look_s=20)
    (found,) = evaluated.presentations
    assert (found.passed, found.doubted) == ((1, 0) if threshold < 0.5 else (0, 1))


async def test_what_takes_longer_than_the_service_gives_it_is_no_answer_here_either(
    tmp_path: Path, models: Path, media: MediaFiles
) -> None:
    folder = tmp_path / "clips" / "bona-fide"
    folder.mkdir(parents=True)
    shutil.copy(media.clip, folder / "a.webm")
    (folder / "a.json").write_text(json.dumps({"challenge": CHALLENGE}))
    found = await evaluate(dataset.read(tmp_path), models, 1, any_quality=False, look_s=0.02)
    (live,) = found.presentations
    assert live.unanswered == {"clip.takes_too_long": 1}
    assert "might take 0.02 s, not the usual 2 s" in report.markdown(found)
    assert "BPCER | 100.00 %" in report.markdown(found)


async def test_real_photographs_are_compared_and_no_rate_is_claimed_from_two_people(
    tmp_path: Path, models: Path
) -> None:
    for person, names in {"one": ("obama.jpg", "obama2.jpg"), "other": ("biden.jpg",)}.items():
        folder = tmp_path / "faces" / person
        folder.mkdir(parents=True)
        for name in names:
            photograph(name)
            shutil.copy(PHOTOGRAPHS / name, folder)
    found = await evaluate(dataset.read(tmp_path), models, 1, any_quality=True, look_s=20)
    write(found, tmp_path / "out")
    shown = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (shown["pictures"], shown["people"], shown["pairs_of_people"]) == (3, 2, 1)
    assert shown["bands"]["match"]["fnmr"]["value"] == 0
    assert shown["bands"]["match"]["fmr"]["value"] == 0
    assert [point["carries"] for point in shown["operating_points"]] == ["no", "no"]
    assert (tmp_path / "out" / "det.png").read_bytes().startswith(b"\x89PNG")
    assert not any(name in (tmp_path / "out" / "report.md").read_text() for name in ("obama", "biden", "other"))
