"""Keys in a token: they sign as any other key does, never leave it, and come back after every kind of loss."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import timedelta
from pathlib import Path

import pkcs11
import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pkcs11 import Attribute, KeyType, ObjectClass
from pydantic import SecretStr

from libs.common.core.errors import Unavailable
from services.ca.authority.issuers import PrivateKey, sign_with
from services.ca.keys.store import KeyMissingError, KeyStoreError, SigningKeyKind
from services.ca.keys.token_keys import TokenKeys
from services.ca.keys.token_session import TokenSession, TokenUnavailableError
from tests.unit.ca.hierarchies import NOW
from tests.unit.ca.judges import run
from tests.unit.ca.token import MODULE, PIN, SoftToken, new_token, restart

DATA = b"what is to be signed" * 50
KINDS = (SigningKeyKind.P256, SigningKeyKind.P384, SigningKeyKind.RSA2048)


@pytest.fixture(scope="module")
def module_token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    token = new_token(tmp_path_factory.mktemp("hsm"), "ca")
    keys = token.keys()
    for kind in KINDS:
        keys.create(kind.lower(), kind)
    return token


@pytest.fixture
def token(module_token: SoftToken) -> Iterator[SoftToken]:
    restart()
    yield module_token
    restart()


@pytest.fixture(params=KINDS)
def key(request: pytest.FixtureRequest, token: SoftToken) -> PrivateKey:
    return token.keys().load(request.param.lower())


def require_verifies(key: PrivateKey, signature: bytes, data: bytes = DATA) -> None:
    """Let `cryptography` judge, with the public half alone; InvalidSignature fails the test."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    else:
        digest = hashes.SHA384() if public.key_size == 384 else hashes.SHA256()
        public.verify(signature, data, ec.ECDSA(digest))


def test_a_signature_made_in_the_token_verifies_outside(key: PrivateKey) -> None:
    require_verifies(key, sign_with(key, DATA, deterministic=True))


def test_openssl_verifies_it_too(key: PrivateKey, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "signature").write_bytes(sign_with(key, DATA))
    digest = "-sha384" if key.key_size == 384 else "-sha256"

    said = run("openssl", "dgst", digest, "-verify", tmp_path / "key.pem", "-signature", tmp_path / "signature",
               tmp_path / "data")  # fmt: skip
    assert "Verified OK" in said


def test_builders_of_certificates_and_lists_take_it_for_a_key_like_any_other(key: PrivateKey) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Token")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 17, NOW, NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    crl = (
        x509.CertificateRevocationListBuilder(name, NOW, NOW + timedelta(days=1))
        .sign(key, hashes.SHA256(), ecdsa_deterministic=isinstance(key, ec.EllipticCurvePrivateKey) or None)
    )  # fmt: skip

    certificate.verify_directly_issued_by(certificate)
    assert crl.is_signature_valid(key.public_key())
    assert deepcopy(key) is key


def test_the_key_never_leaves_the_token(key: PrivateKey) -> None:
    with pytest.raises(UnsupportedAlgorithm, match="never leaves"):
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UnsupportedAlgorithm, match="never leaves"):
        key.private_numbers()


def test_the_token_itself_refuses_to_give_a_key_away(token: SoftToken) -> None:
    for private in token.raw().get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}):
        assert private[Attribute.EXTRACTABLE] is False
        assert private[Attribute.SENSITIVE] is True
        assert private[Attribute.NEVER_EXTRACTABLE] is True
        assert private[Attribute.DECRYPT] is False
        secret = Attribute.PRIVATE_EXPONENT if private[Attribute.KEY_TYPE] == KeyType.RSA else Attribute.VALUE
        with pytest.raises((pkcs11.AttributeSensitive, pkcs11.AttributeTypeInvalid)):
            private[secret]


