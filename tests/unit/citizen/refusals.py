"""What the stubs of the services refuse, in words of their own."""


class StubRefused(Exception):
    """A refusal with everything that its problem document says."""

    def __init__(self, key: str, detail: str, status: int, **extras: object) -> None:
        super().__init__(detail)
        self.key = key
        self.detail = detail
        self.status = status
        self.extras = extras
