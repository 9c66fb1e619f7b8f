"""Train the classifiers of glyphs: ``python -m services.biometrics.document.train_glyphs --fonts FOLDER``.

Only who changes them runs this. Glyphs are rendered from fonts, set between neighbours as in a line, and degraded as
a camera degrades them: moved, turned, scaled, thickened or thinned, blurred, noised. FOLDER holds the typefaces of
the digits (any TrueType or OpenType files; a name that contains one of `HELD_OUT` is not learnt from, so that the
measurement has typefaces to test on). Prints the share that is read right of glyphs that were not learnt from.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from services.biometrics.document.glyphs import HEIGHT, OTHER, TALL, WIDTH, Grey, Patches, forward, normalised, softmax
from services.biometrics.document.mrz import ALPHABET

HELD_OUT: Final = ("PTS", "Carlito", "Inter", "DejaVuSans.")
DIGITS: Final = "0123456789"
_OTHERS: Final = "AEFHJKLMNPRTUVWXYZabdfhkmnpqrtuvwxyЖИНМҚҒӘҰҮПРЛДФЯЮавгджкмнптуфхцчшщыэюя.,-/:()№"  # noqa: RUF001 - Cyrillic is meant
"""Letters and signs, but for those that blur makes one with a digit (O, Q, D, e, g and such)."""
_SIZE: Final = 64
_HIDDEN: Final = 128

Layers = list[tuple[Patches, Patches]]


@dataclass(frozen=True)
class Rendered:
    """The glyphs of one typeface: ink on paper (0 to 1), with the width each takes in a line."""

    glyphs: dict[str, NDArray[np.float32]]
    advances: dict[str, float]
    top: int
    bottom: int


def render(font: Path, characters: str) -> Rendered:
    """Draw each character by itself, all on the same line; `top` and `bottom` are those of the digit 0."""
    face = ImageFont.truetype(str(font), _SIZE)
    glyphs, advances = {}, {}
    for character in characters:
        image = Image.new("L", (3 * _SIZE, 2 * _SIZE), 0)
        ImageDraw.Draw(image).text((_SIZE, _SIZE // 4), character, font=face, fill=255)
        glyphs[character] = np.asarray(np.asarray(image) / 255, np.float32)
        advances[character] = face.getlength(character)
    rows = np.flatnonzero(glyphs["0"].max(axis=1) > 0.5)  # noqa: PLR2004 - half covered
    return Rendered(glyphs, advances, int(rows[0]), int(rows[-1]) + 1)


def _placed(face: Rendered, characters: Sequence[str], pitch: float | None) -> NDArray[np.float32]:
    """Set three characters in a row, the middle one's centre in the middle of the picture."""
    row = np.zeros((2 * _SIZE, 7 * _SIZE), np.float32)
    gaps = [pitch or (face.advances[a] + face.advances[b]) / 2 for a, b in pairwise(characters)]
    for character, place in zip(characters, (-gaps[0], 0.0, gaps[1]), strict=True):
        left = round(3.5 * _SIZE + place - face.advances[character] / 2) - _SIZE
        part = row[:, max(left, 0) : left + 3 * _SIZE]
        np.maximum(part, face.glyphs[character][:, max(-left, 0) :][:, : part.shape[1]], out=part)
    return row


