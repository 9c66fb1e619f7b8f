"""The organisation's seal as it is handed to the service that seals: key and chain in a PKCS#12 file."""

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from services.ca.authority.hierarchy import SEAL, Hierarchy
from services.ca.authority.issuers import PrivateKey

_ROUNDS: Final = 100_000


def seal_file(hierarchy: Hierarchy, key: PrivateKey, passphrase: bytes) -> bytes:
    """Pack the seal's key with its chain; AES-256, PBKDF2 with SHA-256."""
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase)
    )
    authorities = [hierarchy.above(hierarchy.seal).certificate, hierarchy.root]
    return pkcs12.serialize_key_and_certificates(SEAL.encode(), key, hierarchy.seal, authorities, encryption)


def holds_seal(content: bytes, passphrase: bytes, seal: x509.Certificate) -> bool:
    """Return whether a file opens with this passphrase and holds this seal."""
    try:
        return pkcs12.load_key_and_certificates(content, passphrase)[1] == seal
    except ValueError:  # another passphrase was configured since
        return False
