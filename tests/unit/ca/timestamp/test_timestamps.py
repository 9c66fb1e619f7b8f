"""Time-stamps, as OpenSSL judges them, and every reason to refuse one."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.core.health import Health
from libs.common.pki.der import AlgorithmIdentifier, Extension, tlv
from libs.common.web.http import create_app
from services.ca.authority.hierarchy import TSA
from services.ca.keys.store import require_ec
from services.ca.timestamp.api import TimeStamping, tsa_routes
from services.ca.timestamp.clock import QUARANTINE, WatchedClock
from services.ca.timestamp.stamping import MAX_OCTETS, TimeStampAuthority, TimeStampFailure
from services.ca.timestamp.structures import MessageImprint, TimeStampRequest
from tests.fuzz.ber_forms import opened
from tests.unit.ca.hierarchies import NOW, CertificationAuthority, establish, keystore
from tests.unit.ca.judges import AT
from tests.unit.ca.ocsp_harness import openssl
from tests.unit.ca.office import METRICS

POLICY = ObjectIdentifier("1.2.398.3.3.2.6.2")
TOLERANCE = timedelta(milliseconds=500)
SHA256 = AlgorithmIdentifier(algorithm=ObjectIdentifier("2.16.840.1.101.3.4.2.1"), parameters=None)
SHA1 = AlgorithmIdentifier(algorithm=ObjectIdentifier("1.3.14.3.2.26"), parameters=asn1.Null())
REFUSED = bytes((0x02, 1, 2))
"""The status: an INTEGER, 2."""


class Clocks:
    """A wall clock that can be set, and a steady one."""

    def __init__(self) -> None:
        self.wall, self.steady = NOW, 1000.0

    def pass_by(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.steady += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def watched(clocks: Clocks) -> WatchedClock:
    return WatchedClock(lambda: clocks.wall, lambda: clocks.steady, TOLERANCE)


@pytest.fixture
def stamping(authority: CertificationAuthority, watched: WatchedClock) -> TimeStamping:
    return TimeStamping(authority_of(authority), watched, octets())


def authority_of(authority: CertificationAuthority) -> TimeStampAuthority:
    key = require_ec(keystore(authority.directory).load(TSA), TSA)
    return TimeStampAuthority(authority.hierarchy.tsa, key, POLICY, TOLERANCE)


def octets() -> "Counting":
    return Counting()


class Counting:
    """Entropy that never repeats, and is the same in every run."""

    def __init__(self) -> None:
        self._next: Iterator[int] = iter(range(1, 10_000))

    def __call__(self, length: int) -> bytes:
        return next(self._next).to_bytes(length, "big")


def request(
    *,
    version: int = 1,
    algorithm: AlgorithmIdentifier = SHA256,
    digest: bytes = bytes(32),
    policy: ObjectIdentifier | None = None,
    nonce: int | None = 5,
    extensions: list[Extension] | None = None,
) -> bytes:
    return asn1.encode_der(
        TimeStampRequest(
            version=version,
            imprint=MessageImprint(algorithm=tlv(asn1.encode_der(algorithm)), digest=digest),
            policy=policy,
            nonce=nonce,
            certificate_wanted=True,
            extensions=extensions,
        )
    )


@asn1.sequence
class Status:
    """PKIStatusInfo of a refusal, as RFC 3161, 2.4.2, has it."""

    status: int
    text: list[str]
    failure: asn1.BitString


@asn1.sequence
class Refusal:
    status: Status


def failure_of(response: bytes) -> TimeStampFailure:
    """Read the one bit that is set, which has to be the last."""
    sent = asn1.decode_der(Refusal, response).status
    octets, unused = sent.failure.as_bytes(), sent.failure.padding_bits()
    assert sent.status == 2
    assert int.from_bytes(octets, "big") == 1 << unused
    return TimeStampFailure(8 * len(octets) - unused - 1)


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("certificate", [["-cert"], []], ids=["certificate", "bare"])
def test_openssl_believes_the_stamp_of_this_document_and_of_no_other(
    authority: CertificationAuthority, stamping: TimeStamping, tmp_path: Path, digest: str, certificate: list[str]
) -> None:
    document, query, reply = tmp_path / "document", tmp_path / "query", tmp_path / "reply"
    document.write_text("Өтініш")
    openssl("ts", "-query", "-data", document, f"-{digest}", *certificate, "-out", query)

    reply.write_bytes(stamping.answer(query.read_bytes()))

    home = authority.directory
    chain = ("-CAfile", home / "root.pem", "-untrusted", tmp_path / "chain.pem", "-attime", AT)
    (tmp_path / "chain.pem").write_bytes((home / "issuing.pem").read_bytes() + (home / "tsa.pem").read_bytes())
    assert "Verification: OK" in openssl("ts", "-verify", "-queryfile", query, "-in", reply, *chain)
    assert "Verification: OK" in openssl("ts", "-verify", "-data", document, "-in", reply, *chain)
    document.write_text("Басқа")
    assert "Verification: FAILED" in openssl("ts", "-verify", "-data", document, "-in", reply, *chain)


def test_the_stamp_states_time_accuracy_policy_and_nonce(stamping: TimeStamping, tmp_path: Path) -> None:
    (tmp_path / "reply").write_bytes(stamping.answer(request(nonce=0xABCDEF)))

    said = openssl("ts", "-reply", "-in", tmp_path / "reply", "-text")

    assert "Status: Granted" in said
    assert "Time stamp: Mar  2 09:00:00 2026 GMT" in said
    assert "Accuracy: 0x01 seconds, 0x01F4 millis" in said
    assert "Policy OID: 1.2.398.3.3.2.6.2" in said
    assert "Ordering: no" in said
    assert "Nonce: 0xABCDEF" in said


def test_a_look_alikes_stamp_is_not_believed(
    authority: CertificationAuthority, watched: WatchedClock, tmp_path: Path
) -> None:
    stranger = establish(tmp_path / "stranger")
    forged = TimeStamping(authority_of(stranger), watched, octets()).answer(request())
    (tmp_path / "reply").write_bytes(forged)

    home = authority.directory
    said = openssl("ts", "-verify", "-digest", "00" * 32, "-in", tmp_path / "reply", "-CAfile", home / "root.pem",
        "-untrusted", home / "issuing.pem", "-attime", AT)  # fmt: skip

    assert "Verification: FAILED" in said


def test_no_two_stamps_have_the_same_number(stamping: TimeStamping, tmp_path: Path) -> None:
    seen = set()
    for turn in range(3):
        (tmp_path / "reply").write_bytes(stamping.answer(request()))
        said = openssl("ts", "-reply", "-in", tmp_path / "reply", "-text")
        seen.add(next(line for line in said.splitlines() if line.startswith("Serial number")))
        assert len(seen) == turn + 1


@pytest.mark.parametrize(
    ("asked", "failure"),
    [
        (request(algorithm=SHA1, digest=bytes(20)), TimeStampFailure.BAD_ALGORITHM),
        (request(digest=bytes(31)), TimeStampFailure.BAD_ALGORITHM),
        (request(version=2), TimeStampFailure.BAD_REQUEST),
        (request(nonce=1 << 600), TimeStampFailure.BAD_REQUEST),
        (request(policy=ObjectIdentifier("1.2.3")), TimeStampFailure.UNACCEPTED_POLICY),
        (
            request(extensions=[Extension(oid=ObjectIdentifier("1.2.3"), critical=False, value=b"\x05\x00")]),
            TimeStampFailure.UNACCEPTED_EXTENSION,
        ),
        (b"", TimeStampFailure.BAD_DATA_FORMAT),
        (request() + b"\x00", TimeStampFailure.BAD_DATA_FORMAT),
        (b"\x30" * 4000, TimeStampFailure.BAD_DATA_FORMAT),
        (opened(request()), TimeStampFailure.BAD_DATA_FORMAT),
        (bytes(MAX_OCTETS + 1), TimeStampFailure.BAD_DATA_FORMAT),
    ],
    ids=lambda value: value.name if isinstance(value, TimeStampFailure) else "",
)
def test_what_cannot_be_stamped_is_refused_with_its_reason(
    stamping: TimeStamping, asked: bytes, failure: TimeStampFailure
) -> None:
    assert failure_of(stamping.answer(asked)) is failure


def test_the_policy_may_be_asked_for_by_name(stamping: TimeStamping) -> None:
    assert REFUSED not in stamping.answer(request(policy=POLICY))[:16]


@pytest.mark.parametrize("jump", [-3600.0, -1.0, 1.0, 3600.0])
def test_a_clock_that_jumped_is_doubted_until_it_ran_evenly_for_a_while(
    stamping: TimeStamping, clocks: Clocks, jump: float
) -> None:
    clocks.pass_by(7200)  # so that the authority's certificate is valid before the jump and after it
    assert REFUSED not in stamping.answer(request())[:16]

    clocks.wall += timedelta(seconds=jump)
    assert failure_of(stamping.answer(request())) is TimeStampFailure.TIME_NOT_AVAILABLE
    clocks.pass_by(QUARANTINE.total_seconds() - 1)
    assert failure_of(stamping.answer(request())) is TimeStampFailure.TIME_NOT_AVAILABLE
    clocks.pass_by(1)
    assert REFUSED not in stamping.answer(request())[:16]


@pytest.mark.parametrize("reads", range(8))
def test_a_process_held_up_while_it_looks_at_both_clocks_doubts_neither(clocks: Clocks, reads: int) -> None:
    pauses = iter([0.0] * reads + [3.0])

    def steady() -> float:
        clocks.pass_by(next(pauses, 0.0))
        return clocks.steady

    watched = WatchedClock(lambda: clocks.wall, steady, TOLERANCE)
    assert [watched.now() for _ in range(3)][-1] == clocks.wall


def test_a_second_jump_begins_the_doubt_anew(watched: WatchedClock, clocks: Clocks) -> None:
    for _ in range(2):
        clocks.wall += timedelta(seconds=10)
        assert watched.now() is None
        clocks.pass_by(QUARANTINE.total_seconds() - 1)
        assert watched.now() is None


def test_after_the_authoritys_certificate_ended_nothing_is_stamped(
    authority: CertificationAuthority, stamping: TimeStamping, clocks: Clocks
) -> None:
    clocks.pass_by((authority.hierarchy.tsa.not_valid_after_utc - NOW).total_seconds() + 1)

    assert failure_of(stamping.answer(request())) is TimeStampFailure.TIME_NOT_AVAILABLE


async def test_over_http_every_answer_is_a_reply_with_status_200(stamping: TimeStamping) -> None:
    app = create_app("ca", metrics=METRICS, health=Health(), routers=[tsa_routes(stamping)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ca") as http:
        for body in (request(), b"", b"{}", b"A" * 3_000_000):
            answer = await http.post("/pki/tsa", content=body, headers={"content-type": "application/timestamp-query"})
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/timestamp-reply"
            assert (REFUSED in answer.content[:16]) is (body != request())


@given(changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4), end=st.binary(max_size=8))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_octets_are_answered(stamping: TimeStamping, changes: list[tuple[int, int]], end: bytes) -> None:
    whole = bytearray(request(policy=POLICY))
    for position, value in changes:
        whole[position % len(whole)] = value

    response = stamping.answer(bytes(whole) + end)

    if REFUSED in response[:16]:
        assert failure_of(response) in TimeStampFailure
    else:
        imprint = asn1.decode_der(TimeStampRequest, bytes(whole) + end).imprint
        assert imprint.digest in response
