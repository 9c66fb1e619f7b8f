"""What the authority can be told from outside, as ``CA_…``."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.common.core.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the certification authority.

    Attributes:
        directory: where the key ceremony put certificates and transcript.
        keystore: where it put the keys; ``keys`` in that directory unless told.
        keystore_passphrase: opens the keys; needed unless they are in a token.
        token_module: the PKCS#11 library of the token that has the keys; none: they are encrypted files.
        token_label: the token's name.
        token_pin: logs in to it. A token locks after a few wrong ones.
        base_url: the public address that certificates point to, ending in ``/pki``; plain http (RFC 5280, 8).
        tsa_policy: the policy under which time-stamps are issued (arc of the national authority's TSA policies).
        clock_tolerance_ms: how far off the clock may be; stamps state it, and a jump beyond it stops them.
        crl_shards: into how many lists revocations are spread; may grow, must not shrink.
        certificates_kept_days: how long after its end a certificate, and whom it names, stays in the store.
        checkpoint_minutes: how often the ledger's head is time-stamped and told.
        blocked_keys: a list of keys known to be compromised (see `services.ca.enrolment.blocklists`), such as
            Debian's weak ones; read at start. None: only keys that are weak by themselves are refused.
    """

    model_config = SettingsConfigDict(env_prefix="CA_")

    directory: Path
    keystore: Path | None = None
    keystore_passphrase: SecretStr | None = None
    token_module: Path | None = None
    token_label: str = ""
    token_pin: SecretStr | None = None
    base_url: str = Field(pattern=r"^http://[!-~]+/pki$")
    tsa_policy: str = Field("1.2.398.3.3.2.6.2", pattern=r"^[0-2](\.(0|[1-9][0-9]*))+$")
    clock_tolerance_ms: int = Field(500, ge=10, le=999)
    crl_shards: int = Field(1, ge=1, le=256)
    certificates_kept_days: int = Field(3 * 365, ge=1)
    checkpoint_minutes: int = Field(15, ge=1, le=1440)
    blocked_keys: Path | None = None

    @property
    def keys(self) -> Path:
        """Where the keys lie."""
        return self.keystore or self.directory / "keys"
