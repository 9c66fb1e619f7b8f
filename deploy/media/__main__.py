"""``python -m deploy.media OUT CHALLENGE``: captures of an invented citizen, for those who have no camera at hand.

OUT is a folder; CHALLENGE is the order of movements the face check asked for, as in ``left,blink,right``.
"""

import argparse
from pathlib import Path
from typing import get_args

from deploy.embedded.people import invent
from deploy.media.make import MODELS, make_media
from services.biometrics.liveness.challenge import Action


def main() -> None:
    """Make the captures and name the files."""
    parser = argparse.ArgumentParser(prog="python -m deploy.media", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("challenge", type=lambda text: text.split(","), help=f"of {', '.join(get_args(Action))}")
    parser.add_argument("--person", type=int, default=1, help="which of the invented citizens of `make run`, from 1")
    parser.add_argument("--models", type=Path, default=MODELS)
    given = parser.parse_args()
    if unknown := set(given.challenge) - set(get_args(Action)):
        parser.error(f"there is no movement {', '.join(sorted(unknown))}")
    person = invent(given.person)
    files = make_media(
        given.out,
        iin=person.iin,
        document_number=person.document_number,
        names=person.latin,
        challenge=given.challenge,
        birth_date=person.birth_date,
        models=given.models,
    )
    for path in (files.selfie, files.clip, files.front, files.back):
        print(path)


if __name__ == "__main__":
    main()
