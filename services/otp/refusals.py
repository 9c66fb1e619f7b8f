"""Why otp refuses."""

from enum import StrEnum


class Refusal(StrEnum):
    """The reason of a refusal; its value is the problem's key."""

    WRONG_CODE = "otp.wrong_code"
    TRIES_USED_UP = "otp.tries_used_up"
    EXPIRED = "otp.expired"
    NOT_SENT_YET = "otp.not_sent_yet"
    TOO_SOON = "otp.too_soon"
    NOT_NEEDED = "otp.not_needed"
    UNDELIVERABLE = "otp.undeliverable"
    FROZEN = "otp.frozen"
