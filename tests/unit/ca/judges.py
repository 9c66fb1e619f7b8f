"""Outside judges of certificates and revocation lists. A missing program fails the test, it is never skipped."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint import etsi, loader, pkix  # type: ignore[import-untyped]  # it ships no types
from pkilint.etsi.etsi_constants import CertificateType  # type: ignore[import-untyped]  # it ships no types
from pkilint.pkix import certificate, crl, extension, name, ocsp  # type: ignore[import-untyped]  # it ships no types
from pkilint.validation import (  # type: ignore[import-untyped]  # it ships no types
    ValidationFindingSeverity,
    ValidationResult,
)

from services.ca.model.certificate import Certificate
from services.ca.model.ids import ShardId
from tests.unit.ca.hierarchies import NOW
from tests.unit.ca.ocsp_harness import OcspHost

AT = str(int(NOW.timestamp()) + 1)
_TABLE = Path(__file__).parents[3] / "docs" / "pki-findings.md"
EXPLAINED = frozenset(re.findall(r"^\| `([^`]+)` \|", _TABLE.read_text(encoding="utf-8"), re.MULTILINE))
"""Findings that the documentation explains: no other may be made."""


def run(*command: str | Path, refused: bool = False) -> str:
    """Give what the program printed; it has to accept, or to refuse, what it was given."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=60)
    assert (done.returncode != 0) is refused, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


async def judged_by_openssl(
    counter: OcspHost, certificate: Certificate, folder: Path, *, revoked: bool = False
) -> None:
    """Follow the chain among all that are served, with the list of the certificate's own issuer."""
    der = await counter.lists.revocation_list(ShardId(certificate.issuer, certificate.crl_shard))
    assert der is not None
    (folder / "crl.pem").write_bytes(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM))
    (folder / "one.pem").write_text(certificate.text.value.pem)
    home, at = counter.authority.directory, str(int(counter.world.now.timestamp()) + 1)
    said = run("openssl", "verify", "-x509_strict", "-attime", at, "-crl_check", "-extended_crl", "-CAfile",
               home / "root.pem", "-untrusted", home / "issuers.pem", "-CRLfile", folder / "crl.pem",
               folder / "one.pem", refused=revoked)  # fmt: skip
    assert ("certificate revoked" in said) is revoked


def lint_certificate(der: bytes) -> list[str]:
    """Give every finding of pkilint's RFC 5280 rules from NOTICE up."""
    validator = certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )
    document = loader.RFC5280CertificateDocumentLoader().load_der_document(der, "certificate")
    return _findings(validator.validate(document.root))


def lint_etsi(der: bytes, kind: str) -> list[str]:
    """Give every finding of pkilint's rules of ETSI EN 319 412 from NOTICE up; ``kind`` by its option name."""
    kind_of_certificate = CertificateType.from_option_str(kind)
    validator = certificate.create_pkix_certificate_validator_container(
        etsi.create_decoding_validators(kind_of_certificate), etsi.create_validators(kind_of_certificate)
    )
    document = loader.RFC5280CertificateDocumentLoader().load_der_document(der, "certificate")
    return _findings(validator.validate(document.root))


def lint_crl(der: bytes) -> list[str]:
    """Give every finding of pkilint's rules for revocation lists from NOTICE up."""
    validator = crl.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
        ],
    )
    document = loader.RFC5280CertificateListDocumentLoader().load_der_document(der, "list")
    return _findings(validator.validate(document.root))


def _findings(results: Sequence[ValidationResult]) -> list[str]:
    return sorted(
        description.finding.code
        for result in results
        for description in result.finding_descriptions
        if description.finding.severity <= ValidationFindingSeverity.NOTICE
    )


def lint_ocsp(der: bytes) -> list[str]:
    """Give every finding of pkilint's rules for OCSP responses from NOTICE up."""
    validator = ocsp.create_pkix_ocsp_response_validator_container(
        [
            ocsp.create_response_decoder(),
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [],
    )
    document = loader.RFC6960OCSPResponseDocumentLoader().load_der_document(der, "response")
    return _findings(validator.validate(document.root))
