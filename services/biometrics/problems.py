"""The HTTP status of each reason for which biometrics refuses a command."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from services.biometrics.refusals import BiometricsRefusal

PROBLEMS: Final[Mapping[str, int]] = {
    BiometricsRefusal.CAPTURE_NOT_OPEN: HTTPStatus.NOT_FOUND,
    BiometricsRefusal.CAPTURE_CLOSED: HTTPStatus.CONFLICT,
    BiometricsRefusal.CAPTURE_STALE: HTTPStatus.CONFLICT,
    BiometricsRefusal.CAPTURE_BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    BiometricsRefusal.PRE_CHECK_TOO_OFTEN: HTTPStatus.TOO_MANY_REQUESTS,
    BiometricsRefusal.PRE_CHECK_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    BiometricsRefusal.UPLOAD_WRONG_OFFSET: HTTPStatus.CONFLICT,
    BiometricsRefusal.UPLOAD_TOO_MANY_PIECES: HTTPStatus.CONFLICT,
    BiometricsRefusal.NOT_AN_IMAGE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    BiometricsRefusal.HEIC: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    BiometricsRefusal.NOT_A_PICTURE_OR_PDF: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    BiometricsRefusal.NOT_A_VIDEO: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    BiometricsRefusal.UNKNOWN_CODING: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    BiometricsRefusal.PICTURE_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    BiometricsRefusal.CLIP_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    BiometricsRefusal.REVIEW_NOT_WAITING: HTTPStatus.CONFLICT,
    BiometricsRefusal.REVIEW_ANOTHER_CLERK: HTTPStatus.CONFLICT,
    BiometricsRefusal.LINK_UNKNOWN: HTTPStatus.NOT_FOUND,
    BiometricsRefusal.LINK_EXPIRED: HTTPStatus.GONE,
    BiometricsRefusal.LINK_OF_ANOTHER: HTTPStatus.FORBIDDEN,
    BiometricsRefusal.RECORD_UNKNOWN: HTTPStatus.NOT_FOUND,
}
