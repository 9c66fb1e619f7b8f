"""What the authority can be told from outside, as ``CA_…``."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.common.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the certification authority.

    Attributes:
        directory: where the key ceremony put certificates and transcript.
        keystore: where it put the keys; ``keys`` in that directory unless told.
        keystore_passphrase: opens the keys.
        base_url: the public address that certificates point to, ending in ``/pki``; plain http (RFC 5280, 8).
        crl_shards: into how many lists revocations are spread; may grow, must not shrink.
    """

    model_config = SettingsConfigDict(env_prefix="CA_")

    directory: Path
    keystore: Path | None = None
    keystore_passphrase: SecretStr
    base_url: str = Field(pattern=r"^http://[!-~]+/pki$")
    crl_shards: int = Field(1, ge=1, le=256)

    @property
    def keys(self) -> Path:
        """Where the keys lie."""
        return self.keystore or self.directory / "keys"
