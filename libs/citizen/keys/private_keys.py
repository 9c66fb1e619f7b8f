"""Key pairs, made where the citizen is. No function here sends anything anywhere."""

from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class KeyAlgorithm(StrEnum):
    """The kinds of keys a citizen may choose from; the authority certifies nothing weaker."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"


def make_key(kind: KeyAlgorithm = KeyAlgorithm.EC_P256) -> PrivateKey:
    """Make a private key from the operating system's randomness. RSA takes some tenths of a second."""
    match kind:
        case KeyAlgorithm.EC_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyAlgorithm.EC_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyAlgorithm.RSA_2048 | KeyAlgorithm.RSA_3072 | KeyAlgorithm.RSA_4096:
            return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.rpartition("-")[2]))


def key_id(public_key: PublicKey) -> str:
    """Return the subject key identifier in lower-case hexadecimal: SHA-1 of the key's bits (RFC 5280, 4.2.1.2)."""
    return x509.SubjectKeyIdentifier.from_public_key(public_key).digest.hex()
