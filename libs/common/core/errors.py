"""What can go wrong with a message or a command, sorted by what to do about it."""


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
        detail: words for a reason that has none in the catalogue yet.
        status: the HTTP status of a reason that is not in the service's table yet.
        facts: what the words need, and further members of the problem document, such as ``tries_left``. They are free
            of personal data.
    """

    def __init__(self, reason: str, detail: str = "", status: int = 409, **facts: object) -> None:
        super().__init__(detail or str(reason))
        self.reason = reason
        self.key = str(reason)
        self.detail = detail
        self.status = status
        self.facts = facts

    @property
    def extras(self) -> dict[str, object]:
        """Return the facts."""
        return self.facts
