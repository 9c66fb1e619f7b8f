"""Why the agent does not do what a page asks."""

from libs.citizen.errors import CitizenError


class Cancelled(Exception):
    """The person said no. Pages learn that, and no more."""


class RequestRefused(CitizenError):
    """A page asked for what is not done.

    Args:
        case: the case, which has a text of its own, below the key that pages are answered. That is one of
            ``ask.malformed``, ``ask.unsupported``, ``ask.opaque``, ``key.none_fits``, ``stamp.unavailable``.
    """

    def __init__(self, case: str, **facts: object) -> None:
        super().__init__(case.rpartition(".")[0], **facts)
        self.text = case