def test_a_key_only_signs_and_only_as_agreed(token: SoftToken) -> None:
    ec_key, rsa_key = token.keys().load("p-256"), token.keys().load("rsa-2048")
    assert isinstance(ec_key, ec.EllipticCurvePrivateKey)
    assert isinstance(rsa_key, rsa.RSAPrivateKey)
    tries: tuple[Callable[[], object], ...] = (
        lambda: ec_key.exchange(ec.ECDH(), ec_key.public_key()),
        lambda: ec_key.sign(DATA, ec.ECDSA(utils.Prehashed(hashes.SHA256()))),
        lambda: rsa_key.decrypt(b"", padding.PKCS1v15()),
        lambda: rsa_key.sign(DATA, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
        lambda: rsa_key.sign(DATA, padding.PKCS1v15(), hashes.SHA1()),  # noqa: S303 - what must be refused
    )
    for attempt in tries:
        with pytest.raises(UnsupportedAlgorithm):
            attempt()


def test_a_key_is_never_replaced_and_a_missing_one_says_what_to_do(token: SoftToken) -> None:
    keys = token.keys()
    with pytest.raises(KeyStoreError, match="never replaced"):
        keys.create("p-256", SigningKeyKind.P256)
    with pytest.raises(KeyMissingError, match="hold the key ceremony"):
        keys.load("no-such-key")


def test_a_key_that_could_be_taken_out_is_not_used(token: SoftToken) -> None:
    session = token.raw()
    for label in ("loose", "twins", "twins"):
        session.generate_keypair(
            KeyType.RSA, 2048, label=label, store=True, private_template={Attribute.EXTRACTABLE: label == "loose"}
        )

    with pytest.raises(KeyStoreError, match="can be taken out"):
        token.keys().load("loose")
    with pytest.raises(KeyStoreError, match="two keys"):
        token.keys().load("twins")


def test_a_wrong_pin_is_told_and_not_tried_again(token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token locks after a few: the session must not spend them by trying again on its own."""
    opened: list[str] = []
    ask_again = pkcs11.lib

    def counted(module: str) -> object:
        opened.append(module)
        return ask_again(module)

    monkeypatch.setattr("services.ca.keys.token_session.pkcs11.lib", counted)
    with pytest.raises(KeyStoreError, match="refuses the PIN") as caught:
        token.keys(SecretStr("0815")).load("p-256")
    assert len(opened) == 1
    assert "0815" not in str(caught.value)
    assert not isinstance(caught.value, Unavailable), "it would be tried again by itself"


def test_a_token_and_a_module_that_are_not_there_say_so() -> None:
    with pytest.raises(TokenUnavailableError, match="connected"):
        TokenKeys(TokenSession(MODULE, "no such token", PIN)).load("p-256")
    with pytest.raises(KeyStoreError, match="right file"):
        TokenKeys(TokenSession(Path("/nowhere/module.so"), "ca", PIN)).load("p-256")


def test_a_lost_session_is_opened_anew(key: PrivateKey) -> None:
    sign_with(key, DATA)
    restart()  # every session and the login are gone

    require_verifies(key, sign_with(key, DATA))


def test_a_lost_login_is_made_anew(token: SoftToken) -> None:
    session = token.session()
    key = TokenKeys(session).load("p-256")
    sign_with(key, DATA)
    session.run(lambda present: present.close())  # logs this process out behind the key's back

    require_verifies(key, sign_with(key, DATA))


def test_a_token_taken_out_in_mid_run_is_told_and_used_again_once_it_is_back(token: SoftToken) -> None:
    key = token.keys().load("rsa-2048")
    token.take_out()
    try:
        for _ in range(2):
            with pytest.raises(TokenUnavailableError, match="does not answer"):
                sign_with(key, DATA)
    finally:
        token.put_back()

    require_verifies(key, sign_with(key, DATA))


def test_a_key_destroyed_in_mid_run_is_told(token: SoftToken) -> None:
    key = token.keys().create("short-lived", SigningKeyKind.P256)
    sign_with(key, DATA)
    for each in token.raw().get_objects({Attribute.LABEL: "short-lived"}):
        each.destroy()

    with pytest.raises(KeyMissingError, match="no longer in the token"):
        sign_with(key, DATA)


def test_many_threads_sign_at_once_and_each_gets_its_own_signature(token: SoftToken) -> None:
    keys = [token.keys().load(label) for label in ("p-256", "rsa-2048")]

    def signed(number: int) -> tuple[PrivateKey, bytes, bytes]:
        key, data = keys[number % 2], b"%d" % number
        return key, data, sign_with(key, data)

    with ThreadPoolExecutor(8) as pool:
        for key, data, signature in pool.map(signed, range(200)):
            require_verifies(key, signature, data)


def test_the_pin_shows_nowhere(token: SoftToken) -> None:
    session = token.session()
    TokenKeys(session).load("p-256")
    assert PIN.get_secret_value() not in f"{session!r}{vars(session)}"
