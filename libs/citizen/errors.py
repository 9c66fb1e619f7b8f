"""Errors of the citizen's side, each with a key that `texts` explains."""

from collections.abc import Mapping


class CitizenError(Exception):
    """An error that the person is shown.

    Args:
        key: stable text key, such as ``password.not_ascii``.
        detail: what happened, what it means, what to do, for the case that no translation knows the key.
    """

    def __init__(self, key: str, detail: str) -> None:
        super().__init__(detail)
        self.key = key
        self.detail = detail


class PasswordRefused(CitizenError):
    """A password that would lock its owner out, or let others in."""


class KeystoreError(CitizenError):
    """A key store that cannot be read, or does not hold what is needed."""


class ProblemError(CitizenError):
    """A service refused: its problem document (RFC 9457), or what can be said where it sent none.

    ``extras`` holds the further members, such as ``tries_left`` or ``retry_at``.
    """

    def __init__(self, key: str, detail: str, status: int, extras: Mapping[str, object] | None = None) -> None:
        super().__init__(key, detail)
        self.status = status
        self.extras = dict(extras or {})


class Unreachable(CitizenError):
    """A service did not answer for as long as we are patient. Nothing is lost: the step can be repeated."""


class WaitedTooLong(CitizenError):
    """The services answer, but what we wait for does not come."""


class JourneyEnded(CitizenError):
    """The journey was closed without certificates; ``key`` is the reason identity gives."""


class RequestsRefused(CitizenError):
    """The authority took the certificate requests and then could not honour them; `key` says why."""


class AnswerUnusable(CitizenError):
    """A service answered something that must not be trusted or cannot be understood."""
