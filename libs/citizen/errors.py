"""Errors of the citizen's side. Each has a key, by which `texts` explains it, and facts for the explanation."""

from collections.abc import Mapping


class CitizenError(Exception):
    """An error that the person is shown.

    Args:
        key: stable text key, such as ``password.not_ascii``.
        facts: what the text needs; nothing secret.

    ``text`` is the id of the explanation: the key, or one text of several under it.
    """

    def __init__(self, key: str, **facts: object) -> None:
        super().__init__(key, *facts.values())
        self.key = key
        self.facts = facts
        self.text = key


class PasswordRefused(CitizenError):
    """A password that would lock its owner out, or let others in."""


class KeystoreError(CitizenError):
    """A key store that cannot be read, or does not hold what is needed."""


class ProblemError(CitizenError):
    """A service refused. Its problem document (RFC 9457) says why, if it sent one.

    Args:
        title: what happened, in the service's words; empty if it sent none.
        detail: what it means and what to do, in the service's words.
        extras: further members, such as ``tries_left`` or ``retry_at``.
    """

    def __init__(
        self, key: str, status: int, title: str = "", detail: str = "", extras: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(key, status=status)
        self.status = status
        self.text = key if title else "http"
        self.title = title
        self.detail = detail
        self.extras = dict(extras or {})


class Unreachable(CitizenError):
    """A service did not answer for as long as we are patient. Nothing is lost: the step can be repeated."""


class WaitedTooLong(CitizenError):
    """The services answer, but what we wait for does not come."""


class JourneyEnded(CitizenError):
    """The journey was closed without certificates; ``key`` is the reason identity gives."""


class RequestsRefused(CitizenError):
    """The authority took the certificate requests and then could not honour them. The fact ``reason`` is its key."""


class AnswerUnusable(CitizenError):
    """A service answered something that must not be trusted or cannot be understood."""
