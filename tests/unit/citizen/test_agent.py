"""The local signing program, asked over its socket as pages ask NCALayer, and judged by OpenSSL and xmlsec1."""

import asyncio
import base64
import json
import re
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from asn1crypto import cms  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from libs.citizen.agent.agent import Agent
from libs.citizen.agent.asks import ShowKey, Sign
from libs.citizen.agent.certificate import CERTIFICATE, context
from libs.citizen.agent.errors import Cancelled
from libs.citizen.agent.previews import is_plain_text, previews
from libs.citizen.agent.server import HOST, listening
from libs.citizen.agent.stamper import HttpStamper
from libs.citizen.agent.stores import Store
from libs.citizen.folder import pem, save_holding
from libs.citizen.keys import KeyKind
from libs.citizen.keystore import Holding
from libs.citizen.xml_signing import DocumentRefused, sign_xml
from libs.common.cms import verify_detached
from libs.common.trust import TrustAnchors
from libs.common.values import utc_now
from tests.unit.citizen.authority import IIN, PASSWORD, Authority, make_authority
from tests.unit.citizen.conftest import Judge

PAGE = "https://portal.example"
COMMON, BASICS = "kz.gov.pki.knca.commonUtils", "kz.gov.pki.knca.basics"
DOCUMENT = "Өтініш: келісемін. Заявление: согласна.".encode()
XML = '<?xml version="1.0" encoding="UTF-8"?><application xmlns="urn:a"><name>ТЕСТОВА</name><n a="1"/></application>'


@dataclass
class Scripted:
    """A person who agrees to everything, or to nothing, and remembers what was asked."""

    agrees: bool = True
    asked: list[tuple[str, Sign | ShowKey]] = field(default_factory=list)
    picked: int = 0

    async def choose(self, page: str, ask: Sign | ShowKey, stores: Sequence[Store]) -> Store:
        self.asked.append((page, ask))
        if not self.agrees:
            raise Cancelled
        return stores[self.picked]

    async def unlock(self, store: Store) -> Holding:
        return store.open(PASSWORD)


@dataclass
class Desk:
    """An agent that listens, and the person at it."""

    agent: Agent
    person: Scripted
    port: int
    tls: ssl.SSLContext
    addresses: set[str]

    @asynccontextmanager
    async def page(self, origin: str | None = PAGE) -> AsyncIterator[ClientConnection]:
        uri = f"wss://{HOST}:{self.port}"
        async with connect(uri, ssl=self.tls, origin=origin, proxy=None) as socket:  # type: ignore[arg-type]
            assert json.loads(await socket.recv()) == {"result": {"version": "1.4"}}
            yield socket

    async def ask(self, message: object) -> dict[str, Any]:
        async with self.page() as socket:
            await socket.send(message if isinstance(message, str) else json.dumps(message))
            answer: dict[str, Any] = json.loads(await socket.recv())
            return answer

    async def common(self, method: str, *args: object) -> dict[str, Any]:
        return await self.ask({"module": COMMON, "method": method, "args": list(args)})

    async def basics(self, form: str, data: object, signer: object = None, **params: object) -> dict[str, Any]:
        args = {"allowedStorages": ["PKCS12"], "format": form, "data": data, "locale": "kk"}
        given = {**args, "signingParams": params, "signerParams": signer or {"extKeyUsageOids": []}}
        return await self.ask({"module": BASICS, "method": "sign", "args": given})


@pytest.fixture(scope="session")
def tls_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agent")


