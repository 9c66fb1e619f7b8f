"""What can go wrong with a message or a command, sorted by what to do about it."""


class Retryable(Exception):
    """It may work later: the gateway is busy, a fact of another topic is not here yet."""


class Permanent(Exception):
    """It will never work: the message is malformed, or a rule forbids it. Straight to the dead letters."""


class Unavailable(Exception):
    """The store or the broker does not answer. Nothing is wrong with the message: hold it and wait."""
