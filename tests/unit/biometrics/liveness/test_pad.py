"""A mounted detector of presentations: verified, fed as its card says, and its doubts a clerk's business.

The networks here are made by the test and detect nothing: they answer by how bright the picture is.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from services.biometrics.analysis import analyses
from services.biometrics.analysis.reports import ClipReport
from services.biometrics.analysis.workers import JobFailed, Workers
from services.biometrics.check.states import CheckInReview
from services.biometrics.liveness.clip import LIVENESS
from services.biometrics.liveness.pad import OnnxPad, PadCard, PadError
from services.biometrics.liveness.pad_result import PadResult
from services.biometrics.models.limits import Limit
from services.biometrics.settings import BiometricsSettings
from tests.fixtures.media.make import MediaFiles
from tests.unit.biometrics.conftest import CHALLENGE
from tests.unit.biometrics.factories import FakeAnalyser
from tests.unit.biometrics.harness import Harness, World
from tests.unit.biometrics.liveness.pad_network import SIZE, mounted


def grey(value: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full((SIZE, SIZE, 3), value, np.uint8)


def test_a_detector_answers_on_the_scale_of_its_card(tmp_path: Path) -> None:
    pad = OnnxPad(mounted(tmp_path))
    result = pad.judge([grey(204), grey(153)])
    assert (result.state, result.model, result.sha256) == ("passed", "brightness-1", pad.card.sha256)
    assert result.score == pytest.approx(0.7)
    assert pad.judge([grey(51)]).state == "doubt"


def test_logits_are_weighed_against_each_other(tmp_path: Path) -> None:
    pad = OnnxPad(mounted(tmp_path, output="logits", live=1, mean=(127.5, 127.5, 127.5), scale=0.1))
    assert pad.judge([grey(255)]).score == pytest.approx(1, abs=1e-6)
    assert pad.judge([grey(0)]).score == pytest.approx(0, abs=1e-6)
    swapped = OnnxPad(mounted(tmp_path, output="logits", live=0, mean=(127.5, 127.5, 127.5), scale=0.1))
    assert swapped.judge([grey(255)]).state == "doubt"


def test_colours_come_in_the_order_of_the_card(tmp_path: Path) -> None:
    red = np.zeros((SIZE, SIZE, 3), np.uint8)
    red[..., 0] = 255
    cards = [PadCard.model_validate_json(mounted(tmp_path, colour=order).read_bytes()) for order in ("rgb", "bgr")]
    assert [card.batch([red])[0, 0].max() for card in cards] == [1.0, 0.0]


def test_an_answer_that_is_no_probability_is_a_doubt(tmp_path: Path) -> None:
    pad = OnnxPad(mounted(tmp_path, scale=2 / 255))
    assert pad.judge([grey(100)]).state == "passed"
    assert pad.judge([grey(200)]).state == "doubt"


def test_a_network_of_another_form_than_its_card_states_is_refused_at_the_start(tmp_path: Path) -> None:
    card = mounted(tmp_path, output="logits", live=1)
    card.write_text(card.read_text().replace('"logits"', '"probability"'))
    with pytest.raises(PadError, match="does not answer in the form"):
        OnnxPad(card)


def test_a_card_that_is_none_is_refused_with_what_to_look_at(tmp_path: Path) -> None:
    card = mounted(tmp_path)
    card.write_text(card.read_text().replace('"threshold":0.5', '"threshold":5'))
    with pytest.raises(PadError, match=r"pad\.json is not a card \(look at: threshold\)"):
        OnnxPad(card)


@pytest.mark.parametrize(
    ("card", "shown"),
    [("none.json", "none.json is missing"), (".", "cannot be read"), ("bad.json", "look at: the whole")],
)
def test_a_card_that_will_not_do_is_named_among_the_wrong_settings(tmp_path: Path, card: str, shown: str) -> None:
    (tmp_path / "bad.json").write_text("not a card")
    with pytest.raises(ValidationError) as error:
        BiometricsSettings(pad_card=tmp_path / card)
    (found,) = (each for each in error.value.errors() if each["loc"] == ("pad_card",))
    assert shown in found["msg"]
    assert "unset BIOMETRICS_PAD_CARD" in found["msg"]


async def test_workers_do_not_start_with_another_network_than_the_cards(models: Path, tmp_path: Path) -> None:
    card = mounted(tmp_path)
    with (tmp_path / "brightness.onnx").open("ab") as file:
        file.write(b"\0")
    workers = Workers(1, analyses.load, models, card)
    with pytest.raises(JobFailed, match=r"brightness\.onnx has not the SHA-256"):
        await workers.start()


@pytest.mark.parametrize(("threshold", "state"), [(0.01, "passed"), (0.99, "doubt")])
async def test_a_clip_is_shown_to_the_detector_and_its_doubt_refuses_nobody(
    models: Path, media: MediaFiles, tmp_path: Path, threshold: float, state: str
) -> None:
    card = mounted(tmp_path, threshold=threshold)
    workers = Workers(1, analyses.load, models, card)
    await workers.start()
    try:
        report = await workers.run(analyses.analyse_clip, media.clip.read_bytes(), CHALLENGE)
    finally:
        await workers.stop()
    assert report.ok
    assert report.embedding is not None
    assert report.doubts == (("clip.pad_doubt",) if state == "doubt" else ())
    assert (report.pad.state, report.pad.model, report.pad.threshold) == (state, "brightness-1", threshold)
    assert report.pad.score is not None
    assert 0.05 < report.pad.score < 0.95


@pytest.mark.usefixtures("loaded")
def test_without_a_detector_the_result_says_so(media: MediaFiles) -> None:
    report = analyses.analyse_clip(media.clip.read_bytes(), CHALLENGE)
    assert report.pad == PadResult(state="not_configured")
    assert report.doubts == ()


class Suspicious(FakeAnalyser):
    """FakeAnalyser with a detector that doubts every clip."""

    async def clip(self, data: bytes, challenge: tuple[str, ...]) -> ClipReport:
        report = await super().clip(data, challenge)
        said = PadResult(state="doubt", model="brightness-1", sha256="0" * 64, score=0.2, threshold=0.5)
        return report.model_copy(update={"pad": said, "doubts": ("clip.pad_doubt",), "limits": LIVENESS.limits})


async def test_a_doubt_leads_to_a_clerk_and_what_was_said_stays_on_record() -> None:
    harness = Harness(World(Suspicious()))
    await harness.opened()
    await harness.tried()
    state = await harness.state()
    assert isinstance(state, CheckInReview)
    last = state.tries[-1]
    assert (last.band, last.signals) == ("review", ("clip.pad_doubt",))
    kept = last.examined["clip"]
    assert kept.pad == PadResult(state="doubt", model="brightness-1", sha256="0" * 64, score=0.2, threshold=0.5)
    assert kept.limits["FlowResidual"] == Limit(at_least=1.5)
    assert last.examined["selfie"].pad is None