@pytest.fixture(scope="session")
def stores(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> list[Store]:
    folder = tmp_path_factory.mktemp("stores")
    holdings = [authority.hold(), authority.hold("AUTH"), authority.hold(kind=KeyKind.RSA_2048)]
    return [Store.read(save_holding(folder, each, PASSWORD, rounds=1000), PASSWORD) for each in holdings]


@pytest.fixture
async def desk(stores: list[Store], tls_folder: Path, authority: Authority) -> AsyncIterator[Desk]:
    person = Scripted()
    agent = Agent(stores, person, utc_now, HttpStamper("https://tsa.example", stamps(authority, tls_folder)))
    async with listening(agent, context(tls_folder, utc_now()), {PAGE}, port=0) as server:
        tls = ssl.create_default_context(cafile=tls_folder / CERTIFICATE)
        bound = [socket.getsockname() for socket in server.sockets]
        yield Desk(agent, person, bound[0][1], tls, {address for address, *_ in bound})


def stamps(authority: Authority, folder: Path) -> httpx.MockTransport:
    """OpenSSL as time-stamp authority behind HTTP."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test time")]))
        .issuer_name(authority.issuing.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(authority.key, hashes.SHA256())
    )
    pkcs8 = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "tsa.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *pkcs8))
    (folder / "tsa.crt").write_bytes(pem(certificate))
    (folder / "tsa.cnf").write_text(
        f"[tsa]\ndefault_tsa = t\n[t]\nserial = {folder}/serial\ncrypto_device = builtin\nsigner_digest = sha256\n"
        "default_policy = 1.2.3.4\ndigests = sha256\n"
    )

    def answer(request: httpx.Request) -> httpx.Response:
        (folder / "query").write_bytes(request.content)
        signer = ("-inkey", f"{folder}/tsa.key", "-signer", f"{folder}/tsa.crt")
        query = ("-config", f"{folder}/tsa.cnf", "-queryfile", f"{folder}/query")
        done = subprocess.run(["openssl", "ts", "-reply", *query, *signer], capture_output=True, check=True, timeout=30)
        return httpx.Response(200, content=done.stdout)

    return httpx.MockTransport(answer)


def believed(signature: bytes, authority: Authority) -> str:
    trust = TrustAnchors([authority.root], [authority.issuing])
    return verify_detached(signature, DOCUMENT, trust, utc_now()).iin


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_a_heartbeat_is_echoed(desk: Desk) -> None:
    async with desk.page() as socket:
        await socket.send("--heartbeat--")
        assert await socket.recv() == "--heartbeat--"


async def test_an_unknown_module_is_told_so_and_the_uuid_comes_back_with_answers(desk: Desk) -> None:
    assert await desk.ask({"module": "kz.example"}) == {"success": False, "errorCode": "MODULE_NOT_FOUND"}
    asked = {"module": COMMON, "method": "getActiveTokens", "uuid": "0b7e-4711"}
    assert await desk.ask(asked) == {"code": "200", "responseObject": [], "uuid": "0b7e-4711"}


async def test_key_info_tells_what_ncalayer_tells_once_the_person_agreed(desk: Desk, stores: list[Store]) -> None:
    answer = await desk.common("getKeyInfo", "PKCS12")
    info = answer["responseObject"]
    assert answer["code"] == "200"
    assert set(info) == {
        *("alias", "keyId", "algorithm", "subjectCn", "subjectDn", "issuerCn", "issuerDn", "serialNumber"),
        *("certNotAfter", "certNotBefore", "authorityKeyIdentifier", "pem"),
    }
    assert x509.load_pem_x509_certificate(info["pem"].encode()) == stores[0].certificate
    assert desk.person.asked == [(PAGE, ShowKey())]


async def test_a_detached_cades_signature_is_believed(desk: Desk, authority: Authority) -> None:
    answer = await desk.common("createCAdESFromBase64", "PKCS12", "SIGNATURE", b64(DOCUMENT), False)
    assert believed(base64.b64decode(answer["responseObject"]), authority) == IIN
    [(page, ask)] = desk.person.asked
    assert isinstance(ask, Sign)
    assert (page, ask.documents) == (PAGE, (DOCUMENT,))


async def test_openssl_finds_the_document_in_an_attached_signature_with_a_time_stamp(
    desk: Desk, authority: Authority, judge: Judge, tmp_path: Path
) -> None:
    answer = await desk.basics("cms", b64(DOCUMENT), decode=True, encapsulate=True, tsaProfile={})
    armoured = answer["body"]["result"]
    assert answer["status"] is True
    assert armoured.startswith("-----BEGIN CMS-----\n")
    der = base64.b64decode("".join(armoured.splitlines()[1:-1]))
    [signer] = cms.ContentInfo.load(der)["content"]["signer_infos"]
    assert [each["type"].native for each in signer["unsigned_attrs"]] == ["signature_time_stamp_token"]
    (tmp_path / "s").write_bytes(der)
    (tmp_path / "root").write_bytes(pem(authority.root))
    files = ("-in", f"{tmp_path}/s", "-CAfile", f"{tmp_path}/root", "-out", f"{tmp_path}/document")
    judge("openssl", "cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", *files)
    assert (tmp_path / "document").read_bytes() == DOCUMENT


async def test_many_documents_take_one_consent_and_come_back_in_order(desk: Desk, authority: Authority) -> None:
    answer = await desk.basics("cms", [b64(DOCUMENT)] * 3, decode=True)
    results = [base64.b64decode("".join(each.splitlines()[1:-1])) for each in answer["body"]["result"]]
    assert [believed(each, authority) for each in results] == [IIN] * 3
    assert len(desk.person.asked) == 1


@pytest.mark.parametrize("picked", [0, 1])
async def test_xmlsec_accepts_signed_xml(
    picked: int, desk: Desk, authority: Authority, judge: Judge, tmp_path: Path
) -> None:
    desk.person.picked = picked  # an elliptic curve, and RSA: both are for signing
    signed = (await desk.common("signXml", "PKCS12", "SIGNATURE", XML, "", ""))["responseObject"]
    assert signed.startswith('<?xml version="1.0" encoding="UTF-8" standalone="no"?>')
    (tmp_path / "signed.xml").write_text(signed)
    (tmp_path / "root.pem").write_bytes(pem(authority.root))
    (tmp_path / "issuing.pem").write_bytes(pem(authority.issuing))
    trusted = ("--trusted-pem", f"{tmp_path}/root.pem", "--untrusted-pem", f"{tmp_path}/issuing.pem")
    judge("xmlsec1", "--verify", "--enabled-key-data", "x509", *trusted, f"{tmp_path}/signed.xml")
    (tmp_path / "signed.xml").write_text(signed.replace("ТЕСТОВА", "ТЕСТОВ"))
    judge("xmlsec1", "--verify", "--enabled-key-data", "x509", *trusted, f"{tmp_path}/signed.xml", accept=False)


async def test_the_newer_dialect_gives_signed_xml_as_a_list(desk: Desk) -> None:
    answer = await desk.basics("xml", XML)
    assert len(answer["body"]["result"]) == 1


async def test_readable_text_is_signed_raw_and_structures_are_not(desk: Desk, stores: list[Store]) -> None:
    answer = await desk.basics("raw", "nonce 4711", {"extKeyUsageOids": ["1.3.6.1.5.5.7.3.2"]})
    key = stores[1].certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(base64.b64decode(answer["body"]["result"]), b"nonce 4711", ec.ECDSA(hashes.SHA256()))
    refused = await desk.basics("raw", b64(b"\x31\x03\x02\x01\x05"), decode=True)
    assert (refused["status"], refused["code"]) == (False, "ask.opaque")


async def test_a_hash_is_signed_only_where_the_person_allowed_it_beforehand(desk: Desk, authority: Authority) -> None:
    ask = ("createCAdESFromBase64Hash", "PKCS12", "SIGNATURE", b64(sha256(DOCUMENT).digest()))
    assert (await desk.common(*ask))["message"].startswith("ask.opaque")
    assert desk.person.asked == []
    desk.agent.allow_digests = True
    assert believed(base64.b64decode((await desk.common(*ask))["responseObject"]), authority) == IIN


async def test_who_says_no_signs_nothing_and_both_dialects_say_so_as_ncalayer_does(desk: Desk) -> None:
    desk.person.agrees = False
    refused = await desk.common("signXml", "PKCS12", "SIGNATURE", XML, "", "")
    assert refused == {"code": "500", "message": "action.canceled"}
    assert await desk.basics("cms", b64(DOCUMENT), decode=True) == {"status": True, "body": {}}


@pytest.mark.parametrize(
    ("signer", "fits"),
    [
        ({"extKeyUsageOids": ["1.3.6.1.5.5.7.3.4", "1.2.398.3.3.4.1.1"]}, True),
        ({"extKeyUsageOids": ["1.3.6.1.5.5.7.3.4"], "iin": IIN}, True),
        ({"iin": "061211600012"}, False),
        ({"bin": "123456789012"}, False),
        ({"extKeyUsageOids": ["1.2.398.3.3.4.1.2"]}, False),
        ({"serialNumber": "ff"}, False),
    ],
)
async def test_only_a_key_that_the_page_wants_is_offered(signer: dict[str, object], fits: bool, desk: Desk) -> None:
    answer = await desk.basics("cms", b64(DOCUMENT), signer, decode=True)
    assert answer["status"] is fits
    assert fits or answer["code"] == "key.none_fits"
    assert len(desk.person.asked) == fits


async def test_a_page_may_insist_on_authorities(desk: Desk, authority: Authority) -> None:
    ours, strange = (pem(each.root).decode() for each in (authority, make_authority()))
    assert (await desk.basics("cms", b64(DOCUMENT), {"chain": [strange]}, decode=True))["code"] == "key.none_fits"
    assert (await desk.basics("cms", b64(DOCUMENT), {"chain": [strange, ours]}, decode=True))["status"] is True


async def test_without_a_time_stamp_nothing_is_signed_where_one_is_wanted(desk: Desk) -> None:
    desk.agent.stamper = HttpStamper("https://tsa.example", httpx.MockTransport(lambda _: httpx.Response(503)))
    answer = await desk.basics("cms", b64(DOCUMENT), decode=True, tsaProfile={})
    assert (answer["status"], answer["code"]) == (False, "stamp.unavailable")


@pytest.mark.parametrize("origin", ["https://evil.example", None, "null", f"{PAGE}.evil.example", f"{PAGE}:444"])
async def test_a_page_that_is_not_on_the_list_is_refused_before_it_can_speak(origin: str | None, desk: Desk) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with desk.page(origin):
            pass
    assert refused.value.response.status_code == 403
    assert b"not on the list" in (refused.value.response.body or b"")
    assert b"--allow" in (refused.value.response.body or b"")
    assert desk.person.asked == []


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
    status: int, headers: list[str], desk: Desk
) -> None:
    """DNS rebinding: the browser believes to speak with the page's own server, and names it."""
    upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    reader, writer = await asyncio.open_connection(HOST, desk.port, ssl=desk.tls)
    writer.write("\r\n".join(["GET / HTTP/1.1", *headers, *upgrade, key, "", ""]).encode())

    assert (await reader.readline()).split()[1] == str(status).encode()
    writer.close()
    await writer.wait_closed()
    assert desk.person.asked == []


async def test_it_listens_on_this_machine_alone_by_a_certificate_that_vouches_for_no_other(
    desk: Desk, tls_folder: Path
) -> None:
    certificate = x509.load_pem_x509_certificate((tls_folder / CERTIFICATE).read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(each.value) for each in names} == {"127.0.0.1", "localhost"}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (tls_folder / "agent.key").stat().st_mode & 0o077 == 0
    assert desk.addresses == {HOST}


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
    desk: Desk, authority: Authority, tmp_path: Path
) -> None:
    path = save_holding(tmp_path, authority.hold(), PASSWORD, rounds=1000)
    desk.agent.stores = [Store.read(path, PASSWORD)]
    save_holding(tmp_path, authority.hold(), PASSWORD, name=path.name, rounds=1000)

    assert (await desk.basics("cms", "a"))["code"] == "keystore.replaced"
    path.unlink()
    assert (await desk.basics("cms", "a"))["code"] == "keystore.replaced"


