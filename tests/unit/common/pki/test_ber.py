"""BER that signers write becomes the DER it stands for; whatever else comes is refused in little time and memory."""

import subprocess
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.pki.ber import MAX_DEPTH, MAX_VALUES, NotBerError, from_ber
from libs.common.pki.cms import verify_detached
from tests.fuzz.ber_forms import in_ber
from tests.fuzz.der_tree import CONSTRUCTED, tlv
from tests.unit.ca.hierarchies import NOW, PERSON, CertificationAuthority
from tests.unit.ca.signing import DATA, OurStamps, Signer

MB = 1 << 20
SEQUENCE, SET, OCTETS = 0x30, 0x31, 0x04
END = b"\x00\x00"


def opened(tag: int, content: bytes) -> bytes:
    """A value of indefinite length."""
    return bytes((tag, 0x80)) + content + END


def nested(tag: int, content: bytes, levels: int) -> bytes:
    for _ in range(levels):
        content = opened(tag, content)
    return content


def constructed(children: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    lists = st.lists(children, max_size=5)
    return st.one_of(
        st.builds(lambda parts: tlv(SEQUENCE, b"".join(parts)), lists),
        st.builds(lambda parts: tlv(SET, b"".join(sorted(parts))), lists),
        st.builds(lambda tag, parts: tlv(0xA0 | tag, b"".join(parts)), st.integers(2, 9), lists),
    )


primitive = st.builds(tlv, st.sampled_from([0x01, 0x02, 0x03, OCTETS, 0x05, 0x06, 0x0C, 0x17, 0x80, 0x81]), st.binary())
values = st.recursive(primitive | st.builds(tlv, st.just(OCTETS), st.binary(max_size=400)), constructed, max_leaves=20)


@pytest.fixture(scope="module")
def signature(authority: CertificationAuthority, signer: Signer) -> bytes:
    """In DER, with three certificates."""
    return signer.cms(options=("-cades", "-certfile", str(authority.directory / "chain.pem")))


@given(der=values)
def test_der_stays_as_it_is(der: bytes) -> None:
    assert from_ber(der).der == der


@given(der=values, dice=st.randoms(use_true_random=False))
def test_whatever_form_of_ber_a_value_was_written_in_its_der_is_found(der: bytes, dice: Random) -> None:
    assert from_ber(in_ber(der, dice)).der == der


@given(dice=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_form_a_signature_was_written_in_its_der_is_found_and_it_counts(
    authority: CertificationAuthority, signature: bytes, dice: Random
) -> None:
    written = in_ber(signature, dice)

    assert from_ber(written).der == signature
    assert verify_detached(written, DATA, authority.trust, NOW).iin == PERSON.iin


async def test_a_time_stamp_inside_is_found_in_whatever_form_it_was_written(
    authority: CertificationAuthority, signer: Signer
) -> None:
    stamped = await signer.stamped(OurStamps(authority, NOW))

    assert all(from_ber(in_ber(stamped, Random(seed))).der == stamped for seed in range(20))  # noqa: S311 - reproducible


def test_certificates_stay_octet_by_octet_what_was_signed(signer: Signer, signature: bytes) -> None:
    """Even one that is not DER itself: the strict reader refuses it then, but nobody mends what an authority signed."""
    certificate = signer.certificate.public_bytes(Encoding.DER)
    critical, otherwise = b"\x01\x01\xff", b"\x01\x01\x01"
    strange = certificate.replace(critical, otherwise)
    assert strange != certificate

    changed = from_ber(signature.replace(certificate, strange)).der

    assert strange in changed
    with pytest.raises(NotBerError, match="length"):
        from_ber(signature.replace(certificate, opened(SEQUENCE, certificate[4:])))


@given(
    octets=st.binary() | st.lists(st.sampled_from([b"\x30\x80", b"\x24\x80", b"\x04\x01", END, b"\x31"])).map(b"".join)
)
@settings(max_examples=500)
def test_any_octets_are_der_in_the_end_or_refused(octets: bytes) -> None:
    try:
        der = from_ber(octets).der
    except NotBerError:
        return
    assert from_ber(der).der == der


NOT_BER: dict[str, bytes] = {
    "nothing": b"",
    "a tag alone": b"\x30",
    "no end": b"\x30\x80\x02\x01\x01",
    "half an end": b"\x30\x80\x00",
    "an end beyond the value around": b"\x30\x03\x30\x80\x00\x00",
    "an end without a beginning": END,
    "octets after the end": opened(SEQUENCE, b"") + END,
    "a number of indefinite length": b"\x02\x80\x01\x00\x00",
    "a length beyond the end": b"\x30\x03\x02\x01",
    "a length without its octets": b"\x30\x84\x00",
    "a length beyond the value around": b"\x30\x03\x04\x02\x00" + bytes(9),
    "a long tag": b"\x1f\x85\x01\x00",
    "an octet string of numbers": opened(OCTETS | CONSTRUCTED, b"\x02\x01\x01"),
    "too deep": nested(SEQUENCE, b"", MAX_DEPTH + 1),
    "octets too deep": nested(OCTETS | CONSTRUCTED, b"", MAX_DEPTH + 1),
    "too many": opened(SEQUENCE, b"\x05\x00" * MAX_VALUES),
}


@pytest.mark.parametrize("what", NOT_BER)
def test_what_is_no_value_is_refused(what: str) -> None:
    with pytest.raises(NotBerError):
        from_ber(NOT_BER[what])


def test_the_greatest_depth_and_number_are_taken() -> None:
    assert len(from_ber(nested(SEQUENCE, b"", MAX_DEPTH)).der) == 2 * MAX_DEPTH
    assert len(from_ber(opened(SEQUENCE, b"\x05\x00" * (MAX_VALUES - 1))).der) == 2 * (MAX_VALUES - 1) + 4


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "open and never closed": lambda size: b"\x30\x80" * (size // 2),
    "empty parts": lambda size: opened(OCTETS | CONSTRUCTED, b"\x04\x00" * (size // 2)),
    "parts": lambda size: opened(OCTETS | CONSTRUCTED, (tlv(OCTETS, bytes(320))) * (size // 324)),
    "one content, deep inside": lambda size: nested(OCTETS | CONSTRUCTED, tlv(OCTETS, bytes(size)), MAX_DEPTH - 1),
    "a set in the wrong order": lambda size: opened(SET, b"".join(
        tlv(OCTETS, (MAX_VALUES - n).to_bytes(4, "big") * (size // 4 // MAX_VALUES)) for n in range(MAX_VALUES - 1)
    )),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_ten_megabytes_of_whatever_take_little_time_and_memory(what: str) -> None:
    made = HOSTILE[what](10 * MB)
    began = time.process_time()
    taken_or_refused(made)
    took = time.process_time() - began
    tracemalloc.start()
    try:
        taken_or_refused(made)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert took < 1.0
    assert peak < 4 * len(made) + 6 * MB


def taken_or_refused(octets: bytes) -> None:
    with suppress(NotBerError):
        from_ber(octets)


@pytest.mark.parametrize("options", [("-stream",), ("-indef",), ("-stream", "-nodetach")])
def test_openssl_reads_the_der_we_make_of_its_ber_as_the_same_signature(
    authority: CertificationAuthority, signer: Signer, tmp_path: Path, options: tuple[str, ...]
) -> None:
    written = signer.cms(options=("-cades", *options))
    (tmp_path / "der").write_bytes(from_ber(written).der)
    (tmp_path / "data").write_bytes(DATA)

    subprocess.run(["openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", tmp_path / "der",
         *(() if "-nodetach" in options else ("-content", tmp_path / "data")), "-CAfile",
         authority.directory / "chain.pem", "-attime", str(int(NOW.timestamp())), "-purpose", "any",
         "-out", tmp_path / "out"], check=True, capture_output=True)  # fmt: skip
    assert written.startswith(b"\x30\x80")
    assert (tmp_path / "out").read_bytes() == DATA
