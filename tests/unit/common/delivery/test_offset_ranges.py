"""Sets of offsets that fit into a committed offset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.core.errors import Permanent
from libs.common.delivery.offset_ranges import Ranges


@given(st.lists(st.integers(0, 60)))
def test_what_was_added_is_in_the_set_and_nothing_else_also_after_a_commit(offsets: list[int]) -> None:
    ranges = Ranges()
    for offset in offsets:
        ranges = Ranges.of_commit(*ranges.with_(offset).as_commit())
    assert [offset for offset in range(70) if offset in ranges] == sorted(set(offsets))


def test_a_set_without_gaps_is_one_number() -> None:
    ranges = Ranges()
    for offset in (2, 0, 1, 3, 3):
        ranges = ranges.with_(offset)
    assert ranges.as_commit() == (4, "")


def test_a_partition_whose_beginning_is_gone_is_one_range() -> None:
    ranges = Ranges()
    for offset in range(1000, 9000):
        ranges = ranges.with_(offset)
    assert ranges.as_commit() == (0, "1000-8999")


def test_too_many_gaps_are_refused_not_forgotten() -> None:
    with pytest.raises(Permanent, match="Redrive the earlier ones first"):
        Ranges(0, frozenset(range(1, 5000, 2))).as_commit()