@pytest.mark.parametrize("message", MALFORMED, ids=range(len(MALFORMED)))
async def test_what_makes_no_sense_is_refused_and_the_agent_goes_on(message: object, desk: Desk) -> None:
    answer = await desk.ask(message)
    assert answer.get("code") != "200"
    assert answer.get("status") is not True
    assert desk.person.asked == []
    assert (await desk.common("getActiveTokens"))["code"] == "200"


async def test_a_message_beyond_all_measure_ends_its_connection_alone(desk: Desk) -> None:
    async with desk.page() as socket:
        await socket.send("x" * (64 * 2**20 + 1))
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert (await desk.common("getActiveTokens"))["code"] == "200"


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
        sign_xml(document, authority.hold())
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
    stores: list[Store], message: object, allowed: bool
) -> None:
    person = Scripted(agrees=False)
    agent = Agent(stores, person, utc_now, allow_digests=allowed)

    answer = json.loads(asyncio.run(agent.answer(PAGE, json.dumps(message))))

    assert {"code", "status", "success"} & answer.keys()
    assert answer.get("responseObject") in (None, [])
    assert answer.get("body", {}) == {}


@given(st.text())
def test_nothing_in_a_preview_can_move_the_cursor_or_turn_the_writing(text: str) -> None:
    [preview] = previews(Sign("cms", (text.encode("utf-8", "replace"),), wanted=ShowKey().wanted))
    assert all(mark.isprintable() or mark == "\t" for line in preview.lines for mark in line)
    assert re.search(r"SHA-256 [0-9a-f]{64}$", preview.title)


def test_a_document_that_is_not_shown_whole_says_so() -> None:
    wanted = ShowKey().wanted
    long, pdf, short = previews(Sign("cms", (b"line\n" * 100, b"%PDF-1.7\xff", b"all of it"), wanted))
    assert (long.whole, len(long.lines)) == (False, 20)
    assert (pdf.whole, pdf.lines) == (False, ())
    assert pdf.title.startswith("PDF, 9 bytes")
    assert (short.whole, short.lines) == (True, ("all of it",))
    assert not is_plain_text("right\u202eto left".encode())
    assert is_plain_text(b"two\r\nlines")
