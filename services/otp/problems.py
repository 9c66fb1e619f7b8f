"""The HTTP status of each refusal of otp, and its words."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from libs.common.texts.catalogue import SHARED, Catalogue
from services.otp.refusals import OtpRefusal

PROBLEMS: Final[Mapping[str, int]] = {
    OtpRefusal.WRONG_CODE: HTTPStatus.UNPROCESSABLE_ENTITY,
    OtpRefusal.TRIES_USED_UP: HTTPStatus.TOO_MANY_REQUESTS,
    OtpRefusal.EXPIRED: HTTPStatus.GONE,
    OtpRefusal.NOT_SENT_YET: HTTPStatus.CONFLICT,
    OtpRefusal.TOO_SOON: HTTPStatus.TOO_MANY_REQUESTS,
    OtpRefusal.NOT_NEEDED: HTTPStatus.CONFLICT,
    OtpRefusal.UNDELIVERABLE: HTTPStatus.TOO_MANY_REQUESTS,
    OtpRefusal.FROZEN: HTTPStatus.TOO_MANY_REQUESTS,
}
TEXTS: Final = Catalogue.load(SHARED, Path(__file__).with_name("texts"))
