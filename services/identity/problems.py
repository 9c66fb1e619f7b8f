"""The HTTP status of each refusal of identity, and its words."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from libs.common.texts.catalogue import SHARED, Catalogue
from services.identity.refusals import IdentityRefusal

PROBLEMS: Final[Mapping[str, int]] = {
    IdentityRefusal.IIN_UNKNOWN: HTTPStatus.NOT_FOUND,
    IdentityRefusal.PIN_TOO_SIMPLE: HTTPStatus.UNPROCESSABLE_ENTITY,
    IdentityRefusal.PIN_WRONG: HTTPStatus.UNAUTHORIZED,
    IdentityRefusal.PIN_FROZEN: HTTPStatus.TOO_MANY_REQUESTS,
    IdentityRefusal.CITIZEN_UNKNOWN: HTTPStatus.NOT_FOUND,
    IdentityRefusal.PHONE_UNKNOWN: HTTPStatus.CONFLICT,
    IdentityRefusal.JOURNEY_UNKNOWN: HTTPStatus.NOT_FOUND,
    IdentityRefusal.JOURNEY_CLOSED: HTTPStatus.CONFLICT,
    IdentityRefusal.FACE_MISSING: HTTPStatus.CONFLICT,
    IdentityRefusal.PHONE_MISSING: HTTPStatus.CONFLICT,
    IdentityRefusal.NO_CERTIFICATE: HTTPStatus.CONFLICT,
    IdentityRefusal.PHONE_NOT_REGISTERED: HTTPStatus.UNPROCESSABLE_ENTITY,
    IdentityRefusal.CERTIFICATE_UNKNOWN: HTTPStatus.NOT_FOUND,
    IdentityRefusal.CERTIFICATE_REVOKED: HTTPStatus.CONFLICT,
}
TEXTS: Final = Catalogue.load(SHARED, Path(__file__).with_name("texts"))
