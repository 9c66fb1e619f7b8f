"""What is known of DER before it is read."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.pki.der import header, holds_at_most

Tree = bytes | list["Tree"]
trees = st.recursive(st.binary(max_size=300), lambda inner: st.lists(inner, max_size=5), max_leaves=40)


def written(tree: Tree) -> tuple[bytes, int]:
    """Give DER, and how many values are in it."""
    if isinstance(tree, bytes):
        return header(0x04, len(tree)) + tree, 1
    parts = [written(each) for each in tree]
    content = b"".join(der for der, _ in parts)
    return header(0x30, len(content)) + content, 1 + sum(count for _, count in parts)


@given(trees)
def test_values_are_counted_at_every_depth(tree: Tree) -> None:
    der, values = written(tree)

    assert holds_at_most(values, der)
    assert not holds_at_most(values - 1, der)


@given(st.binary(max_size=200), st.integers(0, 20))
def test_any_octets_are_looked_at_and_no_more_than_needed(octets: bytes, values: int) -> None:
    assert holds_at_most(values, octets) in {True, False}


@pytest.mark.parametrize("octets", [b"\x30\x80", b"\x05\x00", b"\x30\x00", b"\x00\x00"])
def test_millions_of_values_are_told_at_once(octets: bytes) -> None:
    began = process_time()

    assert not holds_at_most(1000, octets * 5_000_000)
    assert process_time() - began < 0.1


def test_a_tag_of_several_octets_hides_nothing() -> None:
    assert not holds_at_most(10, b"\x1f\x84\x7f\x00" + b"\x05\x00" * 1000)
