import base64
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ca.enrolment.csr import MAX_LENGTH, CsrRefused, parse, require_distinct
from services.ca.model.key_rules import Weakness, key_weakness
from services.ca.problems import PROBLEMS
from services.ca.texts import TEXTS
from tests.fuzz.ber_forms import opened
from tests.unit.ca.judges import run

Key = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | dsa.DSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)
P256 = ec.generate_private_key(ec.SECP256R1())
RSA2048 = rsa.generate_private_key(65537, 2048)


def request(key: Key, name: str = "Кім болса да", digest: hashes.HashAlgorithm | None = None) -> bytes:
    builder = x509.CertificateSigningRequestBuilder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
    edwards = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return builder.sign(key, None if edwards else digest or hashes.SHA256()).public_bytes(Encoding.DER)  # type: ignore[arg-type]  # the digests of one test are outdated on purpose


def refusal(content: bytes) -> str:
    with pytest.raises(CsrRefused) as caught:
        parse(content)
    assert PROBLEMS[caught.value.key] == 422
    assert f"problem.{caught.value.key}.remedy" in TEXTS
    return caught.value.key


@pytest.mark.parametrize(
    "key",
    [P256, ec.generate_private_key(ec.SECP384R1()), RSA2048, rsa.generate_private_key(65537, 3072)],
    ids=["P-256", "P-384", "RSA-2048", "RSA-3072"],
)
def test_the_key_of_a_sound_request_is_taken_in_der_and_in_pem(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
) -> None:
    der = request(key)
    pem = x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)

    for form in (der, pem, pem.replace(b"\n", b"\r\n"), b"\n" + pem):
        assert parse(form).public_key == key.public_key()
    assert parse(der).spki == key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "key",
    [ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate(), dsa.generate_private_key(2048)],
    ids=["Ed25519", "Ed448", "DSA"],
)
def test_a_foreign_kind_of_key_is_refused(key: Key) -> None:
    assert refusal(request(key)) == "csr.foreign_key_type"


def test_a_key_by_an_unknown_algorithm_is_foreign_not_malformed() -> None:
    """GOST R 34.10-2012 in place of id-ecPublicKey: what a citizen with a national token might send."""
    gost = bytes.fromhex("06072a850302020d01")  # 1.2.643.2.2.13.1, as long as the one it replaces
    foreign = request(P256).replace(bytes.fromhex("06072a8648ce3d0201"), gost)

    assert refusal(foreign) == "csr.gost_key"


@pytest.mark.parametrize(
    ("key", "weakness"),
    [
        (ec.generate_private_key(ec.SECP224R1()), "curve"),
        (ec.generate_private_key(ec.SECP521R1()), "curve"),
        (ec.generate_private_key(ec.SECP256K1()), "curve"),
        (ec.generate_private_key(ec.BrainpoolP256R1()), "curve"),
        (rsa.generate_private_key(65537, 1024), "size"),  # noqa: S505 - to be refused
        (rsa.generate_private_key(3, 2048), "exponent"),
    ],
    ids=["P-224", "P-521", "secp256k1", "brainpoolP256r1", "RSA-1024", "RSA-2048 with exponent 3"],
)
def test_a_key_of_other_strength_than_allowed_is_refused_with_a_key_of_its_own(key: Key, weakness: str) -> None:
    assert refusal(request(key)) == f"csr.key_{weakness}"


def test_an_rsa_key_larger_than_needed_is_refused() -> None:
    assert weakness_of((1 << 4999) + 1_234_567) is Weakness.SIZE


def test_rsa_keys_with_neighbouring_factors_are_refused() -> None:
    numbers = RSA2048.private_numbers()
    neighbour = next(
        candidate for candidate in range(numbers.p + 2, numbers.p + 20_000, 2) if is_probable_prime(candidate)
    )

    assert weakness_of(numbers.p * neighbour) is Weakness.FACTORABLE


def test_rsa_keys_with_a_small_factor_are_refused() -> None:
    modulus = 751 * (RSA2048.public_key().public_numbers().n >> 8 | 1)

    assert weakness_of(modulus) is Weakness.FACTORABLE


def test_rsa_keys_of_the_faulty_generator_are_refused() -> None:
    """Each prime is k M + (65537^a mod M), M the product of the first 126 primes for 2,048-bit keys (CCS 2017)."""
    primes = [n for n in range(2, 702) if all(n % d for d in range(2, int(n**0.5) + 1))]
    product = 1
    for prime in primes:
        product *= prime

    def faulty(seed: int) -> int:
        k = (3 << 1022) // product + seed
        return next(p for a in range(10_000) if is_probable_prime(p := k * product + pow(65537, a, product)))

    assert weakness_of(faulty(1) * faulty(1 << 40)) is Weakness.ROCA


