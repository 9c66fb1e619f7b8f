"""The HTTP status of each refusal of ca."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from libs.common.web.signature_problems import SIGNATURE_PROBLEMS
from services.ca.refusals import CaRefusal

_NOT_NOW: Final = HTTPStatus.CONFLICT
_UNKNOWN: Final = HTTPStatus.NOT_FOUND

PROBLEMS: Final[Mapping[str, int]] = {
    **SIGNATURE_PROBLEMS,
    **dict.fromkeys(CaRefusal, HTTPStatus.UNPROCESSABLE_ENTITY),
    CaRefusal.ENROLMENT_NOT_OPEN: _NOT_NOW,
    CaRefusal.ENROLMENT_CLOSED: _NOT_NOW,
    CaRefusal.ENROLMENT_OTHER_KEYS: _NOT_NOW,
    CaRefusal.CERTIFICATE_UNKNOWN: _UNKNOWN,
    CaRefusal.CRL_UNKNOWN: _UNKNOWN,
    CaRefusal.CHECKPOINT_NONE: _UNKNOWN,
    CaRefusal.VERIFY_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What is wrong with a request itself is 422."""
