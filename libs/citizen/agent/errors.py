"""Why the agent does not do what a page asks."""

from libs.citizen.errors import CitizenError


class Cancelled(Exception):
    """The person said no. Pages learn that, and no more."""


class RequestRefused(CitizenError):
    """A page asked for what is not done. ``key`` is one of ``ask.malformed``, ``ask.unsupported``, ``ask.opaque``,
    ``key.none_fits``, ``stamp.unavailable``."""  # noqa: D205, D209 - one sentence
