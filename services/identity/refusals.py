"""Why identity refuses."""

from enum import StrEnum


class Refusal(StrEnum):
    """The reason of a refusal; its value is the problem's key."""

    IIN_UNKNOWN = "iin.unknown"
    PIN_TOO_SIMPLE = "pin.too_simple"
    PIN_WRONG = "pin.wrong"
    PIN_FROZEN = "pin.frozen"
    CITIZEN_UNKNOWN = "citizen.unknown"
    PHONE_UNKNOWN = "citizen.phone_unknown"
    JOURNEY_UNKNOWN = "journey.unknown"
    JOURNEY_CLOSED = "journey.closed"
    FACE_MISSING = "journey.face_missing"
    PHONE_MISSING = "journey.phone_missing"
    NO_CERTIFICATE = "renewal.no_certificate"
    PHONE_NOT_REGISTERED = "renewal.phone_not_registered"
    CERTIFICATE_UNKNOWN = "certificate.unknown"
    CERTIFICATE_REVOKED = "certificate.revoked"
