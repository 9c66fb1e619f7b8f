"""The names of a certificate, read without the library's objection to long ones in Cyrillic."""

import warnings

from cryptography import x509


def subject_of(certificate: x509.Certificate) -> x509.Name:
    """Return whose certificate it is.

    Upper bounds are of characters (RFC 5280, appendix A.1). The library counts octets of UTF-8, and warns of a common
    name from 33 Cyrillic letters on.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Attribute's length must be", UserWarning)
        return certificate.subject
