"""The HTTP status of each refusal of otp, and its words."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from libs.common.texts.catalogue import SHARED, Catalogue
from services.otp.refusals import Refusal

PROBLEMS: Final[Mapping[str, int]] = {
    Refusal.WRONG_CODE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Refusal.TRIES_USED_UP: HTTPStatus.TOO_MANY_REQUESTS,
    Refusal.EXPIRED: HTTPStatus.GONE,
    Refusal.NOT_SENT_YET: HTTPStatus.CONFLICT,
    Refusal.TOO_SOON: HTTPStatus.TOO_MANY_REQUESTS,
    Refusal.NOT_NEEDED: HTTPStatus.CONFLICT,
    Refusal.UNDELIVERABLE: HTTPStatus.TOO_MANY_REQUESTS,
    Refusal.FROZEN: HTTPStatus.TOO_MANY_REQUESTS,
}
TEXTS: Final = Catalogue.load(SHARED, Path(__file__).with_name("texts"))
