"""Signatures in XML as Java's own library writes them: valid ones count, and forms that are not taken are named so.

``xml/reported`` came with a report: no prefix, Canonical XML 1.0, the defaults of the JDK and .NET. ``xml/java`` was
written by the JDK 17 (`javax.xml.crypto.dsig`): its forms, prefixes, keys beside the certificate, line ends. For both,
xmlsec1 says the same.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.common.pki.trust import TrustAnchors
from services.ca.verification.xml_signatures import XmlRefusal, read_xml
from tests.unit.ca.judges import run

FOLDER = Path(__file__).with_name("xml")
AT = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
VALID = sorted(FOLDER.glob("java/*.xml")) + sorted(FOLDER.glob("reported/*.xml"))


def anchors(folder: Path) -> TrustAnchors:
    return TrustAnchors.from_pem((folder / "root.pem").read_bytes(), (folder / "issuers.pem").read_bytes())


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_a_signature_by_java_counts_as_xmlsec_says(file: Path, tmp_path: Path) -> None:
    signatures, covered = read_xml(file.read_bytes(), anchors(file.parent), AT)

    assert [each.reason for each in signatures] == [None] * (2 if file.stem == "ec-twice" else 1)
    assert covered is not None
    assert b"Signature" not in covered
    issuers = (file.parent / "issuers.pem").read_text().split("-----BEGIN")[1:]
    untrusted: list[str | Path] = []
    for number, issuer in enumerate(issuers):
        path = tmp_path / f"{number}.pem"
        path.write_text(f"-----BEGIN{issuer}")
        untrusted += ["--untrusted-pem", path]
    run("xmlsec1", "--verify", "--verification-gmt-time", f"{AT:%Y-%m-%d %H:%M:%S}", "--enabled-key-data", "x509",
        "--trusted-pem", file.parent / "root.pem", *untrusted, "--node-xpath",
        "(//*[local-name()='Signature'])[last()]", file)  # fmt: skip


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_the_same_document_with_another_amount_does_not_count(file: Path) -> None:
    changed = file.read_text(encoding="utf-8").replace(">5</", ">6</", 1)

    signatures, covered = read_xml(changed.encode(), anchors(file.parent), AT)

    assert covered is None
    assert signatures[0].reason is XmlRefusal.WRONG_DOCUMENT


def test_a_form_that_is_not_taken_is_unsupported_and_no_forgery() -> None:
    """The canonical form before the signature is left out: octets have no signature to leave out (6.6.4)."""
    document = (FOLDER / "unsupported" / "canonical-form-first.xml").read_bytes()

    (signature,), covered = read_xml(document, anchors(FOLDER / "java"), AT)

    assert (signature.reason, covered) == (XmlRefusal.UNSUPPORTED_FORM, None)
