"""Events, media and a fake analyser for tests of face checks."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from libs.common.contracts.http.biometrics import Band
from libs.common.contracts.identity import JourneyClosed, JourneyStarted
from libs.common.contracts.otp import OtpVerified
from libs.common.contracts.people import Contact, Person
from libs.common.core.sealing import Sealed
from services.biometrics.analysis.analyser import stub_picture
from services.biometrics.analysis.reports import ClipReport, DocumentReport, Embedded, MatchResult, SelfieReport
from services.biometrics.check import states
from services.biometrics.check.parts import CARD, FACE, PAGE, Part
from services.biometrics.document.mrz import Mrz
from services.biometrics.media.decode import GuidanceKey

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LEASE = timedelta(seconds=121)
JOURNEY = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a01"
OTHER = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a02"
NUMBERS = b"the numbers of a face, which nobody may find"
IIN, DOCUMENT = "850412399015", "900000011"
RULES = states.CheckRules()
BORN = date(1985, 4, 12)
PERSON = Person(iin=IIN, surname="ТОЛҚЫНБЕКОВА", given_name="АЙСҰЛУ", birth_date=BORN, document_number=DOCUMENT)
STARTED = JourneyStarted(
    person=Sealed(PERSON),
    contact=Sealed(Contact(phone="+77010000012")),
    person_ref="person-ref",
    phone_ref="phone-ref",
    mcb_registered=True,
    expires_at=NOON + timedelta(days=7),
)
VERIFIED = OtpVerified(phone_ref="phone-ref")
CLOSED = JourneyClosed(outcome="completed", reason="journey.completed")


def card(**change: object) -> bytes:
    """The back of a card: what its machine-readable zone says."""
    zone = Mrz(
        layout="TD1",
        document_type="ID",
        issuer="KAZ",
        document_number=DOCUMENT,
        iin=IIN,
        birth_date=BORN,
        expiry_date=date(2030, 1, 1),
        sex="F",
        nationality="KAZ",
        surname="TOLQYNBEKOVA",
        given_names="AISULU",
    )
    return stub_picture(zone.model_copy(update=change).model_dump_json().encode())


def picture(content: bytes) -> bytes:
    """A picture that begins as one, and holds the content."""
    return b"\xff\xd8\xff\xe0" + content


def clip(content: bytes) -> bytes:
    """A clip that begins as one, and holds the content."""
    return b"\x1a\x45\xdf\xa3" + content


WITH_CARD: tuple[Part, ...] = (*FACE, *CARD)
WITH_PASSPORT: tuple[Part, ...] = (*FACE, *PAGE)
GOOD: dict[Part, bytes] = {
    "selfie": picture(b"selfie"),
    "clip": clip(b"clip"),
    "document-front": picture(b"front"),
    "document-back": card(),
    "document-page": card(),
}


def taken(part: Part, nonce: str = "n-1", subject: str = JOURNEY) -> bytes:
    """A good capture: of a face another one in each journey, and a clip for each challenge."""
    shown = {"selfie": f" {subject}", "clip": f" {subject} {nonce}"}.get(part, "")
    return GOOD[part] + shown.encode()


class FakeAnalyser:
    """An analyser that finds a fault where the media name one, and else what it is told about the likeness."""

    def __init__(self) -> None:
        self.band: Band = "match"
        self.failures: list[Exception] = []
        self.challenges: list[tuple[str, ...]] = []
        self.analyses = 0
        self.model = "model-7"
        self.doubts: tuple[GuidanceKey, ...] = ()

    async def start(self) -> None:
        """Nothing is to be made ready."""

    async def stop(self) -> None:
        """Nothing is to be ended."""

    async def selfie(self, data: bytes) -> SelfieReport:
        self.analyses += 1
        if self.failures:
            raise self.failures.pop(0)
        return SelfieReport(measures={}, profile="p", **self._seen(data))

    async def precheck(self, data: bytes) -> SelfieReport:
        if self.failures:
            raise self.failures.pop(0)
        seen = self._seen(data) | {"embedding": None}
        advice = () if seen["guidance"] else (GuidanceKey("selfie.come_closer"),)
        return SelfieReport(measures={}, profile="p", advice=advice, **seen)

    async def clip(self, data: bytes, challenge: tuple[str, ...]) -> ClipReport:
        self.challenges.append(challenge)
        return ClipReport(measures={}, profile="p", **self._seen(data))

    async def document(self, pictures: list[bytes]) -> DocumentReport:
        front, back = pictures[0], pictures[-1]
        faulty = back if back[4:].startswith(b"document.") else front
        zone = None if back[4:].startswith(b"document.") else Mrz.model_validate_json(back[6:-2])
        return DocumentReport(measures={}, profile="p", mrz=zone, **self._seen(faulty))

    async def match(self, selfie: Embedded, clip: Embedded, document: Embedded) -> MatchResult:
        assert all(each.embedding == NUMBERS for each in (selfie, clip, document))
        assert {each.model for each in (selfie, clip, document)} == {self.model}
        bands: dict[Any, Band] = {"selfie-clip": "match", "selfie-document": self.band, "clip-document": "match"}
        return MatchResult(distances=dict.fromkeys(bands, 0.1), bands=bands, model=self.model)

    async def alike(self, face: Embedded, model: str, others: list[bytes]) -> int:
        assert face.model == model == self.model
        return sum(each == face.embedding for each in others)

    def _seen(self, data: bytes) -> dict[str, Any]:
        said = data[4:]
        fault = said.decode() if said.startswith((b"selfie.", b"clip.", b"document.")) else None
        seen = {"model": self.model, "embedding": None if fault else NUMBERS}
        return {**seen, "guidance": (fault,) if fault else (), "doubts": () if fault else self.doubts}
