"""Certificates for those who act for a legal entity: a clerk's word, and the citizen's own key."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from libs.citizen.signing import sign_detached
from libs.common.contracts.ca import EntityRole
from libs.common.core.errors import Refused
from libs.common.pki.certificate_use import PERSON_SIGN
from libs.common.pki.renewal_statement import vouching_document
from libs.common.pki.trust import CertificateRefused
from services.ca.enrolment.mandates import Confirmation
from services.ca.ledger.acts import MandateConfirmed, MandateWithdrawn
from services.ca.model.certificate import Certificate
from services.ca.model.entities import LAPSES_AFTER, LegalEntity
from tests.unit.ca.hierarchies import PERSON, CertificationAuthority
from tests.unit.ca.office import CITIZEN, JOURNEY, LEASE, STRANGER, Office, World, closed, csr, holding_of, key

MANDATE = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4b01"
SECOND = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4b02"
ENTITY = LegalEntity(name="«Жұлдыз» ЖШС", bin="000740000728")
OTHER_ENTITY = LegalEntity(name="«Ай» ЖШС", bin="010740000725")
CLERK = "clerk-7"


def said(serial: str, entity: LegalEntity = ENTITY, role: EntityRole = "head") -> Confirmation:
    return Confirmation(serial, entity, role, "register extract 10100123", CLERK)


async def personal(office: Office) -> Certificate:
    sign, _ = await office.issued()
    await office.tell(closed("completed"))
    office.world.now += LEASE
    return sign


async def signature(office: Office, sign: Certificate, mandate: str = MANDATE, number: int = 11) -> bytes:
    document = vouching_document(mandate, {"SIGN": csr_of(number)})
    return await sign_detached(document, holding_of(sign, 1), office.world.now)


REQUESTS: dict[int, str] = {}


def csr_of(number: int) -> str:
    return REQUESTS.setdefault(number, csr(key(number)))


async def certified(
    office: Office, sign: Certificate, mandate: str = MANDATE, confirmation: Confirmation | None = None
) -> Certificate:
    number = 11 if mandate == MANDATE else 12
    await office.mandates.confirm(mandate, confirmation or said(sign.serial))
    await office.mandates.request(mandate, CITIZEN, csr_of(number), await signature(office, sign, mandate, number))
    await office.wake_due()
    state, (certificate,) = await office.mandates.certificates(mandate, CITIZEN)
    assert state == "issued"
    return certificate


async def test_a_confirmed_head_gets_a_certificate_that_names_person_entity_and_role_and_is_no_personal_one(
    world: World, office: Office, authority: CertificationAuthority
) -> None:
    sign = await personal(office)
    certificate = await certified(office, sign)
    read = x509.load_pem_x509_certificate(certificate.text.value.pem.encode())
    subject = read.subject.rfc4514_string()
    assert all(part in subject for part in (f"IIN{PERSON.iin}", f"BIN{ENTITY.bin}", ENTITY.name))
    with pytest.raises(CertificateRefused, match="wrong_profile"):
        authority.trust.verify(read.public_bytes(Encoding.DER), world.now, PERSON_SIGN)
    told = world.told("cert.issued")
    assert [(each["profile"], each["acts_for"]) for each in told] == [("SIGN", None), ("AUTH", None), ("SIGN", "head")]
    assert not world.told("cert.revoked"), "a personal certificate is not superseded by one for an entity"


async def test_a_newer_mandate_for_the_same_entity_supersedes_and_one_for_another_does_not(
    world: World, office: Office, authority: CertificationAuthority
) -> None:
    sign = await personal(office)
    first = await certified(office, sign)
    world.now += LEASE
    await certified(office, sign, SECOND, said(sign.serial, role="employee"))
    assert [(each["serial"], each["reason"]) for each in world.told("cert.revoked")] == [(first.serial, "superseded")]
    elsewhere = World()
    other = Office(elsewhere, authority)
    sign = await personal(other)
    await certified(other, sign)
    elsewhere.now += LEASE
    await certified(other, sign, SECOND, said(sign.serial, OTHER_ENTITY))
    assert not elsewhere.told("cert.revoked")


async def test_the_clerks_word_is_on_record_before_anything_is_issued_and_names_the_clerk(
    world: World, office: Office
) -> None:
    sign = await personal(office)
    await office.mandates.confirm(MANDATE, said(sign.serial))
    await office.mandates.withdraw(MANDATE, CLERK)
    acts = [office.ledger.read(entry) async for entry in office.ledger.entries() if entry.fact.about == MANDATE]
    confirmed, withdrawn = acts
    assert isinstance(confirmed, MandateConfirmed)
    assert isinstance(withdrawn, MandateWithdrawn)
    assert (confirmed.mandate.confirmed_by, withdrawn.by) == (CLERK, CLERK)
    for secret in (ENTITY.bin, ENTITY.name):
        assert secret not in world.everything() + str(world.chain.entries)


async def test_only_a_good_personal_certificate_says_whom_a_mandate_is_for(office: Office) -> None:
    sign = await personal(office)
    _, auth = await office.certificates()
    entity = await certified(office, sign)
    await office.revocations.by_clerk(sign.serial, "keyCompromise", CLERK)
    for serial in (sign.serial, auth.serial, entity.serial, "7f" * 16):
        with pytest.raises(Refused) as error:
            await office.mandates.confirm(SECOND, said(serial))
        assert (error.value.key, error.value.status) == ("mandate.person_unknown", 404)


async def test_only_the_citizen_themself_signing_with_their_own_key_gets_the_certificate(office: Office) -> None:
    sign = await personal(office)
    await office.mandates.confirm(MANDATE, said(sign.serial))
    with pytest.raises(Refused) as error:
        await office.mandates.request(MANDATE, STRANGER, csr_of(11), await signature(office, sign))
    assert error.value.key == "mandate.unknown"
    with pytest.raises(Refused) as error:
        await office.mandates.request(MANDATE, CITIZEN, csr_of(11), await signature(office, sign, number=13))
    assert error.value.key == "signature.wrong_document"
    with pytest.raises(Refused) as error:
        await office.mandates.certificates(JOURNEY, CITIZEN)
    assert error.value.key == "mandate.unknown"


async def test_a_withdrawn_mandate_loses_its_certificate_and_an_unused_one_lapses(world: World, office: Office) -> None:
    sign = await personal(office)
    certificate = await certified(office, sign)
    await office.mandates.withdraw(MANDATE, CLERK)
    await office.wake_due()
    assert [(each["serial"], each["reason"]) for each in world.told("cert.revoked")] == [
        (certificate.serial, "affiliationChanged")
    ]
    assert await office.listed() == {certificate.serial}
    lapses_at = await office.mandates.confirm(SECOND, said(sign.serial))
    assert lapses_at == world.now + LAPSES_AFTER
    world.now = lapses_at - timedelta(seconds=1)
    await office.wake_due()
    await office.mandates.certificates(SECOND, CITIZEN)
    world.now = lapses_at
    await office.wake_due()
    with pytest.raises(Refused) as error:
        await office.mandates.request(SECOND, CITIZEN, csr_of(12), await signature(office, sign, SECOND, 12))
    assert error.value.key == "mandate.unknown"
