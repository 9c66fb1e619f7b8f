"""The local signing program, asked over its socket as pages ask NCALayer, and judged by OpenSSL and xmlsec1."""

import base64
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from asn1crypto import cms  # type: ignore[import-untyped]  # it ships no types
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from libs.citizen.agent.keystores import KeyStoreFile
from libs.citizen.agent.requests import ShowKey, SignDocuments
from libs.citizen.agent.stamper import HttpStamper
from libs.common.core.values import utc_now
from libs.common.pki.cms import verify_detached
from libs.common.pki.trust import TrustAnchors
from tests.unit.citizen.agent.harness import COMMON, DOCUMENT, PAGE, XML, AgentHarness, b64
from tests.unit.citizen.conftest import Judge
from tests.unit.citizen.factories import IIN, Authority, make_authority, pem


def believed(signature: bytes, authority: Authority) -> str:
    trust = TrustAnchors([authority.root], [authority.issuing])
    return verify_detached(signature, DOCUMENT, trust, utc_now()).iin


async def test_a_heartbeat_is_echoed(harness: AgentHarness) -> None:
    async with harness.page() as socket:
        await socket.send("--heartbeat--")
        assert await socket.recv() == "--heartbeat--"


async def test_an_unknown_module_is_told_so_and_the_uuid_comes_back_with_answers(harness: AgentHarness) -> None:
    assert await harness.ask({"module": "kz.example"}) == {"success": False, "errorCode": "MODULE_NOT_FOUND"}
    asked = {"module": COMMON, "method": "getActiveTokens", "uuid": "0b7e-4711"}
    assert await harness.ask(asked) == {"code": "200", "responseObject": [], "uuid": "0b7e-4711"}


