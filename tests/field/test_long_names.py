"""People with long names: whoever reads a certificate learns the whole name.

A common name has 64 characters, not octets (RFC 5280, appendix A.1): 64 letters of any script need nothing else.
"""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from libs.citizen.agent.keystores import KeyStoreFile
from libs.citizen.cli import app
from libs.citizen.keys.keystore import KeyEntry, iin_of, pack
from libs.citizen.keys.private_keys import make_key
from libs.citizen.signing.cms import sign_detached
from libs.common.pki.cms import verify_detached
from services.ca.model.subject import NaturalPerson
from tests.unit.ca.hierarchies import NOW, CertificationAuthority, establish

IIN = "830717350867"
PASSWORD = "Invented-Password-1"  # noqa: S105 - of key stores made here
SURNAMES = "ӘБДІРАХМАНҚАЖЫМҰҚАНБЕТОВА-НҰРМҰХАМБЕТҚАЛИЕВА-ТОЛҚЫНБЕКОВА-ЖҰМАГҮЛОВА"
PEOPLE = {
    "64 Cyrillic letters, which fit and are 127 octets": NaturalPerson(
        iin=IIN, surname="Ә" * 40, given_name="Ж" * 23, patronymic="НҰРЛАНҚЫЗЫ"
    ),
    "65 characters": NaturalPerson(iin=IIN, surname="Ә" * 40, given_name="Ж" * 24),
    "a surname that leaves no room": NaturalPerson(
        iin=IIN, surname=SURNAMES, given_name="АЙСҰЛУ ГҮЛБАҚЫТ", patronymic="НҰРЛАНҚЫЗЫ"
    ),
    "a given name that leaves no room": NaturalPerson(iin=IIN, surname="КИМ", given_name="МАРИЯ ДОЛОРЕС " * 5 + "АННА"),
    "one name alone, and long": NaturalPerson(iin=IIN, surname="МҰХАМЕДҒАЛИ " * 6 + "САКЕН"),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificationAuthority:
    return establish(tmp_path_factory.mktemp("authority"))


def entry_of(authority: CertificationAuthority, person: NaturalPerson) -> KeyEntry:
    key = make_key()
    certificate = authority.issue(authority.order(key.public_key(), holder=person))
    return KeyEntry(key, certificate, (authority.issuing, authority.hierarchy.root))


def whole_name(person: NaturalPerson) -> str:
    return f"{person.surname} {person.given_name}".strip()


@pytest.mark.parametrize("kind", PEOPLE)
async def test_who_reads_a_signature_learns_the_whole_name(authority: CertificationAuthority, kind: str) -> None:
    signature = await sign_detached(b"document", entry_of(authority, PEOPLE[kind]), NOW)

    assert verify_detached(signature, b"document", authority.trust, NOW).name == whole_name(PEOPLE[kind])


@pytest.mark.parametrize("kind", PEOPLE)
def test_the_number_of_a_holder_is_read_beside_any_name(authority: CertificationAuthority, kind: str) -> None:
    certificate = entry_of(authority, PEOPLE[kind]).certificate

    assert certificate is not None
    assert iin_of(certificate) == IIN


@pytest.mark.parametrize("kind", PEOPLE)
def test_the_citizen_sees_the_whole_name_in_the_key_store(
    authority: CertificationAuthority, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "sign.p12").write_bytes(pack(entry_of(authority, PEOPLE[kind]), PASSWORD, rounds=1000))
    environment = {"CITIZEN_P12_PASSWORD": PASSWORD, "COLUMNS": "200", "LANGUAGE": "en"}

    shown = CliRunner().invoke(app, ["inspect", str(tmp_path / "sign.p12")], env=environment)

    assert shown.exit_code == 0, shown.output
    assert whole_name(PEOPLE[kind]) in shown.output


@pytest.mark.parametrize("kind", PEOPLE)
def test_pages_get_the_whole_name_from_the_signing_agent(
    authority: CertificationAuthority, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "sign.p12").write_bytes(pack(entry_of(authority, PEOPLE[kind]), PASSWORD, rounds=1000))

    info = KeyStoreFile.read(tmp_path / "sign.p12", PASSWORD).info()

    assert whole_name(PEOPLE[kind]) in str(info["subjectDn"])
    assert len(str(info["subjectCn"])) <= 64
