import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.core.armour import as_text, unarmoured

LABELS = st.sampled_from(["CERTIFICATE", "CMS", "PKCS7", "X509 CRL", "NEW CERTIFICATE REQUEST", ""])
OTHER = st.text(st.characters(codec="utf-8", exclude_characters="-+/="), max_size=3).filter(
    lambda text: not any(letter.isascii() and letter.isalnum() for letter in text)
)


@given(st.binary(max_size=200), LABELS, st.lists(OTHER, min_size=1), st.text("ab-\n ", max_size=20), st.booleans())
def test_what_is_between_the_symbols_and_around_the_boundaries_changes_nothing(
    octets: bytes, label: str, others: list[str], around: str, padded: bool
) -> None:
    """RFC 7468, 2: other characters SHOULD be ignored; 3, Figure 2: no line break is needed, nor padding."""
    symbols = base64.b64encode(octets).decode()
    kept = symbols if padded else symbols.rstrip("=")
    body = "".join(each + others[place % len(others)] for place, each in enumerate(kept))
    assert unarmoured(f"{around}-----BEGIN {label}-----{body}-----END {label}-----{around}") == (label, octets)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8-sig", "utf-16", "cp1251"])
def test_a_structure_is_found_in_whichever_encoding_the_text_is(encoding: str) -> None:
    text = "-----BEGIN CMS-----\nMAA=\n-----END CMS-----"
    assert unarmoured(as_text(text.encode(encoding))).octets == b"0\0"


@pytest.mark.parametrize(
    "text",
    ["", "MAA=", "-----begin CMS-----\nMAA=\n-----end CMS-----", "-----BEGIN CMS-----\nMAA=M\n-----END CMS-----"],
    ids=["nothing", "no boundaries", "small letters, which are no boundary (erratum 4508)", "padding within"],
)
def test_what_is_no_armour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"PEM|base64|padding|[Dd]ata"):
        unarmoured(text)
