"""Requests and answers of otp."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

from libs.common.contracts.http.shapes import Answer, Form, Secret
from libs.common.core.values import as_typed

CodeDigits = Annotated[str, BeforeValidator(as_typed), StringConstraints(pattern=r"^[0-9]{4,10}$")]


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
