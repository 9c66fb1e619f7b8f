"""Settings of otp, as ``OTP_…``."""

from collections.abc import Iterator
from typing import Final, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict
from typing_extensions import override

from libs.common.core.risks import Risk, plain_addresses
from libs.common.core.settings import ServiceSettings
from services.otp.domain import CodeRules
from services.otp.limits import LimitRules

_FEWEST_DIGITS: Final = 6


class Settings(ServiceSettings):
    """Settings of otp.

    Attributes:
        sms_url: the operator's SMS gateway; in development none is needed.
        sms_token: what the gateway knows us by.
        sms_sender: the number that citizens see.
    """

    model_config = SettingsConfigDict(env_prefix="OTP_", env_nested_delimiter="__")

    rules: CodeRules = CodeRules()
    limits: LimitRules = LimitRules()
    sms_url: str | None = Field(None, pattern=r"^https?://[!-~]+$")
    sms_token: SecretStr | None = None
    sms_sender: str = "1414"

    @override
    def risks(self) -> Iterator[Risk]:
        yield from super().risks()
        yield from plain_addresses(sms_url=self.sms_url)
        if self.rules.code_digits < _FEWEST_DIGITS:
            yield Risk("short-codes", f"a code can be guessed: set rules.code_digits to {_FEWEST_DIGITS} or more")

    @model_validator(mode="after")
    def _check_gateway(self) -> Self:
        if (self.sms_url is None) != (self.sms_token is None):
            raise ValueError("sms_url and sms_token belong together: give both, or neither in development")
        if self.profile == "production" and self.sms_url is None:
            raise ValueError("sms_url and sms_token name the SMS gateway, without which no code reaches anybody")
        return self
