"""What the citizen's own program signs, the authority's verification takes."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree  # type: ignore[import-untyped]  # it ships no types

from libs.citizen.keys.keystore import KeyEntry
from libs.citizen.signing.xml import sign_xml
from services.ca.verification.xml_signatures import read_xml
from tests.unit.ca.hierarchies import NOW, CertificationAuthority
from tests.unit.ca.judges import run

KEYS: dict[str, Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", KEYS)
def test_an_xml_signed_by_the_local_agent_counts(authority: CertificationAuthority, kind: str) -> None:
    key = KEYS[kind]()
    begin = NOW - timedelta(days=1)
    certificate = authority.issue(authority.order(key.public_key(), not_before=begin))
    entry = KeyEntry(key, certificate)
    once = sign_xml('<?xml version="1.0" encoding="UTF-8"?><doc><sum>5</sum></doc>', entry)

    (signature,), covered = read_xml(once.encode(), authority.trust, NOW)

    assert (signature.reason, signature.certificate) == (None, certificate)
    assert covered == b"<doc><sum>5</sum></doc>"


@pytest.fixture(scope="module")
def entry(authority: CertificationAuthority) -> KeyEntry:
    key = KEYS["P-256"]()
    return KeyEntry(key, authority.issue(authority.order(key.public_key(), not_before=NOW - timedelta(days=1))))


@pytest.mark.parametrize(
    ("document", "covered"),
    [
        ("<өтініш тегі='А'><сома>5</сома></өтініш>", '<өтініш тегі="А"><сома>5</сома></өтініш>'),
        ('<login Id="a1"><nonce ID="b">5</nonce></login>', '<login Id="a1"><nonce ID="b">5</nonce></login>'),
        ("<a id='1'>б\u2028<![CDATA[<x>]]>&#13;</a>", '<a id="1">б\u2028&lt;x&gt;&#xD;</a>'),
        ('<a xmlns:p="urn:x" p:q="1" xml:lang="kk"/>', '<a xmlns:p="urn:x" xml:lang="kk" p:q="1"></a>'),
        ('<?xml version="1.0" encoding="windows-1251"?><a>Ы</a>', "<a>Ы</a>"),
    ],
)
def test_whatever_its_names_the_whole_document_is_signed_as_it_was_shown(
    authority: CertificationAuthority, entry: KeyEntry, tmp_path: Path, document: str, covered: str
) -> None:
    """Attributes of XML itself are inherited by what is signed (Canonical XML 1.0, 2.4): xmlsec1 agrees."""
    made = sign_xml(document, entry)
    (signature,), signed = read_xml(made.encode(), authority.trust, NOW)

    assert (signature.reason, signed) == (None, covered.encode())
    (tmp_path / "signed.xml").write_text(made, encoding="utf-8", newline="")
    trusted = ("--trusted-pem", authority.directory / "root.pem")
    untrusted = ("--untrusted-pem", authority.directory / "issuing.pem")
    at = ("--verification-gmt-time", f"{NOW:%Y-%m-%d %H:%M:%S}")
    run("xmlsec1", "--verify", *at, "--enabled-key-data", "x509", *trusted, *untrusted, tmp_path / "signed.xml")


def test_a_document_that_bears_signatures_gets_one_more_over_all_of_it(
    authority: CertificationAuthority, entry: KeyEntry
) -> None:
    twice = sign_xml(sign_xml("<өтініш/>", entry), entry)

    signatures, covered = read_xml(twice.encode(), authority.trust, NOW)

    assert [each.reason for each in signatures] == [None, None]
    assert covered == "<өтініш></өтініш>".encode()


@pytest.mark.parametrize("place", ['Id="placeholder"', ""])
def test_a_place_that_a_page_keeps_for_the_signature_is_not_filled(entry: KeyEntry, place: str) -> None:
    empty = f'<s:Signature xmlns:s="http://www.w3.org/2000/09/xmldsig#" {place}/>'
    root = etree.fromstring(sign_xml(f"<a><b>{empty}</b></a>", entry).encode())

    assert [len(each) for each in root.iter("{http://www.w3.org/2000/09/xmldsig#}Signature")] == [0, 3]
    assert root[-1].tag == "{http://www.w3.org/2000/09/xmldsig#}Signature"
