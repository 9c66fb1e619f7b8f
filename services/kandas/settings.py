"""The settings of kandas, read from the environment as ``KANDAS_…``."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict
from typing_extensions import override

from libs.common.core.risks import Risk, plain_addresses
from libs.common.core.settings import ServiceSettings
from services.kandas.rules.domain import RuleBook
from services.kandas.rules.law import Law
from services.kandas.rules.working_days import MovedDays, WorkingDays

_DATA: Final = Path(__file__).parent / "data"


class Settings(ServiceSettings):
    """Settings of kandas.

    Attributes:
        root_certificates: PEM file with the roots whose certificates count.
        issuing_certificates: PEM file with the issuing authorities below them.
        seal_file: PKCS#12 file with the organisation's seal, made by the key ceremony.
        seal_passphrase: opens it.
        revoked_certificates: where the ceremony writes which of the operator's certificates count no more; with a seal
            that is one of them the service does not start.
        fonts: the folder with the DejaVu fonts (Debian: fonts-dejavu-core).
        verify_url: where documents say they can be verified; their number is put behind it.
        rules_file: the dated rules.
        moved_days_file: the Government's moves of working days that the calendar package does not know.
        draft_days: how long a draft waits for its signature.
        returned_days: how long a returned application waits for the applicant.
        attachments_days: how long attachments are kept after the last decision, for an appeal.
        documents_days: how long sealed documents are kept after the status they show has ended.
        ministry_url: the ministry's system; in development none is needed.
        ministry_token: what it knows us by.
    """

    model_config = SettingsConfigDict(env_prefix="KANDAS_")

    root_certificates: Path
    issuing_certificates: Path
    seal_file: Path
    seal_passphrase: SecretStr
    revoked_certificates: Path | None = None
    fonts: Path = Path("/usr/share/fonts/truetype/dejavu")
    verify_url: str = Field(default="http://127.0.0.1:8005/v1/documents", pattern=r"^https?://\S+[^/]$")
    rules_file: Path = _DATA / "rules.json"
    moved_days_file: Path = _DATA / "moved_days.json"
    draft_days: int = Field(default=30, ge=1)
    returned_days: int = Field(default=30, ge=1)
    attachments_days: int = Field(default=90, ge=1)
    documents_days: int = Field(default=365, ge=1)
    ministry_url: str | None = None
    ministry_token: SecretStr | None = None

    @override
    def risks(self) -> Iterator[Risk]:
        yield from super().risks()
        yield from plain_addresses(ministry_url=self.ministry_url)
        if self.revoked_certificates is None:
            yield Risk("no-revoked-list", "a revoked seal would not be noticed: name the file revoked_certificates")

    @property
    def law(self) -> Law:
        """What decisions are measured by."""
        return Law(
            book=RuleBook.load(self.rules_file),
            calendar=WorkingDays(MovedDays.load(self.moved_days_file)),
            draft=timedelta(days=self.draft_days),
            returned=timedelta(days=self.returned_days),
            attachments=timedelta(days=self.attachments_days),
            documents=timedelta(days=self.documents_days),
        )

    @model_validator(mode="after")
    def _check_outside(self) -> Self:
        if self.profile == "production" and (self.ministry_url is None or self.ministry_token is None):
            raise ValueError("ministry_url and ministry_token name the ministry's system, which checks every person")
        if self.profile == "production" and not self.verify_url.startswith("https://"):
            raise ValueError("verify_url stands on every document: it must be the public https address")
        return self
