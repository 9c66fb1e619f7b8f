"""The organisation's electronic seal on a PDF: PAdES-B-B (ETSI EN 319 142-1) with SHA-256.

The seal certifies the document (ISO 32000-2, 12.8.2.2): any later change breaks it, and readers say so.
"""

import io
from pathlib import Path

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner


class Seal:
    """Key and chain of the organisation, from a PKCS#12 file.

    Raises:
        ValueError: the file or its passphrase is wrong, or there is no key or certificate in it.
    """

    def __init__(self, pkcs12: bytes, passphrase: str) -> None:
        self._signer = SimpleSigner.load_pkcs12_data(pkcs12, other_certs=(), passphrase=passphrase.encode())

    @classmethod
    def from_file(cls, path: Path, passphrase: str) -> "Seal":
        """Read the seal that the key ceremony of the certification authority made."""
        return cls(path.read_bytes(), passphrase)

    def apply(self, pdf: bytes) -> bytes:
        """Give the document with the seal on it. Takes tens of milliseconds of processor time."""
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
