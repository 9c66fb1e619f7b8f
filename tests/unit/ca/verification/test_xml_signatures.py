"""Enveloped signatures of XML, made by xmlsec1 in NCALayer's form, and what forgers make of them."""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree  # type: ignore[import-untyped]  # it ships no types

from libs.common.pki.trust import TrustAnchors
from services.ca.model.profiles import AUTH, SIGN, Profile
from services.ca.verification.xml_signatures import MAX_OCTETS, XmlRefused, read_xml
from tests.unit.ca.hierarchies import NOW, CertificationAuthority, establish, pem
from tests.unit.ca.signing import CANONICAL, Signer

DOCUMENT = '<?xml version="1.0" encoding="UTF-8"?><өтініш xmlns:k="urn:k" b="2" a="1"><k:сома>5</k:сома></өтініш>'
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
CANONICAL_1_1 = "http://www.w3.org/2006/12/xml-c14n11"
FORMS = (
    *(CANONICAL, f"{CANONICAL}#WithComments", CANONICAL_1_1, f"{CANONICAL_1_1}#WithComments"),
    *(EXCLUSIVE, f"{EXCLUSIVE}WithComments"),
)
KEYS: dict[str, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "RSA-2048": rsa.generate_private_key(65537, 2048),
}
SOON = NOW + timedelta(hours=1)
Make = Callable[..., Signer]


@pytest.fixture
def signer_of(tmp_path: Path) -> Make:
    def make(authority: CertificationAuthority, kind: str = "P-256", profile: Profile = SIGN) -> Signer:
        key = KEYS[kind]
        return Signer(authority.issue(authority.order(key.public_key(), profile)), key, tmp_path)

    return make


@pytest.fixture(scope="module")
def signed(authority: CertificationAuthority, tmp_path_factory: pytest.TempPathFactory) -> str:
    key = KEYS["P-256"]
    certificate = authority.issue(authority.order(key.public_key()))
    return Signer(certificate, key, tmp_path_factory.mktemp("signer")).xml(DOCUMENT)


@pytest.fixture(scope="module")
def trust(authority: CertificationAuthority) -> TrustAnchors:
    return authority.trust


def refusal(document: str, trust: TrustAnchors, at: Any = SOON) -> str:
    """Give why the document, or its last signature, is refused."""
    try:
        signatures, covered = read_xml(document.encode(), trust, at)
    except XmlRefused as refused:
        return refused.reason
    assert covered is None, "nothing may be taken from a document that is not wholly signed"
    assert signatures[0].reason is not None
    return signatures[0].reason


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("transform", [f"{CANONICAL}#WithComments", CANONICAL, EXCLUSIVE])
def test_a_signature_by_xmlsec_counts_and_covers_the_whole_document(
    authority: CertificationAuthority, signer_of: Make, kind: str, transform: str
) -> None:
    signer = signer_of(authority, kind)

    (signature,), covered = read_xml(signer.xml(DOCUMENT, transform).encode(), authority.trust, SOON)

    assert (signature.reason, signature.certificate) == (None, signer.certificate)
    assert covered is not None
    same = [etree.fromstring(each) for each in (covered, DOCUMENT.encode())]
    assert len({etree.tostring(each, method="c14n", exclusive=True) for each in same}) == 1


@pytest.mark.parametrize("prefix", ["ds:", ""])
@pytest.mark.parametrize("forms", list(product(FORMS, FORMS)))
def test_every_canonical_form_is_what_xmlsec_writes(
    trust: TrustAnchors, authority: CertificationAuthority, signer_of: Make, forms: tuple[str, str], prefix: str
) -> None:
    """Where a default namespace, prefixes nobody uses and attributes of XML itself are inherited."""
    document = (
        '<а xmlns="urn:a" xmlns:p="urn:p" xml:lang="kk" xml:space="preserve" xml:base="http://a.kz/" b="&lt;&#13;"\n'
        'xml:id="x" xml:kk="?" a="1"><б xmlns=""/> <p:в xmlns:p="urn:v" p:г="2"/>\n<![CDATA[<&]]></а>'
    )

    (signature,), covered = read_xml(signer_of(authority).xml(document, *forms, prefix).encode(), trust, SOON)

    assert signature.reason is None
    assert covered is not None


