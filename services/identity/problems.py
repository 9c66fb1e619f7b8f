"""The HTTP status of each refusal of identity, and its words."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from libs.common.texts.catalogue import SHARED, Catalogue
from services.identity.refusals import Refusal

PROBLEMS: Final[Mapping[str, int]] = {
    Refusal.IIN_UNKNOWN: HTTPStatus.NOT_FOUND,
    Refusal.PIN_TOO_SIMPLE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Refusal.PIN_WRONG: HTTPStatus.UNAUTHORIZED,
    Refusal.PIN_FROZEN: HTTPStatus.TOO_MANY_REQUESTS,
    Refusal.CITIZEN_UNKNOWN: HTTPStatus.NOT_FOUND,
    Refusal.PHONE_UNKNOWN: HTTPStatus.CONFLICT,
    Refusal.JOURNEY_UNKNOWN: HTTPStatus.NOT_FOUND,
    Refusal.JOURNEY_CLOSED: HTTPStatus.CONFLICT,
    Refusal.FACE_MISSING: HTTPStatus.CONFLICT,
    Refusal.PHONE_MISSING: HTTPStatus.CONFLICT,
    Refusal.NO_CERTIFICATE: HTTPStatus.CONFLICT,
    Refusal.PHONE_NOT_REGISTERED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Refusal.CERTIFICATE_UNKNOWN: HTTPStatus.NOT_FOUND,
    Refusal.CERTIFICATE_REVOKED: HTTPStatus.CONFLICT,
}
TEXTS: Final = Catalogue.load(SHARED, Path(__file__).with_name("texts"))