@pytest.mark.parametrize("distance", [0, 1, 60])
def test_fermats_method_goes_as_far_as_it_says(distance: int) -> None:
    """100 rounds from the root: factors that far apart are found, and it does not matter which is the larger."""
    p = RSA2048.private_numbers().p | 1
    a = p + distance
    assert weakness_of((a - distance) * (a + distance)) is Weakness.FACTORABLE


def test_a_sound_rsa_key_has_no_weakness() -> None:
    assert key_weakness(RSA2048.public_key()) is None


def test_a_request_signed_by_another_key_proves_nothing() -> None:
    """The classic: someone else's public key in a request of one's own."""
    mine, theirs = request(P256), request(ec.generate_private_key(ec.SECP256R1()))
    own_key = P256.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    their_key = x509.load_der_x509_csr(theirs).public_key()
    assert isinstance(their_key, ec.EllipticCurvePublicKey)
    stolen = mine.replace(own_key, their_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    assert refusal(stolen) == "csr.bad_signature"


def test_a_request_changed_after_signing_proves_nothing() -> None:
    der = request(P256, name="AAAA")

    assert refusal(der.replace(b"AAAA", b"AAAB")) == "csr.bad_signature"


def test_a_request_signed_with_sha_1_proves_too_little() -> None:
    made = run_openssl_sha1()

    assert refusal(made) == "csr.bad_signature"


def test_a_point_off_the_curve_is_malformed() -> None:
    der = bytearray(request(P256))
    point = bytes(der).index(P256.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    der[point + 64] ^= 1

    assert refusal(bytes(der)) == "csr.malformed"


MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "text": lambda _: b"please",
    "cut": lambda der: der[:-1],
    "trailing octet": lambda der: der + b"\x00",
    "BER": opened,
    "too large": lambda der: der + bytes(MAX_LENGTH),
    "deeply nested": lambda _: b"\x30\x80" * 4000,
    "a certificate's label": lambda der: armour(der, "CERTIFICATE"),
    "two requests": lambda der: armour(der, "CERTIFICATE REQUEST") * 2,
    "broken armour": lambda der: armour(der, "CERTIFICATE REQUEST").replace(b"-----END", b"----END"),
}


@pytest.mark.parametrize("form", MALFORMED)
def test_what_is_not_exactly_one_request_is_malformed(form: str) -> None:
    assert refusal(MALFORMED[form](request(P256))) == "csr.malformed"


@given(content=st.binary(max_size=600))
def test_junk_is_refused_and_nothing_else_happens(content: bytes) -> None:
    assert refusal(content) == "csr.malformed"


@given(position=st.integers(min_value=0), value=st.integers(1, 255), source=st.sampled_from([P256, RSA2048]))
@settings(max_examples=400, deadline=None)
def test_a_request_with_any_octet_changed_is_refused(
    position: int, value: int, source: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
) -> None:
    der = bytearray(SOUND[type(source).__name__])
    der[position % len(der)] ^= value

    assert refusal(bytes(der)).startswith("csr.")


def test_a_signature_that_claims_unused_bits_is_refused() -> None:
    sound, cleared = request(P256), None
    while cleared is None:  # only a signature that ends in a 0 bit can claim one
        sound = request(P256)
        signature = x509.load_der_x509_csr(sound).signature
        cleared = signature if signature[-1] % 2 == 0 else None
    claiming = bytearray(sound)
    claiming[-len(cleared) - 1] = 1
    assert refusal(bytes(claiming)) == "csr.malformed"


def test_one_key_serves_one_certificate() -> None:
    first, again = parse(request(P256, name="SIGN")), parse(request(P256, name="AUTH"))
    other = parse(request(ec.generate_private_key(ec.SECP256R1())))

    require_distinct(first, other)
    with pytest.raises(CsrRefused) as caught:
        require_distinct(first, again)
    assert caught.value.key == "csr.same_key_twice"


SOUND = {type(key).__name__: request(key) for key in (P256, RSA2048)}


def armour(der: bytes, label: str) -> bytes:
    return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(der) + f"-----END {label}-----\n".encode()


def weakness_of(modulus: int) -> str | None:
    return key_weakness(rsa.RSAPublicNumbers(65537, modulus).public_key())


def is_probable_prime(candidate: int) -> bool:
    small = all(candidate % divisor for divisor in range(3, 1000, 2))
    return small and all(pow(base, candidate - 1, candidate) == 1 for base in (2, 3, 5, 7))


def run_openssl_sha1() -> bytes:
    armoured = run(
        "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        "/dev/null", "-sha1", "-subj", "/CN=a",
    )  # fmt: skip
    return armoured[armoured.index("-----BEGIN") :].encode()
