"""Whatever a client sends, it gets a clear answer, quickly, and never an error of ours."""

import asyncio
import json
import re
import resource
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]  # it ships no types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.pki.der import header
from tests.fuzz.der_tree import CHANGES, mutated
from tests.fuzz.targets import FuzzedService, Target, require, service_and_targets
from tests.unit.ca.hierarchies import CertificationAuthority
from tests.unit.ca.signing import DATA

NAMES = ("ocsp", "tsa", "csr", "certificate", "cms", "revocation", "ber")
"""Those that read DER."""
Made = tuple[asyncio.Runner, FuzzedService, dict[str, Target]]

changes = st.lists(
    st.tuples(st.sampled_from([*CHANGES, "truncate", "swap"]), st.integers(0, 1 << 16), st.integers(0, 1 << 16)),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def made(authority: CertificationAuthority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with asyncio.Runner() as runner:
        yield (runner, *service_and_targets(authority, tmp_path_factory.mktemp("fuzz"), runner))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), edits=changes)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_message_changed_in_its_structure_is_refused_or_says_the_very_same(
    made: Made, name: str, data: st.DataObject, edits: list[tuple[str, int, int]]
) -> None:
    runner, _, targets = made
    message = data.draw(st.sampled_from(targets[name].examples))
    for change, place, number in edits:
        message = mutated(message, change, place, number)

    runner.run(targets[name].send(message))


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_change_at_every_place_is_survived(made: Made, name: str) -> None:
    """Not a sample: each change once at every tenth value at least, of the first example."""
    runner, _, targets = made
    example = targets[name].examples[0]
    for number, change in enumerate([*CHANGES, "truncate", "swap"]):
        for place in range(number % 10, 90, 10):
            runner.run(targets[name].send(mutated(example, change, place, 777 + place)))


XML = st.text(alphabet=st.sampled_from("<>&;/=\"'!?[]-:# \nabdsxmlnsURIөғ\x00\u2028")) | st.text()


@given(place=st.integers(0, 1 << 16), cut=st.integers(0, 200), put=XML)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_xml_is_refused_or_says_the_very_same(made: Made, place: int, cut: int, put: str) -> None:
    runner, _, targets = made
    (example,) = targets["xml"].examples
    text = example.decode()
    at = place % len(text)

    runner.run(targets["xml"].send((text[:at] + put + text[at + cut :]).encode(errors="replace")))


@pytest.mark.parametrize("name", [*NAMES, "xml"])
def test_the_examples_themselves_are_taken_and_what_is_huge_is_refused_in_little_memory(made: Made, name: str) -> None:
    runner, _, targets = made
    for example in targets[name].examples:
        runner.run(targets[name].send(example))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for huge in (
        bytes(4 << 20),
        b"\x30\x84\x7f\xff\xff\xff" + bytes(4 << 20),
        b"\x30\x80" * (2 << 20),
        b"<a>" * (1 << 20),
    ):
        runner.run(targets[name].send(huge))

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # kilobytes


_TEN_MB = 9_500_000
NOTHING = b"\x05\x00"


def crowded(signature: bytes) -> dict[str, bytes]:
    """A signature that counts, with millions of the smallest values in each place that takes any number of them."""
    signed_data = cms.ContentInfo.load(signature)["content"]
    digests, inside, certificates = (
        signed_data[each].dump() for each in ("digest_algorithms", "encap_content_info", "certificates")
    )
    signer = signed_data["signer_infos"][0]
    parts = ("version", "sid", "digest_algorithm", "signed_attrs", "signature_algorithm", "signature")
    signed = b"".join(signer[each].dump() for each in parts)
    stamp = bytes.fromhex("060b2a864886f70d010910020e")
    attribute = wrapped(0x30, bytes.fromhex("06012a") + wrapped(0x31, NOTHING))

    def message(digests: bytes, certificates: bytes, unsigned: bytes = b"") -> bytes:
        signers = wrapped(0x31, wrapped(0x30, signed + unsigned))
        whole = signed_data["version"].dump() + digests + inside + certificates + signers
        return wrapped(0x30, bytes.fromhex("06092a864886f70d010702") + wrapped(0xA0, wrapped(0x30, whole)))

    return {
        "digests": message(wrapped(0x31, filled(NOTHING)), certificates),
        "certificates": message(digests, wrapped(0xA0, filled(NOTHING))),
        "unsigned attributes": message(digests, certificates, wrapped(0xA1, filled(attribute))),
        "time-stamps": message(
            digests, certificates, wrapped(0xA1, wrapped(0x30, stamp + wrapped(0x31, filled(NOTHING))))
        ),
    }


