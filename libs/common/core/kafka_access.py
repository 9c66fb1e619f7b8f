"""Where the brokers are, and how a program proves itself to them: by a password, by a certificate, or not at all."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]

_WITH_PASSWORD: dict[Mechanism, type[SASLScram512 | SASLScram256 | SASLPlaintext]] = {
    "SCRAM-SHA-512": SASLScram512,
    "SCRAM-SHA-256": SASLScram256,
    "PLAIN": SASLPlaintext,
}


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """The way to a cluster.

    ``bootstrap`` is ``host:port``, separated by commas; without ``security`` nothing is encrypted and nobody asked.
    """

    bootstrap: str
    security: BaseSecurity | None = None

    def options(self) -> dict[str, Any]:
        """Return the arguments by which any client of aiokafka connects."""
        return {"bootstrap_servers": self.bootstrap, **parse_security(self.security)}


def tls(authority: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Make what verifies the brokers, by name, and shows a certificate of one's own if there is one. Files are PEM.

    Args:
        authority: whose certificates brokers must have; none: whom this machine trusts.

    Raises:
        OSError: a file cannot be read, or holds something else (``ssl.SSLError``).
    """
    context = ssl.create_default_context(cafile=authority)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def by_password(mechanism: Mechanism, username: str, password: str, context: ssl.SSLContext | None) -> BaseSecurity:
    """Prove oneself by SASL: SCRAM (RFC 5802) shows that one knows the password, PLAIN (RFC 4616) sends it."""
    return _WITH_PASSWORD[mechanism](username, password, ssl_context=context)
