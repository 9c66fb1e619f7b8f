"""Reasons to refuse that services of tests have, with their statuses and words."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from libs.common.texts.catalogue import SHARED, Catalogue


class ExampleRefusal(StrEnum):
    WRONG_CODE = "otp.wrong_code"
    FROZEN = "otp.frozen"
    IIN_UNKNOWN = "iin.unknown"
    PICTURE_TOO_LARGE = "picture.too_large"


PROBLEMS: Mapping[str, int] = {
    ExampleRefusal.WRONG_CODE: 422,
    ExampleRefusal.FROZEN: 429,
    ExampleRefusal.IIN_UNKNOWN: 404,
    ExampleRefusal.PICTURE_TOO_LARGE: 413,
}
TEXTS = Catalogue.load(SHARED, Path(__file__).parent / "texts_of_tests")