def wrapped(tag: int, content: bytes) -> bytes:
    return header(tag, len(content)) + content


def filled(value: bytes) -> bytes:
    return value * (_TEN_MB // len(value))


@pytest.mark.parametrize("place", ["digests", "certificates", "unsigned attributes", "time-stamps"])
def test_millions_of_values_in_a_signature_cost_neither_time_nor_memory(made: Made, place: str) -> None:
    """Each would become an object, before any limit of a certain place is looked at."""
    runner, service, targets = made
    body = {"cms": b64encode(crowded(targets["cms"].examples[0])[place]).decode(), "data": b64encode(DATA).decode()}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    answer = runner.run(service.exchange("POST", "/v1/verify/cms/verify", json.dumps(body).encode()))

    assert (answer.status, answer.json["valid"], answer.json["reason"]) == (200, False, "too_large")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 * 1024  # kilobytes


BODIES = {
    "nothing": b"",
    "no object": b"[]",
    "null": b"null",
    "nested arrays": b"[" * 100_000,
    "nested objects": b'{"a":' * 100_000,
    "nested inside": b'{"certs":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "no UTF-8": b'{"xml": "\xff\xfe"}',
    "half a character": b'{"xml": "<a>\\ud800</a>"}',
    "zero": b'{"xml": "<a>\\u0000</a>"}',
    "a huge number": b'{"xml": ' + b"9" * 10_000 + b"}",
    "infinity": b'{"xml": 1e999, "at": 1e999}',
    "a far time": b'{"certs": ["AAAA"], "at": "9999-12-31T23:59:59.999999-23:59"}',
    "an early time": b'{"cms": "AAAA", "data": "", "at": "0001-01-01T00:00:00+23:59"}',
    "a crowd of wrong members": b'{"xml": "", "certs": ['
    + b"5," * 60_000
    + b'5], "revocationCheck": ['
    + b'"NONE",' * 60_000
    + b'"NONE"]}',
    "many members": b"{" + b",".join(b'"a%d":1' % n for n in range(20_000)) + b"}",
    "the same member again": b'{"xml": "<a/>", "xml": 5}',
    "another type": b'{"certs": {"0": "AAAA"}, "cms": ["AAAA"], "xml": {}}',
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("what", ["x509/info", "cms/verify", "xml/verify"])
def test_json_that_is_no_form_is_refused(made: Made, what: str, body: str) -> None:
    runner, service, _ = made

    answer = runner.run(service.exchange("POST", f"/v1/verify/{what}", BODIES[body]))

    require(answer.status in {200, 400, 413, 422}, answer)
    if answer.status == 200:
        assert answer.json["valid"] is False
    else:
        assert answer.json["type"].startswith("urn:onboarding:problem:")


def test_a_short_run_of_the_fuzzer_finds_nothing() -> None:
    """`make fuzz` runs longer. Here it is shown to work, over all parsers in turn."""
    command = [sys.executable, "-m", "tests.fuzz.harness", "all", "-runs=300", "-seed=7", "-print_final_stats=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)

    ran = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert ran is not None
    assert int(ran[1]) >= 300


def test_the_fuzzers_judge_finds_an_answer_that_must_not_be(made: Made) -> None:
    runner, service, _ = made
    answer = runner.run(service.exchange("GET", "/nowhere", b""))

    with pytest.raises(AssertionError, match="404"):
        require(answer.status == 200, answer)
    assert json.loads(answer.body)["key"] == "route.unknown"
