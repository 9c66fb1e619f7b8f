"""Why the authority refuses. `services.ca.problems` says how HTTP answers, `services/ca/texts` in which words."""

from enum import StrEnum


class CaRefusal(StrEnum):
    """A reason; the value is the last part of the problem's ``type``."""

    ENROLMENT_NOT_OPEN = "enrolment.not_open"
    ENROLMENT_CLOSED = "enrolment.closed"
    ENROLMENT_OTHER_KEYS = "enrolment.other_keys"
    CSR_MALFORMED = "csr.malformed"
    CSR_BAD_SIGNATURE = "csr.bad_signature"
    CSR_SAME_KEY_TWICE = "csr.same_key_twice"
    CSR_GOST_KEY = "csr.gost_key"
    CSR_FOREIGN_KEY_TYPE = "csr.foreign_key_type"
    CSR_KEY_CURVE = "csr.key_curve"
    CSR_KEY_SIZE = "csr.key_size"
    CSR_KEY_EXPONENT = "csr.key_exponent"
    CSR_KEY_FACTORABLE = "csr.key_factorable"
    CSR_KEY_ROCA = "csr.key_roca"
    CSR_KEY_COMPROMISED = "csr.key_compromised"
    CSR_KEY_IN_USE = "csr.key_in_use"
    RENEWAL_SIGNATURE_MISSING = "vouching.signature_missing"
    RENEWAL_OTHER_HOLDER = "vouching.other_holder"
    RENEWAL_CERTIFICATE_REVOKED = "vouching.certificate_revoked"
    REVOCATION_MALFORMED = "revocation.malformed"
    CERTIFICATE_UNKNOWN = "certificate.unknown"
    CERTIFICATE_REVOKED = "certificate.revoked"
    CRL_UNKNOWN = "crl.unknown"
    CHECKPOINT_NONE = "checkpoint.none"
    VERIFY_UNAVAILABLE = "verify.unavailable"
