import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.biometrics.analysis import analyses
from services.biometrics.analysis.workers import JobFailed, Workers
from services.biometrics.face.embedding import OnnxEmbedder
from services.biometrics.models import build
from services.biometrics.models.dlib_onnx import WeightsError, convert
from services.biometrics.models.files import ModelsError, sha256, verify
from services.biometrics.models.model_card import DLIB_RESNET_V1, ModelCard
from services.biometrics.models.packages import Package, PackageError, obtain
from tests.unit.biometrics.conftest import Tools


@pytest.fixture
def copied(models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(models, tmp_path / "models"))


def test_a_built_folder_is_not_built_again(models: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in models.iterdir()}
    assert build.build(models) is False
    assert {file: file.stat().st_mtime_ns for file in models.iterdir()} == before


def test_the_manifest_says_of_every_file_where_it_comes_from_and_under_which_licence(models: Path) -> None:
    entries = verify(models).manifest.files
    assert {entry.licence for entry in entries} == {"Apache-2.0", "CC0-1.0"}
    for entry in entries:
        assert (models / entry.licence_file).stat().st_size > 5_000
        assert entry.source.startswith(("mediapipe==0.10.21:", "face_recognition_models==0.3.0:"))


def test_a_folder_without_a_manifest_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelsError, match=r"manifest\.json is missing.*models\.build") as caught:
        verify(tmp_path)
    assert caught.value.file == tmp_path / "manifest.json"


@pytest.mark.parametrize("index", range(4))
def test_one_changed_byte_in_any_model_is_noticed_and_the_file_named(copied: Path, index: int) -> None:
    file = copied / verify(copied).manifest.files[index].file
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelsError, match="SHA-256") as caught:
        verify(copied)
    assert caught.value.file == file


def test_a_missing_model_is_noticed_and_named(copied: Path) -> None:
    (copied / "face_landmark.tflite").unlink()
    with pytest.raises(ModelsError, match=r"face_landmark\.tflite is missing"):
        verify(copied)


def test_a_manifest_that_is_none_is_refused(copied: Path) -> None:
    (copied / "manifest.json").write_text('{"files": [{"name": "face-detection"}]}')
    with pytest.raises(ModelsError, match="is not a manifest"):
        verify(copied)


def test_a_package_with_another_hash_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    wrong = Package("mediapipe", "0.10.21", "0" * 64, wheel=True)
    with pytest.raises(PackageError, match="pinned SHA-256"):
        obtain(wrong, tmp_path)


@pytest.mark.parametrize("data", [b"", b"\x01\x02" * 5_000, bytes(100_000)])
def test_what_is_not_the_known_network_is_not_converted(data: bytes) -> None:
    with pytest.raises(WeightsError, match="No tensor of shape"):
        convert(data)


def test_the_converted_network_gives_what_dlib_itself_gives(tools: Tools) -> None:
    y, x = np.mgrid[0:150, 0:150]
    chip = np.stack([(x * 3 + y) % 256, (x + y * 5) % 256, (x * y // 7) % 256], axis=-1).astype(np.uint8)
    embedding = tools.embedder.embed([chip])[0]
    # dlib 20.0.1, compute_face_descriptor of the same chip.
    by_dlib = [-0.04445, 0.08076, 0.03436, -0.00738, -0.04816, -0.07498, -0.05698, 0.01731, 0.09731, -0.00237]
    assert embedding[:10] == pytest.approx(by_dlib, abs=2e-5)
    assert np.linalg.norm(embedding) == pytest.approx(1.3045467, abs=1e-5)


def with_card(folder: Path, **change: object) -> Path:
    """Mount the network with another card, as an operator does."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (entry,) = (each for each in manifest["files"] if each["name"] == "face-embedding-card")
    card = json.dumps(json.loads((folder / entry["file"]).read_text()) | change).encode()
    (folder / entry["file"]).write_bytes(card)
    entry["sha256"] = sha256(card)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_results_carry_the_id_and_the_thresholds_of_the_mounted_card(copied: Path) -> None:
    card = OnnxEmbedder(verify(with_card(copied, id="another-1", match=0.3, review=0.4))).card
    assert (card.id, card.band(0.31), card.band(0.41)) == ("another-1", "review", "no_match")


def mounted(folder: Path, file: str) -> str:
    """Name the model of a folder once one of its files is another."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (entry,) = (each for each in manifest["files"] if each["name"] == file)
    data = (folder / entry["file"]).read_bytes()
    (folder / entry["file"]).write_bytes(data + b" ")
    entry["sha256"] = sha256(data + b" ")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return DLIB_RESNET_V1.model(verify(folder).sha256("face-embedding"))


def test_another_network_under_the_same_id_is_another_model_and_its_faces_are_not_compared(
    copied: Path, tools: Tools
) -> None:
    assert tools.embedder.model.startswith("dlib-resnet-v1@")
    assert mounted(copied, "face-landmarks") == tools.embedder.model
    assert mounted(copied, "face-embedding") != tools.embedder.model


@pytest.mark.parametrize(
    ("change", "same"),
    [({"match": 0.4}, True), ({"review": 0.7}, True), ({"scale": 0.01}, False), ({"colour": "bgr"}, False)],
)
def test_thresholds_may_change_and_how_the_network_is_fed_makes_another_model(
    copied: Path, tools: Tools, change: dict[str, Any], same: bool
) -> None:
    assert (OnnxEmbedder(verify(with_card(copied, **change))).model == tools.embedder.model) is same


def test_a_network_of_another_form_than_its_card_states_is_refused_at_the_start(copied: Path) -> None:
    with pytest.raises(ModelsError, match="does not answer in the form that its card states"):
        OnnxEmbedder(verify(with_card(copied, dimensions=512)))


@pytest.mark.parametrize("change", [{"size": 112}, {"match": 0.9}, {"anchors": []}, {"metric": "hamming"}])
async def test_workers_do_not_start_with_a_card_that_is_not_the_networks(copied: Path, change: dict[str, Any]) -> None:
    with pytest.raises(JobFailed, match="load raised"):
        await Workers(1, analyses.load, with_card(copied, **change)).start()


def test_bands_follow_the_card() -> None:
    bands = [DLIB_RESNET_V1.band(distance) for distance in (0.0, 0.50, 0.501, 0.60, 0.601, 2.0)]
    assert bands == ["match", "match", "review", "review", "no_match", "no_match"]


def test_a_card_whose_bands_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="review has to be at or above match"):
        ModelCard.model_validate(DLIB_RESNET_V1.model_dump() | {"match": 0.7})
