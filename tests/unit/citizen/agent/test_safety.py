"""What protects the person at the local signing program: from strangers, nonsense, and documents that deceive."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus

from libs.citizen.agent.agent import Agent
from libs.citizen.agent.certificate import CERTIFICATE
from libs.citizen.agent.keystores import KeyStoreFile
from libs.citizen.agent.previews import is_plain_text, previews
from libs.citizen.agent.requests import ShowKey, SignDocuments
from libs.citizen.agent.server import HOST
from libs.citizen.keys.keystore import write_entry
from libs.citizen.signing.xml import DocumentRefused, sign_xml
from libs.common.core.values import utc_now
from tests.unit.citizen.agent.harness import BASICS, COMMON, DOCUMENT, PAGE, XML, AgentHarness, ScriptedConsent, b64
from tests.unit.citizen.factories import PASSWORD, Authority, make_authority


@pytest.mark.parametrize("origin", ["https://evil.example", None, "null", f"{PAGE}.evil.example", f"{PAGE}:444"])
async def test_a_page_that_is_not_on_the_list_is_refused_before_it_can_speak(
    origin: str | None, harness: AgentHarness
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with harness.page(origin):
            pass
    assert refused.value.response.status_code == 403
    assert b"not on the list" in (refused.value.response.body or b"")
    assert b"--allow" in (refused.value.response.body or b"")
    assert harness.person.asked == []


OURS = f"Origin: {PAGE}"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (101, ["Host: 127.0.0.1:13579", OURS]),
        (101, ["Host: localhost:13579", OURS]),
        (403, ["Host: evil.example:13579", OURS]),
        (403, ["Host: 127.0.0.1.evil.example:13579", OURS]),
        (403, ["Host: [::1]:13579", OURS]),
        (403, [OURS]),
        (403, ["Host: evil.example:13579", "Host: 127.0.0.1:13579", OURS]),
        (403, ["Host: 127.0.0.1:13579", OURS, "Origin: https://evil.example"]),
    ],
)
async def test_a_name_that_leads_to_this_machine_by_a_trick_is_refused(
    status: int, headers: list[str], harness: AgentHarness
) -> None:
    """DNS rebinding: the browser believes to speak with the page's own server, and names it."""
    upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    reader, writer = await asyncio.open_connection(HOST, harness.port, ssl=harness.tls)
    writer.write("\r\n".join(["GET / HTTP/1.1", *headers, *upgrade, key, "", ""]).encode())

    assert (await reader.readline()).split()[1] == str(status).encode()
    writer.close()
    await writer.wait_closed()
    assert harness.person.asked == []


async def test_it_listens_on_this_machine_alone_by_a_certificate_that_vouches_for_no_other(
    harness: AgentHarness, tls_folder: Path
) -> None:
    certificate = x509.load_pem_x509_certificate((tls_folder / CERTIFICATE).read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(each.value) for each in names} == {"127.0.0.1", "localhost"}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (tls_folder / "agent.key").stat().st_mode & 0o077 == 0
    assert harness.addresses == {HOST}


VERSION_8 = b64(
    make_authority().root.public_bytes(serialization.Encoding.DER).replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\7", 1)
)


MALFORMED: list[object] = [
    {"module": COMMON, "method": "getKeyInfo", "args": [None]},
    {"module": COMMON, "method": "createCAdESFromBase64", "args": ["PKCS12", 123, "MTEK", False]},
    {"module": COMMON, "method": "createCAdESFromBase64", "args": ["PKCS12", "SIGNATURE", "no base64!", False]},
    {"module": COMMON, "method": "signXml", "args": ["PKCS12", "SIGNATURE", "<not closed", "", ""]},
    {"module": COMMON, "method": "signXml", "args": ["PKCS12", "SIGNATURE", XML, "/part", ""]},
    {"module": COMMON, "method": "signXml", "args": ["AKKaztokenStore", "SIGNATURE", XML, "", ""]},
    {"module": COMMON, "method": "generateKeys", "args": []},
    {"module": COMMON, "method": {"$gt": ""}, "args": 5},
    {"module": BASICS, "method": "sign", "args": {"format": "cms", "data": "MTEK", "signingParams": 555}},
    {"module": BASICS, "method": "sign", "args": {"format": "exe", "data": "MTEK"}},
    {"module": BASICS, "method": "sign", "args": {"format": "cms", "data": []}},
    {"module": BASICS, "method": "sign", "args": {"format": "cms", "data": "a", "signerParams": {"chain": ["x"]}}},
    {"module": BASICS, "method": "sign"},
    {"module": COMMON, "method": "signXml", "args": ["PKCS12", "SIGNATURE", "<a>\ud800</a>", "", ""]},
    {"module": COMMON, "method": "signXml", "args": ["PKCS12", "SIGNATURE", '<a xmlns:p="relative"/>', "", ""]},
    {"module": COMMON, "method": "signXmls", "args": ["PKCS12", "SIGNATURE", [], "", ""]},
    {"module": COMMON, "method": "signXmls", "args": ["PKCS12", "SIGNATURE", [XML] * 101, "", ""]},
    {"module": BASICS, "method": "sign", "args": {"format": "cms", "data": "\ud800"}},
    {"module": BASICS, "method": "sign", "args": {"format": "raw", "data": "\ud800"}},
    {
        "module": BASICS,
        "method": "sign",
        "args": {"format": "cms", "data": "a", "signerParams": {"chain": [VERSION_8]}},
    },
    "not JSON",
    "[" * 100_000,
    "5",
]


