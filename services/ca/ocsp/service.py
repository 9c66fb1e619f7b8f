"""Answers OCSP requests from what the authority knows this moment."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from cryptography import x509

from libs.common.core.errors import Unavailable
from libs.common.core.values import Clock
from services.ca.model.ids import CertificateId
from services.ca.model.status import GoodStatus, RevokedStatus, Status
from services.ca.ocsp import answers
from services.ca.ocsp.answers import Responder
from services.ca.ocsp.questions import OcspFailure, OcspQuestions, OcspRefused, read_questions
from services.ca.ocsp.responders import Responders
from services.ca.status.lookup import StatusLookup

GOOD_KEPT: Final = timedelta(minutes=1)
"""How long a shared cache may keep the answer about a good certificate: a revocation shows this late at most."""
PREPARED_FOR: Final = timedelta(minutes=10)
"""How long an answer is given again to the same question, while the status is the same."""
_NOT_KEPT: Final = timedelta(0)
_PREPARED: Final = 20_000
_PREPARED_OCTETS: Final = 256
"""Of a request that is kept with its answer. One question has about 80; padded ones would be kept each for itself."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """A response in DER, produced ``at`` (UTC). ``kept``: how long from now a shared cache may keep it, if at all."""

    der: bytes
    at: datetime
    kept: timedelta = _NOT_KEPT
    etag: str = ""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An answer for everybody who asks this, as long as memory holds this very status."""

    answer: OcspAnswer
    certificate: CertificateId
    status: Status


class OcspService:
    """The responder at work. Whatever comes in, a response comes out.

    Questions with a nonce are answered one by one. The answer to one without is prepared for all who ask the same,
    and is dropped as soon as the status is another.

    Args:
        in_token: the keys sign in a token, one at a time, for which nothing else should wait.
    """

    def __init__(self, statuses: StatusLookup, responders: Responders, clock: Clock, *, in_token: bool = False) -> None:
        self._turn = asyncio.Lock() if in_token else None
        self._statuses = statuses
        self._responders = responders
        self._clock = clock
        self._prepared: OrderedDict[bytes, _Prepared] = OrderedDict()

    def now(self) -> datetime:
        """Return the present moment, by the clock that answers are produced by."""
        return self._clock()

    def at_once(self, request: bytes) -> OcspAnswer | None:
        """Answer a request in DER from what is at hand. None: something has to be waited for, as `answer` does."""
        if not self._statuses.fresh:
            return None
        now = self._clock()
        prepared = self._at_hand(request, now)
        if prepared is not None or self._turn is not None:
            return prepared
        try:
            questions = read_questions(request)
            responder = self._responders.at_hand(questions)
            if responder is None:
                return None
            statuses: list[Status] = []
            for number in questions.serial_numbers:
                if (status := self._statuses.at_hand(number, responder.issuer)) is None:
                    return None
                statuses.append(status)
            return self._signed(request, questions, responder, statuses, now)
        except OcspRefused as refusal:
            return OcspAnswer(answers.failed(refusal.failure), now)

    async def answer(self, request: bytes) -> OcspAnswer:
        """Answer a request in DER, with a signed response or with the reason why there is none."""
        now = self._clock()
        try:
            if not self._statuses.fresh:
                await self._statuses.refresh()
            return self._at_hand(request, now) or await self._answer(request, now)
        except OcspRefused as refusal:
            return OcspAnswer(answers.failed(refusal.failure), now)
        except Unavailable as error:
            log.warning("ocsp.waiting", reason=str(error))
            return OcspAnswer(answers.failed(OcspFailure.TRY_LATER), now)

    async def evidence(self, certificate: x509.Certificate) -> tuple[Status, bytes]:
        """Return the status of one certificate of ours this very moment, with the signed answer that says so.

        Raises:
            OcspRefused: the responder has no valid certificate, or the issuing authority has ended.
            Unavailable: the store does not answer.
        """
        above = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        responder = await self._responders.for_issuer(above or b"")
        question = responder.question(certificate.serial_number)
        await self._statuses.refresh_now()
        status = await self._statuses.status(certificate.serial_number, responder.issuer)
        return status, responder.answer(question, [status], self._clock())

    def _at_hand(self, request: bytes, now: datetime) -> OcspAnswer | None:
        prepared = self._prepared.get(request)
        if prepared is None:
            return None
        same = self._statuses.remembered(prepared.certificate) is prepared.status
        if not same or not timedelta(0) <= now - prepared.answer.at < PREPARED_FOR:
            del self._prepared[request]
            return None
        return prepared.answer

    async def _answer(self, request: bytes, now: datetime) -> OcspAnswer:
        questions = read_questions(request)
        responder = await self._responders.asked(questions)
        statuses = [await self._statuses.status(number, responder.issuer) for number in questions.serial_numbers]
        if self._turn is None:
            return self._signed(request, questions, responder, statuses, now)
        async with self._turn:
            return await asyncio.to_thread(self._signed, request, questions, responder, statuses, now)

    def _signed(
        self, request: bytes, questions: OcspQuestions, responder: Responder, statuses: Sequence[Status], now: datetime
    ) -> OcspAnswer:
        answer = OcspAnswer(responder.answer(questions, statuses, now), now, _kept(questions, statuses))
        return self._prepare(request, questions, responder, statuses, answer) if answer.kept else answer

    def _prepare(
        self,
        request: bytes,
        questions: OcspQuestions,
        responder: Responder,
        statuses: Sequence[Status],
        answer: OcspAnswer,
    ) -> OcspAnswer:
        """Keep an answer that is for everybody; of several certificates too many combinations could be asked."""
        answer = replace(answer, etag=hashlib.sha256(answer.der).hexdigest())
        if len(statuses) == 1 and len(request) <= _PREPARED_OCTETS:
            certificate = CertificateId.of(responder.issuer.label, questions.serial_numbers[0])
            self._prepared[request] = _Prepared(answer, certificate, statuses[0])
            if len(self._prepared) > _PREPARED:
                self._prepared.popitem(last=False)
        return answer


def _kept(questions: OcspQuestions, statuses: Sequence[Status]) -> timedelta:
    if questions.nonce is not None:
        return _NOT_KEPT
    if all(isinstance(status, RevokedStatus) for status in statuses):  # which stays so
        return answers.LIFETIME - PREPARED_FOR
    return GOOD_KEPT if all(isinstance(status, GoodStatus | RevokedStatus) for status in statuses) else _NOT_KEPT
