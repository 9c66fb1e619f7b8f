"""People and facts from which identity's tests begin."""

from datetime import date, timedelta

from hypothesis import settings

from libs.common.contracts.biometrics import FaceMatched, FaceRejected, FaceReviewRequested
from libs.common.contracts.ca import CertIssued, CertRefused, CertRevoked, Profile
from libs.common.contracts.otp import OtpRejected, OtpSent, OtpVerified
from libs.common.contracts.people import Person
from libs.common.core.sealing import Sealed
from libs.common.testing.harness import NOON
from services.identity.accounts.hashing import HashRules
from services.identity.register.people import Resident

IIN, OTHER_IIN = "850412399015", "910725499027"
UNKNOWN_IIN = "830717350867"
PHONE = "+77010000012"
PIN, OTHER_PIN = "483920", "605817"
UNKNOWN_JOURNEY = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a02"
CITIZEN = "0f9d2a52-9d6e-4f0c-8c1e-3b0c1f4f2a11"
QUICK_HASH = HashRules(memory_kib=64, passes=1)
UNHURRIED = settings(deadline=None)  # a busy machine is no failure
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

SENT = OtpSent(number=1, expires_at=NOON + 3 * MINUTE)
VERIFIED = OtpVerified(phone_ref="phone-ref")
MATCHED = FaceMatched(model="m1")
REVIEW = FaceReviewRequested(due_at=NOON + DAY)


def resident(iin: str = IIN) -> Resident:
    person = Person(iin=iin, surname="ТОЛҚЫНБЕКОВА", given_name="АЙСҰЛУ", document_number="900000011")
    return Resident(person=person, birth_date=date(1985, 4, 12))


def issued(profile: Profile, serial: str | None = None, citizen_id: str = CITIZEN) -> CertIssued:
    return CertIssued(
        serial=serial or {"SIGN": "aa01", "AUTH": "bb02"}[profile],
        key_id="01",
        issuer_key_id="02",
        profile=profile,
        not_before=NOON,
        not_after=NOON + 365 * DAY,
        citizen_id=citizen_id,
        person_ref="person-ref",
        holder=Sealed(resident().person),
    )


def revoked(serial: str, profile: Profile = "SIGN", citizen_id: str = CITIZEN) -> CertRevoked:
    return CertRevoked(
        serial=serial, profile=profile, reason="superseded", revoked_at=NOON + DAY, citizen_id=citizen_id
    )


def code_refused(*, final: bool = False) -> OtpRejected:
    return OtpRejected(reason="expired", final=final, retry_at=None if final else NOON)


def face_refused(tries_left: int = 4, *, final: bool = False) -> FaceRejected:
    return FaceRejected(reasons=("selfie.blurred",), tries_left=tries_left, final=final)


def request_refused(*, final: bool = False) -> CertRefused:
    return CertRefused(reason="csr.key_size", final=final)
