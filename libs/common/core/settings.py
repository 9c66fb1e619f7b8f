"""What every service can be told from outside.

A service's own settings inherit from `ServiceSettings` and name their prefix::

    class Settings(ServiceSettings):
        model_config = SettingsConfigDict(env_prefix="OTP_")
        code_ttl: timedelta = timedelta(minutes=3)

Every field is read from the environment (``OTP_MONGO_URI``). Secrets may come as files instead, as orchestrators
mount them: a variable with ``_FILE`` at its end names the file that holds the value
(``OTP_SEALING_FILE=/run/otp/sealing``).
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from faststream.security import BaseSecurity
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from libs.common.core.kafka_access import KafkaAccess, Mechanism, by_password, tls
from libs.common.core.risks import Risk, encrypted_store, refuse_risks, weak_keyring
from libs.common.core.sealing import Keyring

Profile = Literal["production", "development", "bench"]
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class BrokerSettings(BaseSettings):
    """How to reach Kafka: for the services under their own prefix, for tools as ``KAFKA``, ``KAFKA_TLS`` and so on.

    Attributes:
        kafka: bootstrap servers, as ``host:port``, separated by commas.
        kafka_tls: the connection is encrypted, and the brokers show certificates for their names.
        kafka_tls_ca: PEM of the authority that certified the brokers; none: whom the machine trusts.
        kafka_tls_certificate: PEM of the certificate that the program shows, where brokers ask for one.
        kafka_tls_key: PEM of its key, without a password.
        kafka_username: where brokers ask for a name and a password.
        kafka_mechanism: how the password is used (SASL); ``PLAIN``, which sends it, over TLS alone.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka: str = Field(min_length=1)
    kafka_tls: bool = False
    kafka_tls_ca: Path | None = None
    kafka_tls_certificate: Path | None = None
    kafka_tls_key: Path | None = None
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_mechanism: Mechanism = "SCRAM-SHA-512"

    @property
    def kafka_access(self) -> KafkaAccess:
        """The way to the brokers."""
        files = (self.kafka_tls_ca, self.kafka_tls_certificate, self.kafka_tls_key)
        context = tls(*files) if self.kafka_tls else None
        if self.kafka_username is not None and self.kafka_password is not None:
            password = self.kafka_password.get_secret_value()
            return KafkaAccess(self.kafka, by_password(self.kafka_mechanism, self.kafka_username, password, context))
        return KafkaAccess(self.kafka, None if context is None else BaseSecurity(context))

    @model_validator(mode="after")
    def _check_access(self) -> Self:
        files = (self.kafka_tls_ca, self.kafka_tls_certificate, self.kafka_tls_key)
        if not self.kafka_tls and any(files):
            raise ValueError("kafka_tls_ca, kafka_tls_certificate and kafka_tls_key go with kafka_tls=true")
        if (self.kafka_tls_certificate is None) != (self.kafka_tls_key is None):
            raise ValueError("kafka_tls_certificate and kafka_tls_key belong together: give both, or neither")
        if (self.kafka_username is None) != (self.kafka_password is None):
            raise ValueError("kafka_username and kafka_password belong together: give both, or neither")
        if self.kafka_username is not None and self.kafka_mechanism == "PLAIN" and not self.kafka_tls:
            raise ValueError("kafka_mechanism=PLAIN would send the password in clear: set kafka_tls=true, or use SCRAM")
        try:
            _ = self.kafka_access
        except OSError as error:
            raise ValueError(f"the files for TLS to Kafka cannot be used: {error.strerror or error}") from None
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library hands it over; no .env files are read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - files are named by *_FILE variables instead
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over variables, variables over files."""
        return init_settings, env_settings, _FileVariables(settings_cls)


class ToolSettings(BrokerSettings):
    """What a command-line tool needs to reach Kafka."""


class ServiceSettings(BrokerSettings):
    """Settings that all services share. Instances are frozen; impossible ones cannot be made.

    Attributes:
        profile: ``development`` opens what helps developers (an inbox of SMS); ``bench`` answers face checks by a stub.
        kafka_idempotence: the producer's idempotence: on for Apache Kafka, off for a broker that does not speak it.
        kafka_fetch_wait_ms: how long a fetch waits for records; short only where the broker does not wake it.
        development_exposed: lets another profile than production listen beyond this machine's loopback, as it must
            inside a container; publish its port on the loopback only.
        sealing: the keys for personal data, as `Keyring.parse` reads them.
        http_host: the address to listen on.
        identity_issuer: ``iss`` of the tokens that identity makes.
        identity_jwks: identity's public keys: a JWK set as JSON, or the path of a file with it.
        event_key: the private Ed25519 key (PEM, PKCS#8) with which this service signs what it publishes.
        event_jwks: the public keys of all services for that: a JWK set, or the path of a file with it.
        staff_jwks: the public keys of the operator's OpenID provider, likewise; none: no staff gets in.
        staff_issuer: ``iss`` of staff tokens.
        staff_audience: ``aud`` that staff tokens must name; none: any.
        accepted_risks: names of `risks` that production accepts all the same, with commas between them.
    """

    profile: Profile = "production"
    development_exposed: bool = False
    kafka_idempotence: bool = True
    kafka_fetch_wait_ms: int = Field(500, ge=1, le=5000)
    mongo_uri: SecretStr
    mongo_database: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,37}$")
    sealing: SecretStr
    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=0, le=65535)
    identity_issuer: str = "identity"
    identity_jwks: str
    event_key: SecretStr
    event_jwks: str
    staff_jwks: str | None = None
    staff_issuer: str | None = None
    staff_audience: str | None = None
    accepted_risks: str = ""
    log_json: bool = True
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def keyring(self) -> Keyring:
        """The keys for personal data."""
        return Keyring.parse(self.sealing.get_secret_value())

    @property
    def event_signing_key(self) -> Ed25519PrivateKey:
        """The key that signs this service's events."""
        return _ed25519(self.event_key)

    def risks(self) -> Iterator[Risk]:
        """Return what production refuses unless it is accepted by name. A service adds its own."""
        if not self.kafka_tls:
            yield Risk("kafka-plaintext", "events reach the brokers without TLS: set kafka_tls=true")
        if not encrypted_store(self.mongo_uri.get_secret_value()):
            yield Risk("store-plaintext", "the store is reached without TLS: put tls=true into mongo_uri")
        if self.staff_jwks is not None and self.staff_audience is None:
            yield Risk("staff-audience", "tokens made for other systems open staff's routes: set staff_audience")
        if weak_keyring(self.sealing.get_secret_value()):
            yield Risk("weak-key", "a key in sealing is not random: make each from 32 random bytes")

    @field_validator("event_key")
    @classmethod
    def _check_event_key(cls, value: SecretStr) -> SecretStr:
        _ed25519(value)
        return value

    @field_validator("identity_jwks", "event_jwks", "staff_jwks")
    @classmethod
    def _read_key_set(cls, value: str | None) -> str | None:
        if value is None:
            return None
        text = value if value.lstrip().startswith("{") else _read(Path(value), "the key set")
        try:
            keys = json.loads(text)["keys"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                'not a JWK set: it must be JSON of the form {"keys": [...]}, or a file with that'
            ) from None
        if not keys:
            raise ValueError("the JWK set is empty, so no token could ever be verified")
        return text

    @field_validator("sealing")
    @classmethod
    def _check_sealing(cls, value: SecretStr) -> SecretStr:
        try:
            Keyring.parse(value.get_secret_value())
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            # The cause is left out: it could quote key material.
            raise ValueError(
                'not a keyring: it must be {"keys": {audience: {version: base64 of 32 bytes}}, "blind": base64}'
            ) from None
        return value

    @model_validator(mode="after")
    def _check_possible(self) -> Self:
        if (self.staff_jwks is None) != (self.staff_issuer is None):
            raise ValueError("staff_jwks and staff_issuer belong together: give both, or neither to let no staff in")
        if self.staff_issuer == self.identity_issuer:
            raise ValueError("staff and citizens must have different issuers, or one could pass for the other")
        if self.profile != "production" and self.http_host not in _LOOPBACK and not self.development_exposed:
            raise ValueError(
                f"the {self.profile} profile shows one-time codes or skips checks, so it listens on 127.0.0.1 only; "
                "for others to reach it set profile=production, or in a container of your own development_exposed=true"
            )
        if urlsplit(self.mongo_uri.get_secret_value()).scheme not in ("mongodb", "mongodb+srv"):
            raise ValueError("mongo_uri must begin with mongodb:// or mongodb+srv://")
        if self.profile == "production":
            refuse_risks(self.risks(), self.accepted_risks)
        return self


class _FileVariables(PydanticBaseSettingsSource):
    """Reads ``<PREFIX><FIELD>_FILE``: the path of a file that holds the field's value."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the library's signature
        path = os.environ.get(f"{self.config.get('env_prefix', '')}{field_name}_FILE".upper())
        try:
            return (_read(Path(path), "it").strip() if path else None), field_name, False
        except ValueError as error:
            wrong = InitErrorDetails(type=PydanticCustomError("file", str(error)), loc=(field_name,), input=None)
            raise ValidationError.from_exception_data("settings", [wrong]) from None

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields.items()
        given = {name: (field, self.get_field_value(field, name)[0]) for name, field in fields}
        return {
            name: self.prepare_field_value(name, field, text, self.field_is_complex(field))
            for name, (field, text) in given.items()
            if text is not None
        }


def explain(error: ValidationError) -> str:
    """Say in plain lines what is wrong with the settings, without quoting any value."""
    prefix = "the settings cannot be used:"
    lines = [f"- {'.'.join(map(str, e['loc'])) or 'together'}: {e['msg']}" for e in error.errors(include_input=False)]
    return "\n".join([prefix, *lines])


def _ed25519(pem: SecretStr) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.get_secret_value().encode(), password=None)
    except (ValueError, TypeError):
        key = None  # the cause could quote key material
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not a private Ed25519 key in PEM (PKCS#8, without a passphrase)")  # noqa: TRY004 - pydantic's
    return key


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise ValueError(f"{what} cannot be read from the file {str(path)!r}: {error.strerror}") from None
