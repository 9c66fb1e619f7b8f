"""What can go wrong with a message or a command, sorted by what to do about it."""

from enum import StrEnum


class Retryable(Exception):
    """It may work later: the gateway is busy, a fact of another topic is not here yet."""


class Interrupted(Retryable):
    """What a piece of work waited for was cancelled underneath it, though nobody stopped the work itself."""


class Permanent(Exception):
    """It will never work: the message is malformed, or a rule forbids it. Straight to the dead letters."""


class Unavailable(Exception):
    """The store or the broker does not answer. Nothing is wrong with the message: hold it and wait."""


class Refused(Exception):
    """A command that the rules do not allow. HTTP answers it as a problem document (RFC 9457).

    Where it is raised nothing is known of HTTP or of wording: a service's table says which status a reason has, and
    its catalogue of texts what people read.

    Args:
        reason: why; its value, such as ``otp.wrong_code``, is the last part of the problem's ``type``.
        facts: what the words need, and further members of the problem document, such as ``tries_left``. They are free
            of personal data.
    """

    def __init__(self, reason: StrEnum, **facts: object) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.facts = facts

    @property
    def key(self) -> str:
        """Return the problem's key."""
        return self.reason.value
