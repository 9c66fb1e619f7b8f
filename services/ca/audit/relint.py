"""Linting a certificate again that was issued: does it pass today's rules, and is it what its record says?"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import AuthorityInformationAccessOID

from libs.common.pki.der import serial_text
from services.ca.authority.issuers import Issuer
from services.ca.enrolment.facts import EnrolmentFacts, holder_of
from services.ca.issuance.authority import order_of
from services.ca.issuance.lint import LintError, lint
from services.ca.model.certificate import Certificate, RequestedKey
from services.ca.model.profiles import Publication
from services.ca.model.subject import UnusableNameError


def troubles(
    stored: Certificate,
    signed: x509.Certificate,
    request: RequestedKey,
    facts: EnrolmentFacts,
    *,
    issuer: Issuer,
    base_urls: Iterable[str],
) -> Iterator[str]:
    """Return what is wrong with a stored certificate.

    Args:
        base_urls: where the authority was published at one time or another; the certificate must fit one of them.
    """
    if serial_text(signed.serial_number) != stored.serial:
        yield "it is stored under another serial number"
    try:
        issuer.verify(signed.signature, signed.tbs_certificate_bytes)
    except InvalidSignature:
        yield "its signature does not verify"
    found: tuple[str, ...] = ()
    for publication in _publications(base_urls, signed):
        try:
            order = order_of(stored, request, holder_of(facts))
            lint(signed.tbs_certificate_bytes, order, issuer, publication)
        except LintError as error:
            found = error.findings
        except UnusableNameError as error:
            found = (str(error),)
        else:
            return
    yield from found


def _publications(base_urls: Iterable[str], signed: x509.Certificate) -> Iterator[Publication]:
    """Return the places it may name; whether there was a responder then, the certificate itself says."""
    access = signed.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    ocsp = any(each.access_method == AuthorityInformationAccessOID.OCSP for each in access)
    for base_url in sorted(base_urls):
        yield replace(Publication(base_url), ocsp=ocsp)
