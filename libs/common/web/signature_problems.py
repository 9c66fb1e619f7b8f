"""The HTTP status of each signature that does not count, for services that take signatures."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from libs.common.pki.cms_refusals import SignatureRefusal

SIGNATURE_PROBLEMS: Final[Mapping[str, int]] = {
    **dict.fromkeys(SignatureRefusal, HTTPStatus.UNPROCESSABLE_ENTITY),
    SignatureRefusal.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
