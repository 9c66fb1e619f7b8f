"""Object identifiers of the national authority's certificate profiles.

Arc 1.2.398.3.3 belongs to the National Certification Authority of Kazakhstan; the meanings are those of
its published certificate policies. ``.2`` holds policies, ``.4`` extended key usages.
"""

from typing import Final

from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import NameOID

POLICY_LEGAL_ENTITY_SIGN: Final = ObjectIdentifier("1.2.398.3.3.2.1")
POLICY_PERSON_SIGN: Final = ObjectIdentifier("1.2.398.3.3.2.3")
POLICY_PERSON_AUTH: Final = ObjectIdentifier("1.2.398.3.3.2.4")

PERSON: Final = ObjectIdentifier("1.2.398.3.3.4.1.1")
"""The holder is a natural person."""
LEGAL_ENTITY: Final = ObjectIdentifier("1.2.398.3.3.4.1.2")
"""The holder is, or acts for, a legal entity."""
HEAD: Final = ObjectIdentifier("1.2.398.3.3.4.1.2.1")
"""Role under LEGAL_ENTITY: its first head, who may sign everything."""
SIGNER: Final = ObjectIdentifier("1.2.398.3.3.4.1.2.2")
"""Role under LEGAL_ENTITY: may sign."""
FINANCE_SIGNER: Final = ObjectIdentifier("1.2.398.3.3.4.1.2.3")
"""Role under LEGAL_ENTITY: may sign financial documents."""
PERSONNEL: Final = ObjectIdentifier("1.2.398.3.3.4.1.2.4")
"""Role under LEGAL_ENTITY: of the personnel department."""
EMPLOYEE: Final = ObjectIdentifier("1.2.398.3.3.4.1.2.5")
"""Role under LEGAL_ENTITY: an employee."""
INFORMATION_SYSTEM: Final = ObjectIdentifier("1.2.398.3.3.4.1.2.6")
"""Role under LEGAL_ENTITY: an information system, not a human, holds the key."""
IDENTIFIED_BY_DIGITAL_ID: Final = ObjectIdentifier("1.2.398.3.3.4.3.2.1")
"""How the holder was identified: remotely, by Digital ID (a face compared with the identity document)."""

FULL_NAME: Final = ObjectIdentifier("2.5.4.41")
"""The attribute ``name`` of X.520, 6.2.1, with up to 32,768 characters (ub-name, RFC 5280 appendix A.1)."""

NAME_KEYWORDS: Final = {
    NameOID.SERIAL_NUMBER: "SERIALNUMBER",
    NameOID.SURNAME: "SURNAME",
    NameOID.GIVEN_NAME: "G",
    NameOID.EMAIL_ADDRESS: "E",
}
"""Keywords beyond RFC 4514, 3, under which the country's programs write and read these attributes of a name."""
