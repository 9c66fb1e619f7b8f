"""The model files: a manifest that names and pins each, and the interpreters made from them.

Interpreters are not thread-safe and gain nothing from threads, so each worker process builds its own and all
run on one thread.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
import onnxruntime  # type: ignore[import-untyped] # the package ships no type information
from ai_edge_litert.interpreter import (  # type: ignore[import-untyped] # the package ships no type information
    Interpreter,
)
from numpy.typing import NDArray
from pydantic import ConfigDict, ValidationError

from libs.common.core.model import Model

MANIFEST: Final = "manifest.json"

Role = Literal["face-detection", "face-landmarks", "face-embedding", "face-embedding-card"]
Floats = NDArray[np.float32]


class ModelFile(Model):
    """One file the service loads, and where it comes from.

    Attributes:
        name: What it is used for.
        file: Its name inside the models folder.
        sha256: Its hash, hexadecimal.
        model_id: Names the model.
        licence: SPDX identifier.
        licence_file: The licence's text, as the source ships it, inside the models folder.
        source: The package and the path in it that the file was taken or made from.
    """

    model_config = ConfigDict(extra="forbid")

    name: Role
    file: str
    sha256: str
    model_id: str
    licence: str
    licence_file: str
    source: str


class Manifest(Model):
    """All model files of one folder."""

    model_config = ConfigDict(extra="forbid")

    files: tuple[ModelFile, ...]


class ModelsError(RuntimeError):
    """The models folder cannot be trusted or is not complete. `file` names the file to look at."""

    def __init__(self, file: Path, reason: str) -> None:
        self.file = file
        super().__init__(
            f"{file} {reason}. Face checks cannot start without it: rebuild the folder with "
            f"`python -m services.biometrics.models.build --out {file.parent}`."
        )


@dataclass(frozen=True, slots=True)
class Models:
    """A models folder whose every file was found to be the one its manifest names."""

    folder: Path
    manifest: Manifest

    def path(self, role: Role) -> Path:
        """Return the file that serves `role`.

        Raises:
            ModelsError: the manifest names none.
        """
        return self.folder / self._entry(role).file

    def sha256(self, role: Role) -> str:
        """Return the hash of the file that serves `role`, hexadecimal; raises as `path`."""
        return self._entry(role).sha256

    def _entry(self, role: Role) -> ModelFile:
        for entry in self.manifest.files:
            if entry.name == role:
                return entry
        raise ModelsError(self.folder / MANIFEST, f"names no file for {role}")


def verify(folder: Path) -> Models:
    """Read the manifest of `folder` and hash every file it names.

    Raises:
        ModelsError: the manifest is missing or unreadable, or a file is missing or differs from it.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelsError(path, "is missing") from error
    except ValidationError as error:
        raise ModelsError(path, f"is not a manifest ({error.error_count()} errors)") from error
    for entry in manifest.files:
        file = folder / entry.file
        if not file.is_file():
            raise ModelsError(file, "is missing")
        if sha256(file.read_bytes()) != entry.sha256:
            raise ModelsError(file, f"has not the SHA-256 {entry.sha256} of the manifest")
    return Models(folder, manifest)


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class TfLiteNetwork:
    """A TensorFlow Lite network with one input, on one thread."""

    def __init__(self, path: Path) -> None:
        self._interpreter: Any = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        self._outputs: list[int] = [detail["index"] for detail in self._interpreter.get_output_details()]

    def __call__(self, values: Floats) -> list[Floats]:
        """Run on `values`, shaped as the network wants it, and return its outputs (copies)."""
        self._interpreter.set_tensor(self._input, values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output) for output in self._outputs]


class OnnxNetwork:
    """An ONNX network with one input and one output, on one thread."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # The arena keeps every peak it ever saw; without it a worker stays small at the same speed.
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, values: Floats) -> Floats:
        """Run on a batch `values` and return the output."""
        output: Floats = self._session.run(None, {self._input: values})[0]
        return output


def single_thread() -> None:
    """Keep OpenCV on the calling thread: parallelism comes from processes."""
    cv2.setNumThreads(1)
