"""Signatures of other programs: the files of ``cms`` came with a report, of the same document by the same key."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.common.pki.cms import verify_detached
from libs.common.pki.trust import TrustAnchors

FOLDER = Path(__file__).with_name("cms")
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("named_by", ["key-identifier", "issuer-and-serial"])
def test_a_signer_counts_however_it_is_named(named_by: str) -> None:
    """RFC 5652, 5.3: "Implementations MUST support reception of both forms"."""
    trust = TrustAnchors.from_pem((FOLDER / "root.pem").read_bytes(), (FOLDER / "issuers.pem").read_bytes())
    signature, document = (FOLDER / f"{named_by}-der.p7s").read_bytes(), (FOLDER / "data").read_bytes()

    verified = verify_detached(signature, document, trust, AT)

    assert verified.iin == "830717350867"
