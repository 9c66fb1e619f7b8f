"""The organisation's electronic seal on a PDF: PAdES-B-B (ETSI EN 319 142-1) with SHA-256.

The seal certifies the document (ISO 32000-2, 12.8.2.2): any later change breaks it, and readers say so.
"""

import io
from pathlib import Path
from typing import Final

from pydantic import BaseModel, TypeAdapter
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner

from libs.common.pki.der import serial_text


class _Revoked(BaseModel):
    """Of what the ceremony says of a certificate, the number alone matters here."""

    serial: str


_REVOKED: Final = TypeAdapter(tuple[_Revoked, ...])


class Seal:
    """Key and chain of the organisation, from a PKCS#12 file.

    Raises:
        ValueError: the file or its passphrase is wrong, or there is no key or certificate in it.
    """

    def __init__(self, pkcs12: bytes, passphrase: str) -> None:
        self._signer = SimpleSigner.load_pkcs12_data(pkcs12, other_certs=(), passphrase=passphrase.encode())

    @classmethod
    def from_file(cls, path: Path, passphrase: str, revoked: Path | None = None) -> "Seal":
        """Read the seal that the key ceremony of the certification authority made.

        Args:
            revoked: where the ceremony wrote which certificates count no more.

        Raises:
            OSError: one of the files is not there: without the second, nobody knows whether the seal still counts.
            ValueError: as above, or the seal is one of those.
        """
        seal = cls(path.read_bytes(), passphrase)
        if revoked is not None and seal.serial_number in _serials(revoked):
            raise ValueError(f"the seal in {path.name} was revoked: bring the one that the last key ceremony made")
        return seal

    @property
    def serial_number(self) -> str:
        """Its certificate's number, in lower-case hexadecimal."""
        return serial_text(self._signer.signing_cert.serial_number)

    def apply(self, pdf: bytes) -> bytes:
        """Return the document with the seal on it. Takes tens of milliseconds of processor time."""
        metadata = PdfSignatureMetadata(
            field_name="Seal",
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
        )
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        sealed: io.BytesIO = PdfSigner(metadata, self._signer).sign_pdf(writer)
        return sealed.getvalue()


def _serials(revoked: Path) -> frozenset[str]:
    return frozenset(each.serial for each in _REVOKED.validate_json(revoked.read_bytes()))
