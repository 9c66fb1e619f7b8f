"""The problem document (RFC 9457) that every service answers when it refuses a request."""

from typing import Annotated

from pydantic import ConfigDict, Field

from libs.common.contracts.http.shapes import Answer


class FieldFinding(Answer):
    """What is wrong with one field of a request; never its value."""

    field: Annotated[str, Field(description="Where the field stands, such as body.iin.")]
    rule: Annotated[str, Field(description="The rule that it breaks, such as string_too_long.")]
    message: Annotated[str, Field(description="The same in words of the caller's language.")]


class ProblemDocument(Answer):
    """Why a request was refused. Further members are facts of the refusal, such as ``tries_left`` or ``retry_at``."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(description="urn:onboarding:problem:<key>")]
    title: Annotated[str, Field(description="What happened, in the language of Content-Language.")]
    status: int
    detail: Annotated[str, Field(description="What it means and what to do, in the same language.")]
    key: Annotated[str, Field(description="The reason; clients go by it.", examples=["otp.wrong_code"])]
    errors: Annotated[tuple[FieldFinding, ...] | None, Field(description="With 422: what is wrong where.")] = None
    incident: Annotated[str | None, Field(description="With status 500: the number for the help desk.")] = None