async def test_a_key_store_that_was_moved_or_replaced_meanwhile_signs_nothing(
    harness: AgentHarness, authority: Authority, tmp_path: Path
) -> None:
    path = write_entry(tmp_path, authority.entry(), PASSWORD, rounds=1000)
    harness.agent.stores = [KeyStoreFile.read(path, PASSWORD)]
    write_entry(tmp_path, authority.entry(), PASSWORD, name=path.name, rounds=1000)

    assert (await harness.basics("cms", "a"))["code"] == "keystore.replaced"
    path.unlink()
    assert (await harness.basics("cms", "a"))["code"] == "keystore.replaced"


@pytest.mark.parametrize("message", MALFORMED, ids=range(len(MALFORMED)))
async def test_what_makes_no_sense_is_refused_and_the_agent_goes_on(message: object, harness: AgentHarness) -> None:
    answer = await harness.ask(message)
    assert answer.get("code") != "200"
    assert answer.get("status") is not True
    assert harness.person.asked == []
    assert (await harness.common("getActiveTokens"))["code"] == "200"


async def test_a_message_beyond_all_measure_ends_its_connection_alone(harness: AgentHarness) -> None:
    async with harness.page() as socket:
        await socket.send("x" * (64 * 2**20 + 1))
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert (await harness.common("getActiveTokens"))["code"] == "200"


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        '<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><a>&y;</a>',
        "<a>user@example.kz<!-- -->.evil.example</a>",
        '<?xml-stylesheet href="x"?><a/>',
        "<a>",
        "",
        "<a>" * 10_000,
        '<a xmlns:p="relative"/>',
    ],
)
def test_xml_that_programs_read_differently_is_not_signed(document: str, authority: Authority) -> None:
    with pytest.raises(DocumentRefused) as refused:
        sign_xml(document, authority.entry())
    assert refused.value.key in {"xml.malformed", "xml.ambiguous"}


TEXTS = st.text(max_size=30) | st.sampled_from(
    ["PKCS12", "SIGNATURE", "cms", "xml", "raw", XML, b64(DOCUMENT), "\ud800", "<a", "<a xmlns:p='p'/>", VERSION_8]
)


VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


METHODS = st.sampled_from(
    ["getActiveTokens", "changeLocale", "getKeyInfo", "createCAdESFromBase64", "createCAdESFromBase64Hash", "signXmls"]
) | st.just("signXml")


OLDER = st.fixed_dictionaries(
    {"module": st.just(COMMON), "method": METHODS | VALUES, "args": st.lists(VALUES, max_size=6) | VALUES}
)


PARAMS = ("decode", "encapsulate", "digested", "tsaProfile", "extKeyUsageOids", "iin", "bin", "serialNumber", "chain")


PART = VALUES | st.dictionaries(st.sampled_from(PARAMS), VALUES, max_size=4)


NEWER = st.fixed_dictionaries(
    {
        "module": st.just(BASICS),
        "method": st.just("sign"),
        "args": VALUES
        | st.fixed_dictionaries(
            {"format": st.sampled_from(["cms", "xml", "raw"]) | VALUES, "data": TEXTS | st.lists(TEXTS) | VALUES},
            optional={"allowedStorages": VALUES, "signingParams": PART, "signerParams": PART},
        ),
    }
)


@given(message=OLDER | NEWER | VALUES, allowed=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_whatever_a_page_sends_it_gets_an_answer_and_nothing_is_signed_unasked(
    stores: list[KeyStoreFile], message: object, allowed: bool
) -> None:
    person = ScriptedConsent(agrees=False)
    agent = Agent(stores, person, utc_now, allow_digests=allowed)

    answer = json.loads(asyncio.run(agent.answer(PAGE, json.dumps(message))))

    assert {"code", "status", "success"} & answer.keys()
    assert answer.get("responseObject") in (None, [])
    assert answer.get("body", {}) == {}


@given(st.text())
def test_nothing_in_a_preview_can_move_the_cursor_or_turn_the_writing(text: str) -> None:
    [preview] = previews(SignDocuments("cms", (text.encode("utf-8", "replace"),), wanted=ShowKey().wanted))
    assert all(mark.isprintable() or mark == "\t" for line in preview.lines for mark in line)
    assert re.search(r"SHA-256 [0-9a-f]{64}$", preview.title)


def test_a_document_that_is_not_shown_whole_says_so() -> None:
    wanted = ShowKey().wanted
    long, pdf, short = previews(SignDocuments("cms", (b"line\n" * 100, b"%PDF-1.7\xff", b"all of it"), wanted))
    assert (long.whole, len(long.lines)) == (False, 20)
    assert (pdf.whole, pdf.lines) == (False, ())
    assert pdf.title.startswith("PDF, 9 bytes")
    assert (short.whole, short.lines) == (True, ("all of it",))
    assert not is_plain_text("right\u202eto left".encode())
    assert is_plain_text(b"two\r\nlines")