async def test_key_info_tells_what_ncalayer_tells_once_the_person_agreed(
    harness: AgentHarness, stores: list[KeyStoreFile]
) -> None:
    answer = await harness.common("getKeyInfo", "PKCS12")
    info = answer["responseObject"]
    assert answer["code"] == "200"
    assert set(info) == {
        *("alias", "keyId", "algorithm", "subjectCn", "subjectDn", "issuerCn", "issuerDn", "serialNumber"),
        *("certNotAfter", "certNotBefore", "authorityKeyIdentifier", "pem"),
    }
    certificate = stores[0].certificate
    assert x509.load_pem_x509_certificate(info["pem"].encode()) == certificate
    assert info["subjectDn"] == f"C=KZ,CN=ТЕСТОВА АЙГУЛЬ,SERIALNUMBER=IIN{IIN}"
    assert info["issuerDn"] == "C=KZ,CN=Test issuing"
    begins, ends = (datetime.fromtimestamp(int(info[each]) / 1000, UTC) for each in ("certNotBefore", "certNotAfter"))
    assert (begins, ends) == (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    assert harness.person.asked == [(PAGE, ShowKey())]


async def test_a_detached_cades_signature_is_believed(harness: AgentHarness, authority: Authority) -> None:
    answer = await harness.common("createCAdESFromBase64", "PKCS12", "SIGNATURE", b64(DOCUMENT), False)
    assert believed(base64.b64decode(answer["responseObject"]), authority) == IIN
    [(page, ask)] = harness.person.asked
    assert isinstance(ask, SignDocuments)
    assert (page, ask.documents) == (PAGE, (DOCUMENT,))


async def test_openssl_finds_the_document_in_an_attached_signature_with_a_time_stamp(
    harness: AgentHarness, authority: Authority, judge: Judge, tmp_path: Path
) -> None:
    answer = await harness.basics("cms", b64(DOCUMENT), decode=True, encapsulate=True, tsaProfile={})
    armoured = answer["body"]["result"]
    assert answer["status"] is True
    assert armoured.startswith("-----BEGIN CMS-----\n")
    der = base64.b64decode("".join(armoured.splitlines()[1:-1]))
    [signer] = cms.ContentInfo.load(der)["content"]["signer_infos"]
    assert [each["type"].native for each in signer["unsigned_attrs"]] == ["signature_time_stamp_token"]
    (tmp_path / "s").write_bytes(der)
    (tmp_path / "root").write_text(pem(authority.root))
    files = ("-in", f"{tmp_path}/s", "-CAfile", f"{tmp_path}/root", "-out", f"{tmp_path}/document")
    judge("openssl", "cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", *files)
    assert (tmp_path / "document").read_bytes() == DOCUMENT


async def test_many_documents_take_one_consent_and_come_back_in_order(
    harness: AgentHarness, authority: Authority
) -> None:
    answer = await harness.basics("cms", [b64(DOCUMENT)] * 3, decode=True)
    results = [base64.b64decode("".join(each.splitlines()[1:-1])) for each in answer["body"]["result"]]
    assert [believed(each, authority) for each in results] == [IIN] * 3
    assert len(harness.person.asked) == 1


@pytest.mark.parametrize("picked", [0, 1])
async def test_xmlsec_accepts_signed_xml(
    picked: int, harness: AgentHarness, authority: Authority, judge: Judge, tmp_path: Path
) -> None:
    harness.person.picked = picked  # an elliptic curve, and RSA: both are for signing
    signed = (await harness.common("signXml", "PKCS12", "SIGNATURE", XML, "", ""))["responseObject"]
    assert signed.startswith('<?xml version="1.0" encoding="UTF-8" standalone="no"?>')
    (tmp_path / "signed.xml").write_text(signed)
    (tmp_path / "root.pem").write_text(pem(authority.root))
    (tmp_path / "issuing.pem").write_text(pem(authority.issuing))
    trusted = ("--trusted-pem", f"{tmp_path}/root.pem", "--untrusted-pem", f"{tmp_path}/issuing.pem")
    judge("xmlsec1", "--verify", "--enabled-key-data", "x509", *trusted, f"{tmp_path}/signed.xml")
    (tmp_path / "signed.xml").write_text(signed.replace("ТЕСТОВА", "ТЕСТОВ"))
    judge("xmlsec1", "--verify", "--enabled-key-data", "x509", *trusted, f"{tmp_path}/signed.xml", accept=False)


async def test_the_newer_dialect_gives_signed_xml_as_a_list(harness: AgentHarness) -> None:
    answer = await harness.basics("xml", XML)
    assert len(answer["body"]["result"]) == 1


async def test_readable_text_is_signed_raw_and_structures_are_not(
    harness: AgentHarness, stores: list[KeyStoreFile]
) -> None:
    answer = await harness.basics("raw", "nonce 4711", {"extKeyUsageOids": ["1.3.6.1.5.5.7.3.2"]})
    key = stores[1].certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(base64.b64decode(answer["body"]["result"]), b"nonce 4711", ec.ECDSA(hashes.SHA256()))
    refused = await harness.basics("raw", b64(b"\x31\x03\x02\x01\x05"), decode=True)
    assert (refused["status"], refused["code"]) == (False, "ask.opaque")


async def test_a_hash_is_signed_only_where_the_person_allowed_it_beforehand(
    harness: AgentHarness, authority: Authority
) -> None:
    ask = ("createCAdESFromBase64Hash", "PKCS12", "SIGNATURE", b64(sha256(DOCUMENT).digest()))
    assert (await harness.common(*ask))["message"].startswith("ask.opaque")
    assert harness.person.asked == []
    harness.agent.allow_digests = True
    assert believed(base64.b64decode((await harness.common(*ask))["responseObject"]), authority) == IIN


async def test_who_says_no_signs_nothing_and_both_dialects_say_so_as_ncalayer_does(harness: AgentHarness) -> None:
    harness.person.agrees = False
    refused = await harness.common("signXml", "PKCS12", "SIGNATURE", XML, "", "")
    assert refused == {"code": "500", "message": "action.canceled"}
    assert await harness.basics("cms", b64(DOCUMENT), decode=True) == {"status": True, "body": {}}


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
async def test_only_a_key_that_the_page_wants_is_offered(
    signer: dict[str, object], fits: bool, harness: AgentHarness
) -> None:
    answer = await harness.basics("cms", b64(DOCUMENT), signer, decode=True)
    assert answer["status"] is fits
    assert fits or answer["code"] == "key.none_fits"
    assert len(harness.person.asked) == fits


async def test_a_page_may_insist_on_authorities(harness: AgentHarness, authority: Authority) -> None:
    ours, strange = (pem(each.root) for each in (authority, make_authority()))
    assert (await harness.basics("cms", b64(DOCUMENT), {"chain": [strange]}, decode=True))["code"] == "key.none_fits"
    assert (await harness.basics("cms", b64(DOCUMENT), {"chain": [strange, ours]}, decode=True))["status"] is True


@pytest.mark.parametrize(
    "nothing_said", [{"chain": None}, {"chain": []}, {"extKeyUsageOids": None, "chain": None, "iin": None}]
)
async def test_null_in_the_wishes_about_the_signer_is_no_wish(
    nothing_said: dict[str, object], harness: AgentHarness
) -> None:
    answer = await harness.basics("cms", b64(DOCUMENT), nothing_said, decode=True, tsaProfile=None, outputCert=None)
    assert answer["status"] is True
    assert "BEGIN CMS" in answer["body"]["result"]


async def test_the_certificate_comes_beside_the_signatures_where_a_page_asks_for_it(
    harness: AgentHarness, stores: list[KeyStoreFile], authority: Authority
) -> None:
    answer = await harness.basics("cms", b64(DOCUMENT), decode=True, outputCert=True)
    result = answer["body"]["result"]
    assert x509.load_pem_x509_certificate(result["certificate"].encode()) == stores[0].certificate
    [signature] = result["signatures"]
    assert believed(base64.b64decode("".join(signature.splitlines()[1:-1])), authority) == IIN


@pytest.mark.parametrize(
    ("module", "method"),
    [
        (COMMON, "showFileChooser"),
        (COMMON, "createCMSSignatureFromFile"),
        ("kz.gov.pki.ncalayerservices.accessory", "showBundleManager"),
        ("kz.gov.pki.ncalayerservices.accessory", "showSettings"),
        ("kz.gov.pki.ncalayerservices.accessory", None),
    ],
)
async def test_what_is_not_done_here_is_named_as_unsupported(
    module: str, method: object, harness: AgentHarness
) -> None:
    answer = await harness.ask({"module": module, "method": method, "args": ["ALL", ""], "uuid": "1"})
    assert (answer["code"], answer["uuid"]) == ("500", "1")
    assert answer["message"].startswith("ask.unsupported: ")
    assert harness.person.asked == []


async def test_without_a_time_stamp_nothing_is_signed_where_one_is_wanted(harness: AgentHarness) -> None:
    harness.agent.stamper = HttpStamper("https://tsa.example", httpx.MockTransport(lambda _: httpx.Response(503)))
    answer = await harness.basics("cms", b64(DOCUMENT), decode=True, tsaProfile={})
    assert (answer["status"], answer["code"]) == (False, "stamp.unavailable")