WITH_NAMESPACES = '<а xmlns="urn:a" xmlns:p="urn:p" xmlns:u="urn:u" xml:lang="kk"><б xmlns=""/><p:в/></а>'


@pytest.mark.parametrize("prefix", ["ds:", ""])
@pytest.mark.parametrize("listed", ["", "p", "u p", "ds nobody", "#default", "p #default u"])
def test_prefixes_that_the_exclusive_form_lists_are_written_or_said_to_be_unsupported(
    trust: TrustAnchors, authority: CertificationAuthority, signer_of: Make, listed: str, prefix: str
) -> None:
    """Exclusive XML Canonicalization 1.0, 3. Unsupported: #default, where it begins at an element with a prefix."""
    document = signer_of(authority).xml(WITH_NAMESPACES, EXCLUSIVE, EXCLUSIVE, prefix, listed)

    (signature,), covered = read_xml(document.encode(), trust, SOON)

    if "#default" in listed and prefix:
        assert (signature.reason, covered) == ("unsupported_form", None)
    else:
        assert signature.reason is None
        assert covered is not None


def test_an_inner_signature_of_another_form_counts(
    authority: CertificationAuthority, trust: TrustAnchors, signer_of: Make
) -> None:
    """The outer exclusive form leaves out the prefix that the inner inclusive one covers."""
    document = '<а xmlns:p="urn:p" xmlns="urn:a">5</а>'
    inner = signer_of(authority).xml(document, CANONICAL, CANONICAL, "")
    both = signer_of(authority, "RSA-2048").xml(inner, EXCLUSIVE, EXCLUSIVE)

    signatures, covered = read_xml(both.encode(), trust, SOON)

    assert [each.reason for each in signatures] == [None, None]
    assert covered is not None


def test_the_signers_certificate_may_stand_behind_its_authoritys(
    authority: CertificationAuthority, trust: TrustAnchors, signed: str
) -> None:
    issuing = "".join(pem(authority.issuing).decode().splitlines()[1:-1])
    chain = signed.replace("<ds:X509Certificate>", f"<ds:X509Certificate>{issuing}</ds:X509Certificate>"
                           "<ds:X509Certificate>", 1)  # fmt: skip

    assert read_xml(chain.encode(), trust, SOON)[0][0].reason is None


def test_an_advanced_signature_is_unsupported_and_no_forgery(trust: TrustAnchors, signed: str) -> None:
    """XAdES puts an object into the signature and refers to it (ETSI EN 319 132-1)."""
    advanced = signed.replace("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object>x</ds:Object>")

    assert refusal(advanced, trust) == "unsupported_form"


