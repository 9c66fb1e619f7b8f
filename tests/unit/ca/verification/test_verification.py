"""What relying parties' systems are told: only what is wholly good is valid."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from libs.common.core.health import Health
from libs.common.pki.cms_structures import Attribute, ContentInfo, SignerInfo
from libs.common.pki.der import tlv
from libs.common.pki.trust import CLOCK_DIFFERENCE
from libs.common.web.http import create_app
from services.ca.model.profiles import AUTH
from services.ca.model.status import RevokedStatus
from services.ca.model.subject import COMMON_NAME_LENGTH
from services.ca.problems import PROBLEMS
from services.ca.texts import TEXTS
from services.ca.timestamp.tokens import SIGNATURE_TIME_STAMP
from services.ca.verification.api import verification_routes
from services.ca.verification.service import VerificationService
from services.ca.verification.signature_evidence import RevocationEvidence, Source
from tests.unit.ca.hierarchies import NOW, PERSON, CertificationAuthority, establish, pem
from tests.unit.ca.model.test_subject import LONGEST
from tests.unit.ca.ocsp_harness import OcspHost
from tests.unit.ca.office import METRICS, World, key
from tests.unit.ca.signing import DATA, OurStamps, Signer

Asks = Callable[..., Any]
HOUR = timedelta(hours=1)


@pytest_asyncio.fixture
async def counter(world: World, authority: CertificationAuthority) -> OcspHost:
    counter = await OcspHost(world, authority).open()
    await counter.lists.start()
    await counter.wake_due()
    return counter


@pytest.fixture
def asked(counter: OcspHost, world: World) -> Asks:
    return asks(counter, world)


def asks(counter: OcspHost, world: World) -> Asks:
    verification = VerificationService(counter.authority.hierarchy.trust, counter.witness, world.clock)
    app = create_app(
        "ca",
        metrics=METRICS,
        problems=PROBLEMS,
        texts=TEXTS,
        health=Health(),
        routers=[verification_routes(verification)],
    )

    async def post(what: str, *, status: int = 200, **form: object) -> Any:
        readable = {name: text(value) for name, value in form.items()}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ca") as http:
            answer = await http.post(f"/v1/verify/{what}", json=readable)
        assert answer.status_code == status, answer.text
        return answer.json()

    return post


def text(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case list():
            return [text(each) for each in value]
        case _:
            return value


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


async def citizen(counter: OcspHost, folder: Path) -> Signer:
    return Signer(await counter.citizen(), key(1), folder)


async def test_a_good_certificate_is_valid_and_the_record_says_so_signed(counter: OcspHost, asked: Asks) -> None:
    certificate = await counter.citizen()

    answer = await asked("x509/info", certs=[der(certificate)])

    (shown,) = answer["signers"]
    (revocation,) = shown["revocations"]
    proof = ocsp.load_der_ocsp_response(base64.b64decode(revocation["evidence"]))
    assert (answer["status"], answer["message"], answer["valid"]) == (200, "OK", True)
    assert (shown["valid"], shown["reason"], shown["keyUsage"]) == (True, None, "SIGN")
    assert shown["keyUser"] == ["INDIVIDUAL", "IDENTIFICATION_REMOTE_DIGITAL_ID"]
    assert shown["serialNumber"] == f"{certificate.serial_number:x}"
    assert shown["signAlg"] == "SHA256WITHECDSA"
    assert shown["pem"].encode() == pem(certificate)
    assert (revocation["by"], revocation["status"], revocation["revoked"]) == ("OCSP", "good", False)
    assert (proof.certificate_status, proof.serial_number) == (ocsp.OCSPCertStatus.GOOD, certificate.serial_number)


async def test_a_certificate_says_whose_it_is_in_the_members_integrators_know(counter: OcspHost, asked: Asks) -> None:
    answer = await asked("x509/info", certs=[der(await counter.citizen())])

    subject = answer["signers"][0]["subject"]
    assert f"SERIALNUMBER=IIN{PERSON.iin}" in subject["dn"]
    assert "SURNAME=" in subject["dn"]
    assert {name: subject[name] for name in ("commonName", "name", "surName", "lastName", "iin", "bin", "country")} == {
        "commonName": "СЕРІКҚЫЗЫ АЙГҮЛ",
        "name": None,
        "surName": PERSON.surname,
        "lastName": PERSON.patronymic,
        "iin": PERSON.iin,
        "bin": None,
        "country": "KZ",
    }


async def test_a_name_longer_than_a_common_name_is_shown_in_whole(counter: OcspHost, asked: Asks) -> None:
    certificate = counter.authority.issue(counter.authority.order(key(1).public_key(), holder=LONGEST))

    subject = (await asked("x509/info", certs=[der(certificate)]))["signers"][0]["subject"]

    assert subject["name"] == f"{LONGEST.surname} {LONGEST.given_name}"
    assert len(subject["commonName"]) <= COMMON_NAME_LENGTH


async def test_a_seal_is_shown_with_its_organisation_and_number(counter: OcspHost, asked: Asks) -> None:
    seal = counter.authority.hierarchy.seal

    (shown,) = (await asked("x509/info", certs=[der(seal)]))["signers"]

    assert (shown["subject"]["organization"], shown["subject"]["bin"]) == (
        "Сынақ куәландырушы орталығы",
        "000740000728",
    )
    assert shown["keyUser"] == ["ORGANIZATION", "INFORMATION_SYSTEM"]


@pytest.mark.parametrize("form", ["DER", "PEM", "lines"])
async def test_a_certificate_may_come_as_der_or_pem_in_base64(counter: OcspHost, asked: Asks, form: str) -> None:
    certificate = await counter.citizen()
    given: object = {"DER": der(certificate), "PEM": pem(certificate), "lines": pem(certificate).decode()}[form]

    assert (await asked("x509/info", certs=[given]))["valid"] is True


@pytest.mark.parametrize("twice", [False, True], ids=["PEM", "PEM in base64"])
@pytest.mark.parametrize("form", ["subject before it", "one line", "Windows"])
async def test_a_certificate_in_pem_may_be_written_as_rfc_7468_lets_it_be(
    counter: OcspHost, asked: Asks, form: str, *, twice: bool
) -> None:
    text = pem(await counter.citizen()).decode()
    octets = {
        "subject before it": f"subject=CN = somebody\n\n{text}\n".encode(),
        "one line": text.replace("\n", "").encode(),
        "Windows": text.replace("\n", "\r\n").encode("utf-8-sig"),
    }[form]
    given = base64.b64encode(octets).decode() if twice else octets.decode()

    assert (await asked("x509/info", certs=[given]))["valid"] is True


@pytest.mark.parametrize("version", [0, 1, 3, 127])
async def test_a_certificate_of_another_version_is_none_of_ours_in_whichever_form_it_comes(
    counter: OcspHost, asked: Asks, version: int
) -> None:
    octets = (await counter.citizen()).public_bytes(Encoding.DER)
    third = bytes.fromhex("a003020102")
    changed = octets.replace(third, third[:-1] + bytes((version,)), 1)
    armoured = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(changed).decode()}\n-----END CERTIFICATE-----\n"

    for form in (base64.b64encode(changed).decode(), armoured, base64.b64encode(armoured.encode()).decode()):
        answer = await asked("x509/info", certs=[form])
        assert (answer["valid"], answer["signers"][0]["reason"]) == (False, "look_alike")


@pytest.mark.parametrize(
    ("reason", "before_it"), [("superseded", True), ("cessationOfOperation", True), ("keyCompromise", False)]
)
async def test_after_a_revocation_nothing_is_valid_and_before_it_only_if_the_key_was_not_lost(
    counter: OcspHost, asked: Asks, reason: Any, *, before_it: bool
) -> None:
    certificate = await counter.citizen()
    counter.world.now += HOUR
    await counter.revoke(certificate, reason)

    (after,) = (await asked("x509/info", certs=[der(certificate)]))["signers"]
    before = await asked("x509/info", certs=[der(certificate)], at=NOW + timedelta(minutes=1))

    assert (after["valid"], after["reason"]) == (False, "revoked")
    assert (after["revocations"][0]["revoked"], after["revocations"][0]["reason"]) == (True, reason)
    assert before["valid"] is before_it


async def test_the_revocation_list_is_evidence_for_those_who_ask_for_it(counter: OcspHost, asked: Asks) -> None:
    certificate = await counter.citizen()

    answer = await asked("x509/info", certs=[der(certificate)], revocationCheck=["OCSP", "CRL"])

    responder, listed = answer["signers"][0]["revocations"]
    crl = x509.load_der_x509_crl(base64.b64decode(listed["evidence"]))
    assert (responder["by"], listed["by"], listed["status"]) == ("OCSP", "CRL", "good")
    assert crl.is_signature_valid(counter.authority.issuer.public_key)


async def test_a_list_that_is_out_of_date_tells_nothing(counter: OcspHost, asked: Asks) -> None:
    certificate = await counter.citizen()
    counter.world.now += timedelta(days=2)
    await counter.responders.start()

    answer = await asked("x509/info", status=503, certs=[der(certificate)], revocationCheck=["CRL"])

    assert answer["key"] == "verify.unavailable"


async def test_a_detached_signature_is_valid_until_its_certificate_is_revoked(
    counter: OcspHost, asked: Asks, tmp_path: Path
) -> None:
    signer = await citizen(counter, tmp_path)
    signature = signer.cms()

    good = await asked("cms/verify", cms=signature, data=DATA)
    other = await asked("cms/verify", cms=signature, data=b"another document")
    none = await asked("cms/verify", cms=signature)
    await counter.revoke(signer.certificate, "superseded")
    revoked = await asked("cms/verify", cms=signature, data=DATA)

    assert (good["valid"], good["signers"][0]["certificates"][0]["subject"]["iin"]) == (True, PERSON.iin)
    assert [each["signers"][0]["reason"] for each in (other, revoked)] == ["wrong_document", "revoked"]
    assert (none["valid"], none["reason"]) == (False, "no_document")


async def test_a_signature_with_its_document_inside_is_valid_unless_another_is_put_beside_it(
    counter: OcspHost, asked: Asks, tmp_path: Path
) -> None:
    signature = (await citizen(counter, tmp_path)).cms(options=("-cades", "-nodetach"))

    inside = await asked("cms/verify", cms=signature)
    both = await asked("cms/verify", cms=signature, data=DATA)
    other = await asked("cms/verify", cms=signature, data=b"another document")

    assert (inside["valid"], both["valid"]) == (True, True)
    assert (other["valid"], other["reason"]) == (False, "wrong_document")


@pytest.mark.parametrize("size", [len(DATA), 1_000_000])
async def test_a_streamed_signature_is_valid_and_a_changed_octet_of_its_document_is_not(
    counter: OcspHost, asked: Asks, tmp_path: Path, size: int
) -> None:
    """In BER, the document in parts."""
    document = (DATA * size)[:size]
    streamed = (await citizen(counter, tmp_path)).cms(data=document, options=("-cades", "-stream", "-indef"))
    changed = bytearray(streamed)
    changed[streamed.index(document[:10])] ^= 1

    good = await asked("cms/verify", cms=streamed)
    bad = await asked("cms/verify", cms=bytes(changed))

    assert streamed.startswith(b"\x30\x80")
    assert (good["valid"], good["signers"][0]["certificates"][0]["subject"]["iin"]) == (True, PERSON.iin)
    assert (bad["valid"], bad["signers"][0]["reason"]) == (False, "wrong_document")


async def test_a_document_of_ten_megabytes_is_taken_and_a_larger_one_refused(
    counter: OcspHost, asked: Asks, tmp_path: Path
) -> None:
    document = bytes(range(256)) * 40_000
    signature = (await citizen(counter, tmp_path)).cms(data=document)

    assert (await asked("cms/verify", cms=signature, data=document))["valid"] is True
    await asked("cms/verify", status=413, cms=signature, data=document * 2)


async def test_each_of_several_signers_is_judged_and_all_have_to_count(
    counter: OcspHost, asked: Asks, tmp_path: Path
) -> None:
    first, second = await citizen(counter, tmp_path), stray(counter.authority, tmp_path)
    both = first.cms(second)

    answer = await asked("cms/verify", cms=both, data=DATA)

    found = {each["certificates"][0]["serialNumber"]: each["reason"] for each in answer["signers"]}
    assert answer["valid"] is False
    assert found == {
        f"{first.certificate.serial_number:x}": None,
        f"{second.certificate.serial_number:x}": "unknown_certificate",
    }


def stray(authority: CertificationAuthority, folder: Path, profile: Any = None, holder: Any = PERSON) -> Signer:
    """A signer whose certificate is in no record."""
    private = ec.generate_private_key(ec.SECP256R1())
    order = (
        authority.order(private.public_key(), holder=holder)
        if profile is None
        else authority.order(private.public_key(), profile, holder)
    )
    return Signer(authority.issue(order), private, folder)


async def test_a_certificate_of_our_key_that_is_in_no_record_is_not_valid(
    counter: OcspHost, asked: Asks, tmp_path: Path
) -> None:
    (shown,) = (await asked("x509/info", certs=[der(stray(counter.authority, tmp_path).certificate)]))["signers"]

    assert (shown["valid"], shown["reason"]) == (False, "unknown_certificate")
    assert (shown["revocations"][0]["status"], shown["revocations"][0]["revoked"]) == ("unknown", False)


async def test_a_look_alikes_certificate_and_signature_are_told_to_be_that(asked: Asks, tmp_path: Path) -> None:
    look_alike = establish(tmp_path / "look-alike")
    forged = stray(look_alike, tmp_path)

    of_certificate = await asked("x509/info", certs=[der(forged.certificate), der(look_alike.hierarchy.root)])
    of_signature = await asked("cms/verify", cms=forged.cms(), data=DATA)

    found = [*of_certificate["signers"], *of_signature["signers"]]
    assert [(each["valid"], each["reason"]) for each in found] == [(False, "look_alike")] * 3
    assert {each["subject"] for each in of_certificate["signers"]} == {None}
    assert (of_certificate["valid"], of_signature["valid"]) == (False, False)


async def test_a_certificate_counts_for_its_purpose_and_its_time_alone(counter: OcspHost, asked: Asks) -> None:
    certificate = der(await counter.citizen())

    for form, reason in (
        ({"use": "AUTH"}, "wrong_profile"),
        ({"at": NOW - timedelta(days=1)}, "expired_certificate"),
        ({"at": counter.world.now + timedelta(seconds=1)}, "time_in_future"),
    ):
        answer = await asked("x509/info", certs=[certificate], **form)
        assert (answer["valid"], answer["signers"][0]["reason"]) == (False, reason)


async def test_a_document_is_not_signed_with_a_certificate_for_signing_in(
    counter: OcspHost, asked: Asks, tmp_path: Path
) -> None:
    answer = await asked("cms/verify", cms=stray(counter.authority, tmp_path, AUTH).cms(), data=DATA)

    assert answer["signers"][0]["reason"] == "wrong_profile"
    assert answer["signers"][0]["certificates"][0]["keyUsage"] == "AUTH"


async def test_a_time_stamp_keeps_a_signature_valid_after_its_certificate_ended(
    counter: OcspHost, asked: Asks, tmp_path: Path
) -> None:
    signature = await (await citizen(counter, tmp_path)).stamped(OurStamps(counter.authority, NOW + HOUR))
    counter.world.now = NOW + timedelta(days=400)
    await counter.responders.start()
    await counter.wake_due()

    answer = await asked("cms/verify", cms=signature, data=DATA)

    (signer,) = answer["signers"]
    assert (answer["valid"], signer["reason"], signer["tsp"]["policy"]) == (True, None, "1.2.398.3.3.2.6.2")
    assert datetime.fromisoformat(signer["tsp"]["genTime"]) == datetime.fromisoformat(signer["at"]) == NOW + HOUR


@pytest.mark.parametrize(
    ("ahead", "reason"), [(CLOCK_DIFFERENCE, None), (CLOCK_DIFFERENCE + timedelta(seconds=1), "time_in_future")]
)
async def test_the_clock_of_who_stamped_may_be_a_little_ahead(
    counter: OcspHost, asked: Asks, tmp_path: Path, ahead: timedelta, reason: str | None
) -> None:
    signer = await citizen(counter, tmp_path)
    signature = await signer.stamped(OurStamps(counter.authority, counter.world.now + ahead))

    answer = await asked("cms/verify", cms=signature, data=DATA)

    assert answer["signers"][0]["reason"] == reason


@pytest.mark.parametrize(("stamped", "valid"), [(HOUR, True), (3 * HOUR, False)])
async def test_a_lost_key_undoes_no_signature_that_a_time_stamp_proves_older(
    counter: OcspHost, asked: Asks, tmp_path: Path, stamped: timedelta, *, valid: bool
) -> None:
    signer = await citizen(counter, tmp_path)
    signature = await signer.stamped(OurStamps(counter.authority, NOW + stamped))
    counter.world.now = NOW + 2 * HOUR
    await counter.revoke(signer.certificate, "keyCompromise")
    counter.world.now = NOW + 4 * HOUR

    assert (await asked("cms/verify", cms=signature, data=DATA))["valid"] is valid


@pytest.mark.parametrize(("signed", "objection"), [(-1, None), (0, "revoked"), (1, "revoked")])
def test_what_was_stamped_in_the_second_of_the_revocation_is_not_proven_older(
    signed: int, objection: str | None
) -> None:
    revoked = RevokedStatus(NOW + timedelta(milliseconds=900), "keyCompromise")
    sent: dict[Source, RevokedStatus] = {"OCSP": revoked, "CRL": RevokedStatus(NOW, "keyCompromise")}
    for source, status in sent.items():
        evidence = RevocationEvidence(source, status, b"", NOW)
        assert evidence.objection(NOW + timedelta(seconds=signed), proven=True) == objection


async def test_a_time_stamp_of_a_strangers_authority_or_of_another_signature_proves_nothing(
    counter: OcspHost, asked: Asks, tmp_path: Path
) -> None:
    signer = await citizen(counter, tmp_path)
    counter.world.now += HOUR
    stranger = await signer.stamped(OurStamps(establish(tmp_path / "stranger"), NOW))
    one, other = [await signer.stamped(OurStamps(counter.authority, NOW), data) for data in (DATA, b"other")]

    for signature, reason in (
        (stranger, "timestamp_look_alike"),
        (with_stamp(one, stamp_of(other)), "timestamp_wrong_document"),
        (with_stamp(one, b"\x30\x00"), "timestamp_malformed"),
    ):
        answer = await asked("cms/verify", cms=signature, data=DATA)
        assert (answer["valid"], answer["signers"][0]["reason"]) == (False, reason)


def stamp_of(signature: bytes) -> bytes:
    (signer,) = asn1.decode_der(ContentInfo, signature).content.signer_infos.as_list()
    assert signer.unsigned_attributes is not None
    (attribute,) = signer.unsigned_attributes.as_list()
    return asn1.encode_der(attribute.values.as_list()[0])


def with_stamp(signature: bytes, token: bytes) -> bytes:
    """Put another token in the place of the time-stamp, which nothing signs."""
    outer = asn1.decode_der(ContentInfo, signature)
    (signer,) = outer.content.signer_infos.as_list()
    stamp = Attribute(type=SIGNATURE_TIME_STAMP, values=asn1.SetOf([tlv(token)]))
    fields = {name: getattr(signer, name) for name in SignerInfo.__dataclass_fields__}
    changed = SignerInfo(**fields | {"unsigned_attributes": asn1.SetOf([stamp])})
    content = type(outer.content)(
        **{name: getattr(outer.content, name) for name in type(outer.content).__dataclass_fields__}
        | {"signer_infos": asn1.SetOf([changed])}
    )
    return asn1.encode_der(ContentInfo(type=outer.type, content=content))


async def test_when_nobody_can_tell_of_revocation_nothing_is_called_valid(
    world: World, counter: OcspHost, asked: Asks
) -> None:
    certificate = der(await counter.citizen())
    world.rows["responders"].rows.clear()

    assert (await asked("x509/info", status=503, certs=[certificate]))["key"] == "verify.unavailable"


@pytest.mark.parametrize("junk", [b"", b"\x30", b"\x30" * 4000, b"\x30\x80\x00\x00", bytes(40_000)], ids=len)
async def test_junk_is_malformed(asked: Asks, junk: bytes) -> None:
    of_certificate = (await asked("x509/info", certs=[junk]))["signers"][0]
    of_signature = await asked("cms/verify", cms=junk, data=DATA)

    assert (of_certificate["valid"], of_certificate["reason"], of_certificate["subject"]) == (False, "malformed", None)
    assert (of_signature["valid"], of_signature["signers"]) == (False, [])
    assert of_signature["reason"] == "malformed"


async def test_a_message_without_any_signature_is_unsigned(counter: OcspHost, asked: Asks, tmp_path: Path) -> None:
    outer = asn1.decode_der(ContentInfo, (await citizen(counter, tmp_path)).cms())
    bare = type(outer.content)(
        **{name: getattr(outer.content, name) for name in type(outer.content).__dataclass_fields__}
        | {"signer_infos": asn1.SetOf([])}
    )

    answer = await asked("cms/verify", cms=asn1.encode_der(ContentInfo(type=outer.type, content=bare)), data=DATA)

    assert (answer["valid"], answer["reason"]) == (False, "unsigned")


async def test_forms_that_are_none_are_refused_and_not_repeated(asked: Asks) -> None:
    forms: tuple[dict[str, object], ...] = (
        {},
        {"certs": []},
        {"certs": ["Әліппе"]},
        {"certs": ["-----BEGIN CERTIFICATE-----\nӘліппе"]},
        {"certs": [""], "at": "2026-03-02T09:00:00"},
        {"certs": [5]},
        {"certs": [""] * 17},
        {"certs": [""], "revocationCheck": ["NONE"]},
    )
    for form in forms:
        answer = await asked("x509/info", status=422, **form)
        assert "Әліппе" not in str(answer)


async def test_a_signed_xml_is_valid_and_gives_back_what_was_signed(
    counter: OcspHost, asked: Asks, tmp_path: Path
) -> None:
    signer = await citizen(counter, tmp_path)
    signed = signer.xml('<?xml version="1.0" encoding="UTF-8"?><өтініш>бар</өтініш>')

    good = await asked("xml/verify", xml=signed, revocationCheck=["OCSP"])
    changed = await asked("xml/verify", xml=signed.replace("бар", "жоқ"))
    await counter.revoke(signer.certificate, "superseded")
    revoked = await asked("xml/verify", xml=signed)

    assert (good["valid"], good["signedXml"]) == (True, "<өтініш>бар</өтініш>")
    assert good["signers"][0]["subject"]["iin"] == PERSON.iin
    for answer, reason in ((changed, "wrong_document"), (revoked, "revoked")):
        assert (answer["valid"], answer["signers"][0]["reason"], answer["signedXml"]) == (False, reason, None)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [("", "malformed"), ("<a/>", "unsigned"), ("<!DOCTYPE a><a/>", "document_type")],
)
async def test_xml_that_is_not_signed_is_not_valid(asked: Asks, xml: str, reason: str) -> None:
    answer = await asked("xml/verify", xml=xml)

    assert (answer["valid"], answer["reason"], answer["signers"]) == (False, reason, [])
