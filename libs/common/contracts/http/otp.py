"""Requests and answers of otp."""

from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from libs.common.contracts.http.shapes import Answer, Form, Secret

CodeDigits = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]{4,10}$")]


class CodeForm(Form):
    """The code that the citizen typed."""

    code: CodeDigits


class CodeAccepted(Answer):
    """The code was right."""

    verified: bool = True


class InboxMessage(Answer):
    """An SMS in the inbox that the development profile has in place of a gateway."""

    at: datetime
    text: Secret
