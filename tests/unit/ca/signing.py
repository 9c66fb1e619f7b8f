"""Signatures as citizens' programs make them: OpenSSL, pyHanko with our time-stamps, xmlsec1."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import randbits

from asn1crypto import keys as asn1_keys  # type: ignore[import-untyped]  # it ships no types
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.sign.signers import SimpleSigner
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from services.ca.authority.hierarchy import TSA
from services.ca.keys.store import require_ec
from services.ca.timestamp.stamping import TimeStampAuthority, read_request, request_for
from tests.unit.ca.hierarchies import CertificationAuthority, keystore, pem
from tests.unit.ca.judges import run

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DATA = "Өтініш: қандас мәртебесін беру\n".encode()
TSA_POLICY = x509.ObjectIdentifier("1.2.398.3.3.2.6.2")
INCLUSIVE_NAMESPACES = '<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="%s"/>'
CANONICAL = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"


@dataclass(frozen=True)
class Signer:
    """A certificate, its key, and a folder for the programs that sign with them."""

    certificate: x509.Certificate
    key: PrivateKey
    folder: Path

    def files(self) -> tuple[Path, Path]:
        """Write certificate and key; give their places."""
        name = self.folder / f"{self.certificate.serial_number:x}"
        certificate, key = name.with_suffix(".pem"), name.with_suffix(".key")
        certificate.write_bytes(pem(self.certificate))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, key

    def cms(self, *others: "Signer", data: bytes = DATA, options: Sequence[str | Path] = ("-cades",)) -> bytes:
        """Let OpenSSL sign, detached unless the options say otherwise."""
        (self.folder / "data").write_bytes(data)
        who = [part for each in (self, *others) for part in ("-signer", each.files()[0], "-inkey", each.files()[1])]
        run("openssl", "cms", "-sign", "-binary", "-md", "sha256", *options, "-in", self.folder / "data",
            "-outform", "DER", *who, "-out", self.folder / "signature")  # fmt: skip
        return (self.folder / "signature").read_bytes()

    async def stamped(self, stamper: TimeStamper, data: bytes = DATA) -> bytes:
        """Let pyHanko sign, with a time-stamp over the signature (CAdES-T)."""
        return await self.pyhanko(data, stamper=stamper)

    async def pyhanko(
        self, data: bytes = DATA, digest: str = "sha256", *, pss: bool = False, stamper: TimeStamper | None = None
    ) -> bytes:
        """Let pyHanko sign, detached."""
        key = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        signer = SimpleSigner(
            asn1_x509.Certificate.load(self.certificate.public_bytes(Encoding.DER)),
            asn1_keys.PrivateKeyInfo.load(key),
            SimpleCertificateStore(),  # type: ignore[no-untyped-call]  # its constructor has no annotations
            prefer_pss=pss,
        )
        made = await signer.async_sign_general_data(data, digest, use_cades=True, timestamper=stamper)
        signature: bytes = made.dump()
        return signature

    def xml(
        self,
        document: str,
        transform: str = f"{CANONICAL}#WithComments",
        form: str = CANONICAL,
        prefix: str = "ds:",
        listed: str | None = None,
    ) -> str:
        """Let xmlsec1 sign, in the form of NCALayer: enveloped at the end of the root, with the certificate.

        Args:
            transform: the canonical form of the document.
            form: the canonical form of what is signed.
            prefix: of the signature's elements.
            listed: the prefixes that both exclusive forms treat as the inclusive one does.
        """
        start, end = document.rsplit("</", 1)
        template = self._template(transform, form, "" if listed is None else INCLUSIVE_NAMESPACES % listed)
        if not prefix:
            template = template.replace("xmlns:ds=", "xmlns=").replace("ds:", "")
        (self.folder / "template.xml").write_text(f"{start}{template}</{end}", encoding="utf-8")
        certificate, key = self.files()
        run("xmlsec1", "--sign", "--privkey-pem", f"{key},{certificate}",
            "--node-xpath", "(//*[local-name()='Signature'])[last()]", "--output", self.folder / "signed.xml",
            self.folder / "template.xml")  # fmt: skip
        return (self.folder / "signed.xml").read_text(encoding="utf-8")

    def _template(self, transform: str, form: str, listed: str) -> str:
        method = "ecdsa" if isinstance(self.key, ec.EllipticCurvePrivateKey) else "rsa"
        return f"""<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">
<ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="{form}">{listed}</ds:CanonicalizationMethod>
<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#{method}-sha256"/>
<ds:Reference URI="">
<ds:Transforms>
<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
<ds:Transform Algorithm="{transform}">{listed}</ds:Transform>
</ds:Transforms>
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>
<ds:DigestValue/>
</ds:Reference>
</ds:SignedInfo>
<ds:SignatureValue/>
<ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo>
</ds:Signature>"""


class OurStamps(TimeStamper):
    """Lets pyHanko ask the authority's own time-stamping, at a time of choice."""

    def __init__(self, authority: CertificationAuthority, at: datetime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # its constructor has no annotations
        tsa_key = require_ec(keystore(authority.directory).load(TSA), TSA)
        self.authority = TimeStampAuthority(authority.hierarchy.tsa, tsa_key, TSA_POLICY, at - at)
        self.at = at

    def answer(self, request: bytes) -> bytes:
        """Answer a request in DER."""
        return self.authority.stamp(read_request(request), self.at, randbits(120))

    def over(self, digest: bytes) -> bytes:
        """Stamp a digest (SHA-256)."""
        return self.authority.stamp(request_for(digest), self.at, randbits(120))

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        return tsp.TimeStampResp.load(self.answer(req.dump()))
