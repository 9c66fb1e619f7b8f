"""Certificate requests as tools write them: what RFC 7468 allows around the armour, and what Windows adds."""

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from services.ca.enrolment.csr import CsrRefused, parse

KEY = rsa.generate_private_key(65537, 2048)
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Кім болса да!")])
REQUEST = x509.CertificateSigningRequestBuilder(NAME).sign(KEY, hashes.SHA256())
PEM = REQUEST.public_bytes(Encoding.PEM).decode()
BODY = base64.b64encode(REQUEST.public_bytes(Encoding.DER)).decode()
BEGIN, END = "-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----"

FORMS: dict[str, bytes] = {
    "explanatory text before (section 2)": f"Subject: CN = somebody\nkey: 256 bit\n\n{PEM}".encode(),
    "text behind it (section 2)": f"{PEM}\nsent by mail, 2026-03-02\n".encode(),
    "attributes as openssl pkcs12 writes them": f"Bag Attributes\n    friendlyName: key\n{PEM}".encode(),
    "the older label of keytool and certreq (section 7)": PEM.replace("CERTIFICATE", "NEW CERTIFICATE").encode(),
    "lines of any length (laxtextualmsg)": f"{BEGIN}\n{BODY}\n{END}".encode(),
    "a line for every four characters": "\n".join(
        [BEGIN, *(BODY[at : at + 4] for at in range(0, len(BODY), 4)), END]
    ).encode(),
    "white space within and behind lines": PEM.replace("\n", " \t\n").encode(),
    "line feeds of Windows": PEM.replace("\n", "\r\n").encode(),
    "carriage returns alone": PEM.replace("\n", "\r").encode(),
    "no line at all: no line break is needed after a boundary (section 3, preeb)": f"{BEGIN}{BODY}{END}".encode(),
    "no padding, which laxbase64text lets be missing": PEM.replace("=", "").encode(),
    "padding in lines of its own": PEM.replace("=", "\n=").encode(),
    "spaces of a web page, which are not of base64 (section 2)": PEM.replace("\n", "\u00a0\u200b\n").encode(),
    "quoted in a mail, so that no line begins with a boundary": "".join(
        f"> {line}\n" for line in PEM.splitlines()
    ).encode(),
    "text with dashes before": f"-----BEGIN of my request\n{PEM}".encode(),
    "text of another code page before": "Запрос\n".encode("cp1251") + PEM.encode(),
    "form feeds and vertical tabs (W)": PEM.replace("\n", "\v\f\n").encode(),
    "a byte order mark": PEM.encode("utf-8-sig"),
    "UTF-16 of Windows, little-endian": b"\xff\xfe" + PEM.replace("\n", "\r\n").encode("utf-16-le"),
    "UTF-16, big-endian": b"\xfe\xff" + PEM.encode("utf-16-be"),
}
WRONG: dict[str, bytes] = {
    "two requests": (PEM + PEM).encode(),
    "a private key beside it, which is nobody's to send": KEY.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    + PEM.encode(),
    "labels that differ": PEM.replace("END CERTIFICATE", "END NEW CERTIFICATE").encode(),
    "headers of RFC 1421, which RFC 7468 forbids": PEM.replace(f"{BEGIN}\n", f"{BEGIN}\nProc-Type: 4\n\n").encode(),
    "a certificate": PEM.replace("CERTIFICATE REQUEST", "CERTIFICATE").encode(),
    "no end": PEM.replace(END, "").encode(),
    "padding within": f"{BEGIN}\n{BODY[:8]}=={BODY[8:]}\n{END}".encode(),
    "half a UTF-16 character": b"\xff\xfe" + PEM.encode("utf-16-le") + b"\x00",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_request_is_read_in_every_form_that_tools_write(form: str) -> None:
    assert parse(FORMS[form]).public_key == KEY.public_key()


@pytest.mark.parametrize("form", WRONG)
def test_what_is_not_one_request_is_malformed(form: str) -> None:
    with pytest.raises(CsrRefused) as caught:
        parse(WRONG[form])
    assert caught.value.key == "csr.malformed"


def test_the_request_of_these_tests_has_padding() -> None:
    assert BODY.endswith("=")


CURVE, LARGEST = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 4096)


@pytest.mark.parametrize("key", [CURVE, LARGEST], ids=["P-256", "RSA-4096"])
def test_a_request_as_openssl_prints_it_with_its_text_is_read(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    """And as PowerShell 5 writes such an output to a file."""
    file = tmp_path / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    command = ["openssl", "req", "-new", "-text", "-key", str(file), "-subj", "/CN=somebody"]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    assert printed.startswith(b"Certificate Request:")
    assert parse(printed).public_key == key.public_key()
    by_powershell = b"\xff\xfe" + printed.decode().replace("\n", "\r\n").encode("utf-16-le")
    assert parse(by_powershell).public_key == key.public_key()
