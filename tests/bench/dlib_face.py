"""``python dlib_face.py PICTURE...``: what `face_recognition` takes for pictures, in an environment of its own.

Runs apart from the project, which neither needs nor installs dlib. Prints JSON: CPU milliseconds, median over the
pictures, and the memory of the process.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import dlib  # type: ignore[import-not-found] # installed where this runs, not where it is checked
import face_recognition  # type: ignore[import-not-found] # as above

ROUNDS = 3


def cpu_ms(work: Callable[[], Any]) -> float:
    """Give the CPU milliseconds of one call."""
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began)


def main() -> None:
    """Measure, and print what was measured."""
    load, find, embed = [], [], []
    for path in sys.argv[1:]:
        picture = face_recognition.load_image_file(path)
        places = face_recognition.face_locations(picture)
        face_recognition.face_encodings(picture, places)  # warm
        for _ in range(ROUNDS):
            load.append(cpu_ms(partial(face_recognition.load_image_file, path)))
            find.append(cpu_ms(partial(face_recognition.face_locations, picture)))
            embed.append(cpu_ms(partial(face_recognition.face_encodings, picture, places)))
    memory = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())["VmRSS"]
    facts = {
        "dlib": dlib.__version__,
        "pictures": len(sys.argv) - 1,
        "load_ms": median(load),
        "find_ms": median(find),
        "embed_ms": median(embed),
        "memory_mb": int(memory.split()[0]) * 1024 / 1e6,
    }
    print(json.dumps(facts))  # noqa: T201 - the answer to who called


if __name__ == "__main__":
    main()
