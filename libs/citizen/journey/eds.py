"""The journey to an electronic signature, as a script over the services.

    ticket = await start(services, EdsApplicant(iin, phone), report)
    eds = await EdsJourney(services, ticket, person, report).complete()

A journey may be broken off anywhere: with ticket and keys kept, `complete` goes on from the step it has reached.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol
from uuid import UUID, uuid5

from libs.citizen.api.answers import Upload
from libs.citizen.api.biometrics import Part
from libs.citizen.api.services import Services
from libs.citizen.errors import JourneyEnded, KeystoreError, ProblemError, RequestsRefused
from libs.citizen.journey.enrolment import Eds, KeyPairs, MemoryPendingKeys, PendingKeyStore, assemble
from libs.citizen.journey.progress import DEFAULT_LIMITS, ProgressLine, ProgressSink, WaitLimits, once_known, wait_until
from libs.citizen.keys.private_keys import KeyAlgorithm
from libs.citizen.signing.cms import DetachedSigner
from libs.common.contracts.ca import Profile
from libs.common.contracts.http.biometrics import CaptureView
from libs.common.contracts.http.ca import CertificatesView
from libs.common.contracts.http.identity import JourneyStep, JourneyTicket, JourneyView
from libs.common.core.values import Clock, utc_now
from libs.common.pki.renewal_statement import renewal_statement

_PROFILES: Final = frozenset({"SIGN", "AUTH"})
_CARD: Final = (Part.DOCUMENT_FRONT, Part.DOCUMENT_BACK)


@dataclass(frozen=True)
class EdsApplicant:
    """Who asks for a signature. Nothing of it is shown in a traceback."""

    iin: str = field(repr=False)
    phone: str = field(repr=False)
    email: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class CaptureTask:
    """What to capture now.

    `challenge` is the order of movements for the clip, `guidance` holds text keys that say what to do better than in
    the last try, `parts` are those still to be sent. A passport's page may be given in place of a card's two sides.
    """

    challenge: tuple[str, ...]
    guidance: tuple[str, ...]
    parts: tuple[Part, ...]
    tries_left: int | None

    @property
    def parts_with_passport(self) -> tuple[Part, ...]:
        """What is to be sent by somebody who shows a passport instead of a card."""
        page = (Part.DOCUMENT_PAGE,) if set(_CARD) & set(self.parts) else ()
        return (*(part for part in self.parts if part not in _CARD), *page)


class CitizenPerson(Protocol):
    """Asks the person at this program for the code, the captures and a PIN."""

    async def code(self, journey_id: str) -> str:
        """Return the code from the SMS, or nothing to have another one sent."""
        ...

    async def captures(self, task: CaptureTask) -> Mapping[Part, Upload]:
        """Return at least the parts that the task names, or a passport's page in place of a card's sides."""
        ...

    async def pin(self) -> str:
        """Return six digits."""
        ...


def _wanted(received: Mapping[str, bool]) -> tuple[Part, ...]:
    card = () if received.get(Part.DOCUMENT_PAGE.member) else _CARD
    return tuple(part for part in (Part.SELFIE, Part.CLIP, *card) if not received.get(part.member))


async def start(
    services: Services, applicant: EdsApplicant, report: ProgressSink, clock: Clock = utc_now
) -> JourneyTicket:
    """Begin a journey. The ticket is worth keeping: with it the journey goes on after a crash."""
    ticket = await services.identity.start(applicant.iin, applicant.phone, applicant.email)
    if not ticket.mcb_registered:
        report(ProgressLine(clock(), "mcb.not_registered"))
    return ticket


@dataclass
class EdsJourney:
    """One citizen's journey. A renewal asks for no face and no PIN: it goes by the same steps, and skips those.

    Args:
        present: signs with the present key; for a renewal.
        waiting: how long to wait for services and for clerks.
        clock: dates the progress that is made on this side; the services date theirs.
    """

    services: Services
    ticket: JourneyTicket
    person: CitizenPerson
    report: ProgressSink
    pending: PendingKeyStore = field(default_factory=MemoryPendingKeys)
    key_kind: KeyAlgorithm = KeyAlgorithm.EC_P256
    waiting: WaitLimits = DEFAULT_LIMITS
    clock: Clock = utc_now
    present: DetachedSigner | None = None
    _reported: int = 0

    async def complete(self) -> Eds:
        """Finish the journey from the step it has reached, and return the signature.

        Raises:
            JourneyEnded: it was closed without certificates.
            CitizenError: see `Caller.send`, `wait_until`.
        """
        await self._prove_phone()
        await self._prove_face()
        await self._choose_pin()
        eds = await self._enrol()
        await self._reached(JourneyStep.CLOSED)
        return eds

    async def _prove_phone(self) -> None:
        while (await self._fetch()).step is JourneyStep.CODE:
            code = await self.person.code(self.ticket.journey_id)
            if not code:
                await self._resend()
                continue
            verify = partial(self.services.otp.verify, self.ticket, code)
            try:
                await once_known(verify, "otp.not_sent_yet", waiting=self.waiting)
            except ProblemError as problem:
                await self._after_refused_code(problem)
            else:
                await self._reached(JourneyStep.FACE)

    async def _after_refused_code(self, problem: ProblemError) -> None:
        """Let the person try again after a mistyped or late code; the service counts the tries."""
        if problem.key not in {"otp.wrong_code", "otp.expired", "code.malformed"}:
            raise problem
        self._report_problem(problem)
        if problem.key == "otp.expired":
            await self._resend()

    async def _resend(self) -> None:
        """Have another code sent. Where it is too soon for one, the person goes on with the last."""
        try:
            await self.services.otp.resend(self.ticket)
        except ProblemError as problem:
            if problem.key != "otp.too_soon":
                raise
            self._report_problem(problem)

    async def _prove_face(self) -> None:
        while (session := await self._face_task()) is not None:
            if session.guidance:
                self._report("face.try_again", tries_left=session.tries_left)
            parts = _wanted(session.received)
            task = CaptureTask(session.challenge, session.guidance, parts, session.tries_left)
            await self._send(await self.person.captures(task), task, session.nonce)
            self._report("captures.sent", parts=len(parts))

    async def _send(self, captures: Mapping[Part, Upload], task: CaptureTask, nonce: str) -> None:
        """Send the captures. Where the answer to the last one was lost, the check has moved on: that is no error."""
        try:
            for part in task.parts_with_passport if Part.DOCUMENT_PAGE in captures else task.parts:
                await self.services.biometrics.upload(self.ticket, part, captures[part], nonce)
        except ProblemError as problem:
            session = await self.services.biometrics.capture(self.ticket)
            if problem.key not in {"capture.closed", "capture.stale"} or session.nonce == nonce:
                raise

    async def _face_task(self) -> CaptureView | None:
        """Wait until captures are wanted, which may be again, and return what is wanted; None when the step is over."""
        view, session = await wait_until(
            self._fetch_face,
            lambda seen: seen[0].step is not JourneyStep.FACE or (seen[1] is not None and seen[1].wants_captures),
            seconds=lambda seen: self.waiting.seconds(seen[0].waits_for),
            waiting=self.waiting,
        )
        return session if view.step is JourneyStep.FACE else None

    async def _fetch_face(self) -> tuple[JourneyView, CaptureView | None]:
        view = await self._fetch()
        if view.step is not JourneyStep.FACE:
            return view, None
        capture = partial(self.services.biometrics.capture, self.ticket)
        return view, await once_known(capture, "capture.not_open", waiting=self.waiting)

    async def _choose_pin(self) -> None:
        while (await self._fetch()).step is JourneyStep.PIN:
            create = partial(self.services.identity.create_digital_id, self.ticket, await self.person.pin())
            try:
                await once_known(create, "journey.face_missing", waiting=self.waiting)
            except ProblemError as problem:
                if problem.key not in {"pin.too_simple", "pin.malformed"}:
                    raise
                self._report_problem(problem)
            else:
                await self._reached(JourneyStep.CERTIFICATES)

    async def _enrol(self) -> Eds:
        issued = (await self.services.ca.certificates(self.ticket)).certificates
        pairs = self.pending.load() or self._new_pairs(already_issued=bool(issued))
        if not issued:
            await self._request(pairs)
        view = await wait_until(
            self._fetch_certificates,
            lambda view: {issued.profile for issued in view.certificates} >= _PROFILES,
            seconds=lambda _: self.waiting.machines,
            waiting=self.waiting,
        )
        eds = assemble(view, pairs, await self.services.ca.chain())
        self._report("certificates.received")
        return eds

    async def _request(self, pairs: KeyPairs) -> None:
        signature = None
        if self.present is not None:
            requests: dict[Profile, str] = {"SIGN": pairs.sign_csr, "AUTH": pairs.auth_csr}
            signature = await self.present(renewal_statement(self.ticket.journey_id, requests))
        # the same requests under the same key: whatever is repeated, they are taken once
        content = pairs.sign_csr + pairs.auth_csr + (signature or b"").hex()
        key = str(uuid5(UUID(self.ticket.journey_id), content))
        enrol = partial(self.services.ca.enrol, self.ticket, pairs.sign_csr, pairs.auth_csr, key, signature=signature)
        try:
            await once_known(enrol, "enrolment.not_open", waiting=self.waiting)
        except ProblemError as problem:
            if problem.key.startswith("csr."):
                self.pending.discard()
            raise
        self._report("requests.sent")

    def _new_pairs(self, *, already_issued: bool) -> KeyPairs:
        if already_issued:
            raise KeystoreError("keys.lost")
        pairs = KeyPairs.make(self.key_kind)
        self.pending.save(pairs)
        self._report("keys.made", kind=self.key_kind.value)
        return pairs

    async def _fetch_certificates(self) -> CertificatesView:
        """Fetch the certificates, and raise if the authority turned the requests down after it had taken them."""
        journey = await self._fetch()  # raises too if the journey is closed: it brings no certificates then
        view = await self.services.ca.certificates(self.ticket)
        if view.state == "open":
            self.pending.discard()
            raise RequestsRefused("requests.refused", reason=next(iter(journey.guidance), "csr.refused"))
        return view

    async def _reached(self, step: JourneyStep) -> JourneyView:
        """Wait until identity, which learns of the others' facts from their events, shows `step` or a later one."""
        return await wait_until(
            self._fetch,
            lambda view: view.step.place >= step.place,
            seconds=lambda view: self.waiting.seconds(view.waits_for),
            waiting=self.waiting,
        )

    async def _fetch(self) -> JourneyView:
        """Fetch where the journey stands, report what is new, and raise if it was closed without success."""
        view = await self.services.identity.journey(self.ticket)
        for entry in view.timeline[self._reported :]:
            self.report(ProgressLine(entry.at, entry.key, entry.detail, entry.text))
        self._reported = max(self._reported, len(view.timeline))
        if view.step is JourneyStep.CLOSED and view.outcome != "completed":
            raise JourneyEnded(view.reason or f"journey.{view.outcome}")
        return view

    def _report_problem(self, problem: ProblemError) -> None:
        """Report what a service refused in its own words; the person may try again."""
        text = f"{problem.title} {problem.detail}".strip()
        self.report(ProgressLine(self.clock(), problem.key, problem.extras, text))

    def _report(self, key: str, **detail: object) -> None:
        self.report(ProgressLine(self.clock(), key, detail))
