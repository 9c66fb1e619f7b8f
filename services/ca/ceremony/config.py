"""The one configuration from which the key ceremony makes everything (`deploy/ceremony.toml` is an example)."""

import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from libs.common.pki.der import serial_text
from services.ca.authority.hierarchy import ROOT, SEAL, TSA
from services.ca.authority.revoked import OwnReason
from services.ca.keys.configured import TokenConfig
from services.ca.keys.store import SigningKeyKind
from services.ca.model.profiles import Publication

_RESERVED: Final = frozenset({ROOT, SEAL, TSA})


def _ascii(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isascii():
        raise ValueError("use ASCII characters only: Java's key stores refuse other passwords")
    return secret


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class RootConfig(_Part):
    """The root: its name and kind of key."""

    name: str
    key: SigningKeyKind = SigningKeyKind.P384


class IssuingConfig(_Part):
    """One generation of an issuing authority.

    Attributes:
        label: names its key, its files, and its place in public addresses; never used again for another.
        name: its common name, of its own too.
        key: EC keys of citizens are certified by EC issuers, RSA keys by RSA issuers.
        issues_from: when it takes over from the one before it; default: at once.
    """

    label: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$")]
    name: str
    key: SigningKeyKind
    issues_from: AwareDatetime | None = None

    @property
    def ocsp_key(self) -> SigningKeyKind:
        """The kind of its responder's key: one that whoever verifies its certificates can verify too."""
        return SigningKeyKind.RSA2048 if self.key.is_rsa else SigningKeyKind.P256


class NamedConfig(_Part):
    """A member of the hierarchy with a P-256 key."""

    name: str


def _as_recorded(serial: str) -> str:
    """Write a serial number as records do, however programs showed it."""
    return serial_text(int(serial.replace(":", ""), 16))


class RevokedConfig(_Part):
    """One of the operator's own certificates that no longer counts.

    Attributes:
        serial: its number in hexadecimal, as the transcript and ``openssl x509 -serial`` show it.
        label: instead of that an issuing authority's, whose label was never another's.
        at: since when; not later than the ceremony.
        reason: `keyCompromise`: the key was stolen, or may have been.
    """

    serial: Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f:]*[0-9A-Fa-f]$"), AfterValidator(_as_recorded)] = ""
    label: str = ""
    at: AwareDatetime
    reason: OwnReason

    @model_validator(mode="after")
    def _require_one_name(self) -> Self:
        if bool(self.serial) == bool(self.label):
            raise ValueError("say which certificate is revoked by its serial number or by its label, not by both")
        return self

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.serial or self.label


class CeremonyConfig(_Part):
    """What the authorities and the seal are called, where they are published, where files and keys go.

    ``base_url`` is plain http, as RFC 5280, 8, advises for what is signed anyway; ``witnesses`` are those who watch,
    as the transcript names them.
    """

    directory: Path
    organisation: str
    bin: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
    base_url: Annotated[str, StringConstraints(pattern=r"^http://[!-~]+[^/]$")]
    ocsp: bool = True
    witnesses: tuple[Annotated[str, StringConstraints(min_length=2, strip_whitespace=True)], ...] = ()
    token: TokenConfig | None = None
    root: RootConfig
    issuing: tuple[IssuingConfig, ...]
    tsa: NamedConfig = NamedConfig(name="Time-Stamp Authority")
    seal: NamedConfig
    revoked: tuple[RevokedConfig, ...] = ()
    seal_passphrase: Annotated[SecretStr, Field(min_length=8), AfterValidator(_ascii)]

    @model_validator(mode="after")
    def _require_a_whole_hierarchy(self) -> Self:
        labels = [each.label for each in self.issuing]
        names = [self.root.name, *(each.name for each in self.issuing)]
        if len(set(labels)) != len(labels) or _RESERVED & set(labels):
            raise ValueError(f"issuing labels must differ from each other and from {sorted(_RESERVED)}")
        if len(set(names)) != len(names):
            raise ValueError("each authority needs a name of its own: relying parties find issuers by their names")
        if {each.key.is_rsa for each in self.issuing} != {True, False}:
            raise ValueError("there must be issuing authorities for both EC and RSA keys of citizens")
        return self

    @property
    def publication(self) -> Publication:
        """Where certificates say they are published."""
        return Publication(self.base_url, self.ocsp)

    @property
    def digest(self) -> str:
        """What the transcript knows the configuration by: SHA-256 of all that is in it but secrets and folders."""
        public = self.model_dump_json(exclude={"directory", "seal_passphrase", "witnesses"})
        return sha256(public.encode()).hexdigest()


def read_config(file: Path, directory: Path, seal_passphrase: str, **instead: str) -> CeremonyConfig:
    """Read the configuration.

    Args:
        instead: settings that the caller knows better, such as ``base_url``.

    Raises:
        ValidationError, TOMLDecodeError, OSError: it can't be read, or asks for something impossible.
    """
    facts = tomllib.loads(file.read_text(encoding="utf-8"))
    given = {"directory": directory, "seal_passphrase": seal_passphrase}
    return CeremonyConfig.model_validate(facts | instead | given)
