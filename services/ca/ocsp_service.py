"""Answers OCSP requests from what the authority knows this moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from cryptography import x509

from libs.common.errors import Unavailable
from libs.common.values import Clock
from services.ca import ocsp
from services.ca.ocsp import Failure, Good, OcspRefused, Questions, Revoked, Status
from services.ca.responders import Responders
from services.ca.status import StatusBook

GOOD_KEPT: Final = timedelta(minutes=1)
"""How long a shared cache may keep the answer about a good certificate: so late may it tell of a revocation."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """A response in DER. ``kept`` is how long from ``at`` (UTC) a shared cache may keep it, if at all."""

    der: bytes
    at: datetime
    kept: timedelta = timedelta(0)


class OcspService:
    """The responder at work. Whatever comes in, a response comes out."""

    def __init__(self, statuses: StatusBook, responders: Responders, clock: Clock) -> None:
        self._statuses = statuses
        self._responders = responders
        self._clock = clock

    async def answer(self, request: bytes) -> Answer:
        """Answer a request in DER, with a signed response or with the reason why there is none."""
        now = self._clock()
        try:
            return await self._answer(ocsp.read(request), now)
        except OcspRefused as refusal:
            return Answer(ocsp.failed(refusal.failure), now)
        except Unavailable as error:
            log.warning("ocsp.waiting", reason=str(error))
            return Answer(ocsp.failed(Failure.TRY_LATER), now)

    async def evidence(self, certificate: x509.Certificate) -> tuple[Status, bytes]:
        """Give the status of one certificate of ours, with the signed answer that says so.

        Raises:
            OcspRefused: the responder has no valid certificate, or the issuing authority has ended.
            Unavailable: the store does not answer.
        """
        above = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        responder = await self._responders.for_issuer(above or b"")
        question = responder.question(certificate.serial_number)
        status = await self._statuses.status(certificate.serial_number, responder.issuer)
        return status, responder.answer(question, [status], self._clock())

    async def _answer(self, questions: Questions, now: datetime) -> Answer:
        responder = await self._responders.asked(questions)
        statuses = [await self._statuses.status(number, responder.issuer) for number in questions.serial_numbers]
        return Answer(responder.answer(questions, statuses, now), now, _kept(questions, statuses))


def _kept(questions: Questions, statuses: Sequence[Status]) -> timedelta:
    if questions.nonce is not None:
        return timedelta(0)
    if all(isinstance(status, Revoked) for status in statuses):  # which stays so
        return ocsp.LIFETIME
    return GOOD_KEPT if all(isinstance(status, Good | Revoked) for status in statuses) else timedelta(0)
