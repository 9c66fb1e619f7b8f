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

    Args:
        key: text key, the last part of the problem's ``type``, such as ``otp.wrong_code``.
        detail: what happened, what it means, what to do; free of personal data.
        status: the HTTP status.
        extras: further members of the problem document, such as ``tries_left``.
    """

    def __init__(self, key: str, detail: str, status: int = 409, **extras: object) -> None:
        super().__init__(detail)
        self.key = key
        self.detail = detail
        self.status = status
        self.extras = extras
