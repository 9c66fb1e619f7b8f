"""A key store in a PKCS#11 token (a hardware security module, or SoftHSM2)."""

from collections.abc import Mapping
from typing import Any, Final

import pkcs11
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

from services.ca.authority.issuers import PrivateKey, PublicKey, usable_key
from services.ca.keys.store import KeyMissingError, KeyStoreError, SigningKeyKind, require_label
from services.ca.keys.token_session import TokenSession, search
from services.ca.keys.token_signers import find_key, token_key
from services.ca.model.key_rules import RSA_EXPONENT

_CURVES: Final = {SigningKeyKind.P256: "secp256r1", SigningKeyKind.P384: "secp384r1"}
_STAYS: Final[Mapping[Attribute, bool]] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
}


class TokenKeys:
    """Keys by the label of their objects; fulfils `services.ca.keys.store.KeyStore`.

    They are made in the token so that they can sign, do nothing else, and cannot be taken out.
    """

    def __init__(self, session: TokenSession) -> None:
        self._session = session

    def load(self, label: str) -> PrivateKey:
        """Find a key.

        Raises:
            KeyMissingError: there is none.
            KeyStoreError: there are two, its public half is missing, or it could be taken out of the token.
            TokenUnavailableError: the token does not answer.
        """
        require_label(label)
        return token_key(self._session, label, self._session.run(lambda session: self._present(session, label)))

    def create(self, label: str, kind: SigningKeyKind) -> PrivateKey:
        """Have the token make a key. KeyStoreError if the label is taken, or the token cannot."""
        require_label(label)
        try:
            return token_key(self._session, label, self._session.run(lambda session: _made(session, label, kind)))
        except (pkcs11.MechanismInvalid, pkcs11.TokenWriteProtected, pkcs11.DeviceMemory) as error:
            raise KeyStoreError(
                f"the token «{self._session.name}» cannot make a key of the kind {kind} ({type(error).__name__})"
            ) from error

    def _present(self, session: pkcs11.Session, label: str) -> PublicKey:
        if find_key(session, label) is None:
            raise KeyMissingError(
                f"there is no key «{label}» in the token «{self._session.name}»: "
                "hold the key ceremony, which makes what is missing"
            )
        public = search(session, ObjectClass.PUBLIC_KEY, label)
        if len(public) != 1:
            raise KeyStoreError(f"the token has no public half, or two, of the key «{label}»: restore its backup")
        return _read(public[0], label)


def _made(session: pkcs11.Session, label: str, kind: SigningKeyKind) -> PublicKey:
    if find_key(session, label) is not None:
        raise KeyStoreError(f"there is a key «{label}» already: a key is never replaced")
    wanted: dict[str, Any] = {
        "id": label.encode(),
        "label": label,
        "store": True,
        "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
        "private_template": dict(_STAYS),
    }
    if kind.is_rsa:
        public, _ = session.generate_keypair(KeyType.RSA, kind.bits, **wanted)
    else:
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[kind])}
        public, _ = session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(**wanted)
    return _read(public, label)


def _read(public: Any, label: str) -> PublicKey:
    if public.key_type == KeyType.EC:
        return usable_key(load_der_public_key(encode_ec_public_key(public)))
    exponent, modulus = (int.from_bytes(public[each], "big") for each in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS))
    if public.key_type != KeyType.RSA or exponent != RSA_EXPONENT:
        raise KeyStoreError(f"the key «{label}» is neither EC nor RSA with the exponent {RSA_EXPONENT}")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()
