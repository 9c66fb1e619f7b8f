"""Certificate requests (PKCS#10, RFC 2986)."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from libs.citizen.keys.private_keys import PrivateKey


def make_request(key: PrivateKey) -> str:
    """Return a PEM request for `key`, signed by it: that signature proves possession of the private half.

    The subject is empty on purpose. The authority takes the name from the population register and never
    from the request, so a request that travels or is kept tells nothing about the person.
    """
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode("ascii")