def test_several_signatures_count_each_over_those_before_it(
    authority: CertificationAuthority, trust: TrustAnchors, signer_of: Make
) -> None:
    first, second = signer_of(authority), signer_of(authority, "RSA-2048")
    twice = second.xml(first.xml(DOCUMENT))

    signatures, covered = read_xml(twice.encode(), trust, SOON)

    assert [each.certificate for each in signatures] == [first.certificate, second.certificate]
    assert covered is not None
    assert b"Signature" not in covered
    assert refusal(re.sub(r"<ds:Signature .*?</ds:Signature>", "", twice, count=1, flags=re.DOTALL), trust) == (
        "wrong_document"
    )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<k:сома>5<", "<k:сома>6<", "wrong_document"),
        ('a="1"', 'a="2"', "wrong_document"),
        ("<k:сома>5</k:сома>", "<k:сома>5</k:сома><k:сома>9</k:сома>", "wrong_document"),
        ("<ds:DigestValue>", "<ds:DigestValue>AAAA", "forged"),
        ('URI=""', 'URI="#a"', "unsupported_form"),
        ('URI=""', 'URI="http://127.0.0.1/"', "unsupported_form"),
        ('URI=""', 'URI="" Type="x"', "unsupported_form"),
        ("enveloped-signature", "base64", "unsupported_form"),
        ("REC-xml-c14n-20010315#WithComments", "REC-xpath-19991116", "unsupported_form"),
        ("REC-xml-c14n-20010315", "REC-xml-c14n2", "unsupported_form"),
        ("#ecdsa-sha256", "#ecdsa-sha1", "unsupported_algorithm"),
        ("xmldsig-more#ecdsa-sha256", "xmldsig-more#hmac-sha256", "unsupported_algorithm"),
        ("#ecdsa-sha256", "#rsa-sha256", "malformed"),
        ("xmlenc#sha256", "xmldsig#sha1", "unsupported_algorithm"),
        ("<ds:X509Certificate>", "<ds:X509Certificate>*", "malformed"),
        ("<ds:SignatureValue>", "<ds:SignatureValue>AAAA", "malformed"),
        ("<ds:SignatureValue>", "<ds:SignatureValue>*", "malformed"),
        ("<k:сома>", "<!-- 5 --><k:сома>", "comments"),
        ("<k:сома>", "<?pi 5?><k:сома>", "comments"),
        ("<өтініш", "<?xml-stylesheet href='x'?><өтініш", "comments"),
        ("<өтініш", "<!-- x --><өтініш", "comments"),
        ("<өтініш", '<!DOCTYPE өтініш [<!ENTITY a "b">]><өтініш', "document_type"),
        ("<өтініш", '<!DOCTYPE өтініш SYSTEM "file:///etc/passwd"><өтініш', "document_type"),
        ("<k:сома>5", "<k:сома>&a;", "malformed"),
        ("</өтініш>", "", "malformed"),
    ],
)
def test_a_changed_document_or_signature_does_not_count(
    trust: TrustAnchors, signed: str, old: str, new: str, reason: str
) -> None:
    assert old in signed
    changed = signed.replace(old, new, 1)

    assert refusal(changed, trust) == reason


def signature_of(signed: str) -> str:
    found = re.search(r"<ds:Signature .*</ds:Signature>", signed, re.DOTALL)
    assert found is not None
    return found[0]


def test_a_signature_wrapped_away_from_what_it_signed_does_not_count(trust: TrustAnchors, signed: str) -> None:
    """The signed document is put into a corner, and another one takes its place."""
    signature = signature_of(signed)
    inner = signed.removeprefix('<?xml version="1.0" encoding="UTF-8"?>').strip()
    for forged in (
        f"<бөтен>{inner}</бөтен>",
        f"<бөтен><сома>9</сома>{inner}{signature}</бөтен>",
        f"<бөтен><сома>9</сома><x>{signature}</x></бөтен>",
        signed.replace(signature, f"<x>{signature}</x>"),
        signed.replace("<ds:KeyInfo>", f"<ds:Object>{inner}</ds:Object><ds:KeyInfo>"),
        signed.replace("</ds:KeyInfo>", f"</ds:KeyInfo><ds:Object>{inner}</ds:Object>"),
        re.sub(r"(<ds:Reference .*</ds:Reference>)", r"\1\1", signed, flags=re.DOTALL),
        signed.replace("</ds:Transforms>", f'<ds:Transform Algorithm="{CANONICAL}"/></ds:Transforms>'),
        re.sub(r"<ds:Transforms>.*</ds:Transforms>", "<ds:Transforms/>", signed, flags=re.DOTALL),
        re.sub(r"<ds:Transforms>.*</ds:Transforms>", "", signed, flags=re.DOTALL),
    ):
        assert refusal(forged, trust) in {"wrapping", "unsupported_form", "wrong_document"}
    assert refusal(f'<?xml version="1.0"?>{signature}', trust) == "not_enveloped"
    assert refusal(DOCUMENT, trust) == "unsigned"


def test_a_second_signature_hides_nothing_that_was_added_between(
    authority: CertificationAuthority, trust: TrustAnchors, signer_of: Make
) -> None:
    first = signer_of(authority).xml(DOCUMENT)
    added = first.replace("</өтініш>", "<сома>9</сома></өтініш>")
    both = signer_of(authority, "RSA-2048").xml(added)

    signatures, covered = read_xml(both.encode(), trust, SOON)

    assert covered is None
    assert [each.reason for each in signatures] == ["wrong_document", None]


def test_a_key_beside_the_certificate_must_be_the_same(trust: TrustAnchors, signed: str) -> None:
    other = KEYS["RSA-2048"].public_key()
    assert isinstance(other, rsa.RSAPublicKey)
    value = (
        "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>"
        "</ds:RSAKeyValue></ds:KeyValue>"
    )

    assert refusal(signed.replace("<ds:X509Data>", f"{value}<ds:X509Data>"), trust) == "malformed"