def _degraded(
    row: NDArray[np.float32], scale: tuple[float, float], centre: tuple[float, float], chance: np.random.Generator
) -> Grey:
    """See the picture as a camera does: `scale` (across, down) and `centre` say what becomes the patch."""
    thick = int(chance.integers(-2, 4))
    if thick:
        kernel = np.ones((2 * abs(thick) - 1,) * 2, np.uint8)
        row = np.asarray(cv2.dilate(row, kernel) if thick > 0 else cv2.erode(row, kernel), np.float32)
    across, down = scale[0] * chance.uniform(0.92, 1.08), scale[1] * chance.uniform(0.90, 1.12)
    shear, turn = chance.uniform(-0.08, 0.08), chance.uniform(-0.04, 0.04)
    linear = np.array([[across, shear * across], [turn * down, down]])
    moved = np.array([WIDTH / 2, HEIGHT / 2]) + chance.uniform((-1.3, -1.8), (1.3, 1.8))
    shift = moved - linear @ np.array(centre)
    row = np.asarray(cv2.GaussianBlur(row, (0, 0), 0.4 / min(linear[0, 0], linear[1, 1])), np.float32)
    seen = cv2.warpAffine(row, np.column_stack([linear, shift]), (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    if (softness := chance.uniform(0, 1.4)) > 0.3:  # noqa: PLR2004 - less is no blur
        seen = cv2.GaussianBlur(seen, (0, 0), softness)
    paper, ink = chance.uniform(170, 255), chance.uniform(0, 90)
    noisy = paper + (ink - paper) * seen + chance.standard_normal(seen.shape) * chance.uniform(0, 14)
    noisy += np.linspace(-1, 1, WIDTH)[None] * chance.uniform(-12, 12)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def zone_samples(
    faces: Sequence[Rendered], count: int, chance: np.random.Generator
) -> tuple[Patches, NDArray[np.intp]]:
    """Make patches of a zone's characters between neighbours, or paper at the ends of a line."""
    patches, labels = np.empty((count, HEIGHT, WIDTH), np.float32), chance.integers(0, len(ALPHABET), count)
    for n, label in enumerate(labels):
        face = faces[int(chance.integers(len(faces)))]
        around = [ALPHABET[k] if chance.random() > 0.08 else " " for k in chance.integers(0, len(ALPHABET), 2)]  # noqa: PLR2004 - shares
        pitch = face.advances["0"] * chance.uniform(0.88, 1.06)
        row = _placed(face, (around[0], ALPHABET[label], around[1]), pitch)
        middle = (face.top + face.bottom) / 2
        patches[n] = _degraded(row, (WIDTH / pitch, TALL / (face.bottom - face.top)), (3.5 * _SIZE, middle), chance)
    return patches, np.asarray(labels, np.intp)


def print_samples(
    faces: Sequence[Rendered], count: int, chance: np.random.Generator
) -> tuple[Patches, NDArray[np.intp]]:
    """Make patches of single digits, each cut to its own height; one in three shows something else."""
    patches, labels = np.empty((count, HEIGHT, WIDTH), np.float32), np.empty(count, np.intp)
    for n in range(count):
        face = faces[int(chance.integers(len(faces)))]
        other = chance.random() < 1 / 3
        labels[n] = len(DIGITS) if other else chance.integers(len(DIGITS))
        character = _OTHERS[chance.integers(len(_OTHERS))] if other else DIGITS[labels[n]]
        row = _placed(face, (" ", character, " "), None)
        rows = np.flatnonzero(row.max(axis=1) > 0.5)  # noqa: PLR2004 - half covered
        columns = np.flatnonzero(row.max(axis=0) > 0.5)  # noqa: PLR2004 - half covered
        if not rows.size:
            rows, columns = np.array([face.top, face.bottom]), np.array([3 * _SIZE, 4 * _SIZE])
        scale = TALL / (rows[-1] - rows[0] + 1)
        across = min(scale, (WIDTH - 2) / (columns[-1] - columns[0] + 1))
        centre = (float(columns[0] + columns[-1]) / 2, float(rows[0] + rows[-1]) / 2)
        patches[n] = _degraded(row, (across, scale), centre, chance)
    return patches, labels


def train(patches: Patches, labels: NDArray[np.intp], classes: int, epochs: int = 14) -> Layers:
    """Fit two layers by Adam (Kingma and Ba 2015) on the cross-entropy."""
    chance = np.random.default_rng(7)
    sizes = (HEIGHT * WIDTH, _HIDDEN, classes)
    parameters: list[Patches] = []
    for before, after in pairwise(sizes):
        parameters += [
            (chance.standard_normal((before, after)) * np.sqrt(2 / before)).astype(np.float32),
            np.zeros(after, np.float32),
        ]
    values, moments = normalised(patches), [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    step = 0
    for epoch in range(epochs):
        rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
        for batch in np.array_split(chance.permutation(len(values)), len(values) // 256):
            step += 1
            gradients = _gradients(parameters, values[batch], labels[batch])
            for n, gradient in enumerate(gradients):
                first, second = moments[n]
                moments[n] = first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
                parameters[n] -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return list(zip(parameters[::2], parameters[1::2], strict=True))


def _gradients(parameters: Sequence[Patches], values: Patches, labels: NDArray[np.intp]) -> list[Patches]:
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    shown, hidden, sums = forward(layers, values)
    error = softmax(sums)
    error[np.arange(len(labels)), labels] -= 1
    error /= len(labels)
    below = (error @ parameters[2].T) * (hidden > 0)
    return [shown.T @ below, below.sum(axis=0), hidden.T @ error, error.sum(axis=0)]


def right(layers: Layers, patches: Patches, labels: NDArray[np.intp]) -> float:
    """Return the share that is read right."""
    return float((forward(layers, normalised(patches))[-1].argmax(axis=1) == labels).mean())


def _faces(folder: Path, characters: str) -> Iterator[tuple[bool, Rendered]]:
    for file in sorted([*folder.rglob("*.ttf"), *folder.rglob("*.otf")]):
        if not any(slanted in file.name for slanted in ("Italic", "Oblique", "Thin", "Hairline", "ExtraLight")):
            yield any(name in file.name for name in HELD_OUT), render(file, characters)


def _write(out: Path, alphabet: str, layers: Layers) -> None:
    stored = {f"weights{n}": weights.astype(np.float16) for n, (weights, _) in enumerate(layers, 1)}
    stored |= {f"bias{n}": bias.astype(np.float16) for n, (_, bias) in enumerate(layers, 1)}
    np.savez_compressed(out, alphabet=np.array(alphabet), allow_pickle=False, **stored)


def main() -> None:
    """Train both and write them beside `services.biometrics.document.glyphs`."""
    parser = argparse.ArgumentParser(prog="python -m services.biometrics.document.train_glyphs", description=__doc__)
    parser.add_argument("--fonts", type=Path, required=True, help="folder with typefaces for the digits")
    parser.add_argument("--ocr-b", type=Path, default=Path("/usr/share/fonts/opentype/ocr-b"))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("data"))
    parser.add_argument("--samples", type=int, default=120_000)
    given = parser.parse_args()
    chance = np.random.default_rng(1)

    zone_faces = [render(given.ocr_b / name, ALPHABET + " ") for name in ("OCRB.otf", "OCRBS.otf")]
    zone = train(*zone_samples(zone_faces, given.samples, chance), len(ALPHABET))
    print(f"zone: {right(zone, *zone_samples(zone_faces, 20_000, chance)):.4f} of fresh glyphs")  # noqa: T201 - a command
    _write(given.out / "zone_glyphs.npz", ALPHABET, zone)

    found = list(_faces(given.fonts, DIGITS + _OTHERS + " "))
    learnt, unseen = [face for held, face in found if not held], [face for held, face in found if held]
    digits = train(*print_samples(learnt, given.samples, chance), len(DIGITS) + 1)
    print(  # noqa: T201 - a command
        f"print: {right(digits, *print_samples(learnt, 20_000, chance)):.4f} of fresh glyphs, "
        f"{right(digits, *print_samples(unseen, 20_000, chance)):.4f} in typefaces not learnt from ({len(unseen)})"
    )
    _write(given.out / "print_glyphs.npz", DIGITS + OTHER, digits)


if __name__ == "__main__":
    main()
