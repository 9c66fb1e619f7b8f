"""From two fresh keys to an electronic digital signature: what is made, kept, and checked on the citizen's side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from libs.citizen.errors import AnswerUnusable
from libs.citizen.keys.keystore import KeyEntry
from libs.citizen.keys.private_keys import KeyAlgorithm, PrivateKey, make_key
from libs.citizen.keys.requests import make_request
from libs.common.contracts.http.ca import CertificatesView
from libs.common.pki.names import subject_of


@dataclass(frozen=True)
class KeyPairs:
    """Two keys and the requests made for them. The requests stay the same when they must be sent again."""

    sign: PrivateKey
    auth: PrivateKey
    sign_csr: str
    auth_csr: str

    @classmethod
    def make(cls, kind: KeyAlgorithm = KeyAlgorithm.EC_P256) -> "KeyPairs":
        """Make both pairs."""
        sign, auth = make_key(kind), make_key(kind)
        return cls(sign, auth, make_request(sign), make_request(auth))


class PendingKeyStore(Protocol):
    """Where keys lie between being made and being certified, so that a crash does not lose them."""

    def load(self) -> KeyPairs | None:
        """Return the keys that were kept."""
        ...

    def save(self, pairs: KeyPairs) -> None:
        """Keep the keys durably; when this returns, their requests may be sent."""
        ...

    def discard(self) -> None:
        """Drop the keys: they lie in key stores by now, or will never be certified."""
        ...


@dataclass
class MemoryPendingKeys:
    """Keeps keys in memory, for those who need not survive a crash."""

    pairs: KeyPairs | None = None

    def load(self) -> KeyPairs | None:
        """Return the keys that were kept."""
        return self.pairs

    def save(self, pairs: KeyPairs) -> None:
        """Keep the keys as long as the program runs."""
        self.pairs = pairs

    def discard(self) -> None:
        """Drop the keys."""
        self.pairs = None


@dataclass(frozen=True)
class Eds:
    """An electronic digital signature: a key with its certificate to sign, and one to sign in."""

    sign: KeyEntry
    auth: KeyEntry


def assemble(view: CertificatesView, pairs: KeyPairs, chain: Sequence[x509.Certificate]) -> Eds:
    """Put keys, certificates and chain together, believing nothing that can be checked.

    Raises:
        AnswerUnusable: ``certificate.not_ours`` or ``certificate.bad_chain``.
    """
    found = {issued.profile: x509.load_pem_x509_certificate(issued.pem.encode()) for issued in view.certificates}
    return Eds(_hold(pairs.sign, found["SIGN"], chain), _hold(pairs.auth, found["AUTH"], chain))


def _hold(key: PrivateKey, certificate: x509.Certificate, available: Sequence[x509.Certificate]) -> KeyEntry:
    if certificate.public_key() != key.public_key():
        raise AnswerUnusable("certificate.not_ours")
    chain: list[x509.Certificate] = []
    below = certificate
    while below.issuer != subject_of(below):
        issuer = next((one for one in available if _issued(below, one)), None)
        if issuer is None:
            raise AnswerUnusable("certificate.bad_chain")
        chain.append(issuer)
        below = issuer
    return KeyEntry(key, certificate, tuple(chain))


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):  # other name, other kind of key, other key
        return False
    return True