def test_a_look_alike_an_expired_and_a_wrong_certificate_are_told_apart(
    authority: CertificationAuthority, trust: TrustAnchors, signed: str, signer_of: Make, tmp_path: Path
) -> None:
    forged = signer_of(establish(tmp_path / "look-alike")).xml(DOCUMENT)

    assert refusal(forged, trust) == "look_alike"
    assert refusal(signed, trust, NOW + timedelta(days=366)) == "expired_certificate"
    assert refusal(signer_of(authority, profile=AUTH).xml(DOCUMENT), trust) == "wrong_profile"


HOSTILE = {
    "empty": "",
    "no XML": "өтініш",
    "too large": f"<a>{'x' * MAX_OCTETS}</a>",
    "nested deeply": "<a>" * 100_000,
    "nested deeply and closed": "<a>" * 100_000 + "</a>" * 100_000,
    "many elements": "<a>" + "<b/>" * 200_000 + "</a>",
    "many attributes": "<a " + " ".join(f'a{n}="1"' for n in range(60_000)) + "/>",
    "many namespaces": "".join(f'<a xmlns:n{n}="u{n}">' for n in range(250)) + "</a>" * 250,
    "many laughs": '<!DOCTYPE a [<!ENTITY b "' + "c" * 1000 + '">]><a>' + "&b;" * 10_000 + "</a>",
    "another encoding": '<?xml version="1.0" encoding="UTF-16"?><a/>',
    "an unknown encoding": '<?xml version="1.0" encoding="x-none"?><a/>',
    "nothing of a signature": '<a><s:Signature xmlns:s="http://www.w3.org/2000/09/xmldsig#"/></a>',
    "zero": "<a>\x00</a>",
}


@pytest.mark.parametrize("form", HOSTILE)
def test_hostile_documents_are_refused_at_once(trust: TrustAnchors, form: str) -> None:
    began = process_time()

    assert refusal(HOSTILE[form], trust) in {"malformed", "too_large", "document_type", "unsigned", "not_enveloped"}
    assert process_time() - began < 1


SIXTY_THOUSAND = {
    "attributes": " ".join(f'a{n}="1"' for n in range(60_000)),
    "namespaces": " ".join(f'xmlns:n{n}="u"' for n in range(60_000)),
}


@pytest.mark.parametrize("names", SIXTY_THOUSAND)
@pytest.mark.parametrize("where", ["<өтініш", "<k:сома"])
def test_names_without_number_in_a_signed_document_are_refused_before_anything_is_computed(
    trust: TrustAnchors, signed: str, names: str, where: str
) -> None:
    """Anybody can add them to a document that somebody signed; its canonical form would take minutes."""
    began = process_time()

    assert refusal(signed.replace(where, f"{where} {SIXTY_THOUSAND[names]}", 1), trust) == "too_large"
    assert process_time() - began < 1


def test_namespaces_are_counted_where_they_are_in_force(
    authority: CertificationAuthority, trust: TrustAnchors, signer_of: Make
) -> None:
    """Many small elements may each have their own; nested ones add up."""
    beside = "".join(f'<р xmlns:n{n}="urn:{n}"/>' for n in range(1000))
    nested = "".join(f'<р xmlns:a{n}="u" xmlns:b{n}="u" xmlns:c{n}="u">' for n in range(100)) + "</р>" * 100

    assert read_xml(signer_of(authority).xml(f"<а>{beside}</а>").encode(), trust, SOON)[1] is not None
    assert refusal(f"<а>{nested}</а>", trust) == "too_large"


def test_the_largest_document_that_is_taken_is_verified_in_reasonable_time(
    authority: CertificationAuthority, trust: TrustAnchors, signer_of: Make
) -> None:
    body = "".join(f'<р n="{n}" xmlns:p{n % 7}="urn:u"/>' for n in range(25_000))
    signed = signer_of(authority).xml(f"<тізім>{body}</тізім>")
    began = process_time()

    assert read_xml(signed.encode(), trust, SOON)[1] is not None
    assert process_time() - began < 5
