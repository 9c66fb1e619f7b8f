"""Personal data leaves memory only sealed, opens only where it belongs, and only for who holds the key."""

import base64
import json
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from libs.common.contracts.events import Event, MalformedMessage, Meta, decode, encode
from libs.common.core.errors import Permanent, Retryable
from libs.common.core.sealing import Box, KeyNotHere, Keyring, Personal, Sealed, SealError, Sealing
from libs.common.core.values import iin_check_digit
from tests.unit.common.shop_harness import NOON

BLIND = bytes(32)
OURS = Keyring({"person": {"1": b"p" * 32}, "contact": {"1": b"c" * 32}}, BLIND)
STRANGER = Keyring({"contact": {"1": b"c" * 32}}, BLIND)
ROTATED = Keyring({"person": {"1": b"p" * 32, "2": b"q" * 32}}, BLIND)


class Somebody(Personal):
    audience: ClassVar[str] = "person"

    iin: str
    name: str
    note: str | None = None


class Reach(Personal):
    audience: ClassVar[str] = "contact"

    phone: str


class Met(Event):
    topic: ClassVar[str] = "somebody.met"

    who: Sealed[Somebody]
    reach: Sealed[Reach] | None = None
    place: str = "here"


def meta(id_: str = "1") -> Meta:
    return Meta(id_, Met.type(), "test", NOON, "journey", "journey")


def met(**changes: str) -> Met:
    return Met(who=Sealed(Somebody(**{"iin": "850105300126", "name": "Aizhan", **changes})))


@st.composite
def iins(draw: st.DrawFn) -> str:
    first = draw(st.text("0123456789", min_size=11, max_size=11).filter(lambda text: iin_check_digit(text) is not None))
    return f"{first}{iin_check_digit(first)}"


def names() -> st.SearchStrategy[str]:
    """Any text, after a letter that stands in nothing else that is sent: a name like "nul" is part of "null"."""
    return st.text(min_size=2, max_size=79).map(lambda text: f"Ә{text}")


@given(iins(), names(), st.none() | st.text(min_size=3, max_size=200))
def test_nothing_personal_stands_in_what_is_sent_and_all_of_it_comes_back(
    iin: str, name: str, note: str | None
) -> None:
    event = met(iin=iin, name=name, **({"note": note} if note else {}))
    value = encode(event, meta(), OURS)
    shown = json.dumps({k: v for k, v in json.loads(value).items() if k != "who"}, ensure_ascii=False)
    assert iin.encode() not in value
    assert name not in shown
    assert decode(Met, meta(), value, OURS) == event
    assert iin not in repr(event)
    assert name not in repr(event)


def test_the_same_value_is_never_sealed_the_same_way_twice() -> None:
    assert encode(met(), meta(), OURS) != encode(met(), meta(), OURS)


class Pair(Event):
    topic: ClassVar[str] = "somebody.met"

    first: Sealed[Somebody]
    second: Sealed[Somebody] | None = None


@pytest.mark.parametrize("moved", [meta("2"), replace(meta(), subject="another"), replace(meta(), type="other.v1")])
def test_a_box_opens_only_in_the_message_it_was_sealed_for(moved: Meta) -> None:
    value = encode(met(), meta(), OURS)
    assert decode(Met, meta(), value, OURS) == met()
    with pytest.raises(MalformedMessage, match="belongs to another"):
        decode(Met, moved, value, OURS)


def test_a_box_opens_only_in_the_field_it_was_sealed_for() -> None:
    pair = Pair(first=Sealed(Somebody(iin="1", name="x")), second=Sealed(Somebody(iin="2", name="y")))
    boxes = json.loads(encode(pair, meta(), OURS))
    swapped = json.dumps({"first": boxes["second"], "second": boxes["first"]}).encode()
    with pytest.raises(MalformedMessage, match="belongs to another"):
        decode(Pair, meta(), swapped, OURS)


def test_a_box_moved_to_another_message_is_refused() -> None:
    with pytest.raises(MalformedMessage, match="belongs to another"):
        decode(Met, meta("2"), encode(met(), meta("1"), OURS), OURS)


@given(st.integers(0, 40), st.integers(1, 255), st.text("AZaz09+/=*é", max_size=5))
def test_a_box_altered_anywhere_is_refused(at: int, by: int, junk: str) -> None:
    box = OURS.seal("person", b'{"iin": "1"}', "place")
    raw = bytearray(base64.b64decode(box.box))
    raw[at % len(raw)] ^= by
    for altered in (base64.b64encode(raw).decode(), f"*{box.box}", f"{box.box}AAAA", f"é{junk}"):
        with pytest.raises(SealError):
            OURS.open(Box(box.kid, altered), "place")


def test_a_box_cut_short_is_refused() -> None:
    box = OURS.seal("person", b"{}", "place")
    for length in (0, 4, 12, 16, 24):
        with pytest.raises(SealError):
            OURS.open(Box(box.kid, box.box[:length]), "place")


def test_a_box_named_for_another_key_is_refused() -> None:
    box = ROTATED.seal("person", b"{}", "place")
    with pytest.raises(SealError):
        ROTATED.open(Box("person.1", box.box), "place")


def test_a_field_takes_only_boxes_of_its_own_audience() -> None:
    box = OURS.seal("contact", Somebody(iin="1", name="x").model_dump_json().encode(), meta().place())
    value = json.dumps({"who": {"kid": box.kid, "box": box.box}}).encode()
    with pytest.raises(MalformedMessage, match="sealed for 'person'"):
        decode(Met, meta(), value, OURS)


def test_who_lacks_the_key_reads_the_rest_and_nothing_more() -> None:
    read = decode(Met, meta(), encode(met(), meta(), OURS), STRANGER)
    assert read.place == "here"
    assert not read.who.readable
    with pytest.raises(SealError):
        _ = read.who.value


def test_what_cannot_be_read_cannot_be_passed_on() -> None:
    read = decode(Met, meta(), encode(met(), meta(), OURS), STRANGER)
    with pytest.raises(PydanticSerializationError, match="cannot be written either"):
        encode(read, meta("2"), STRANGER)


def test_nobody_seals_without_the_key() -> None:
    with pytest.raises(PydanticSerializationError, match="no key for the audience"):
        encode(met(), meta(), STRANGER)


def test_personal_data_is_not_written_without_a_keyring_at_hand() -> None:
    with pytest.raises(PydanticSerializationError, match="keyring at hand"):
        met().model_dump_json()


def test_a_rotated_keyring_opens_old_boxes_and_seals_new_ones_with_the_newest_key() -> None:
    old = encode(met(), meta(), OURS)
    assert decode(Met, meta(), old, ROTATED) == met()
    assert json.loads(encode(met(), meta(), ROTATED))["who"]["kid"] == "person.2"


def test_a_key_that_did_not_come_yet_is_waited_for_and_one_that_never_will_is_not() -> None:
    value = encode(met(), meta(), ROTATED)
    with pytest.raises(KeyNotHere) as waiting:
        decode(Met, meta(), value, OURS)
    assert isinstance(waiting.value, Retryable)
    foreign = value.replace(b"person.2", b"nobody.2")
    with pytest.raises(Permanent):
        decode(Met, meta(), foreign, OURS)


def test_a_message_that_is_not_valid_is_refused_without_a_word_of_what_it_said() -> None:
    value = json.dumps({"who": {"iin": "850105300126", "name": "Aizhan"}, "place": ["Aizhan"]}).encode()
    with pytest.raises(MalformedMessage) as caught:
        decode(Met, meta(), value, OURS)
    assert "Aizhan" not in str(caught.value)
    assert "850105300126" not in str(caught.value)


def test_an_event_too_large_for_everybody_is_not_even_made() -> None:
    with pytest.raises(ValueError, match="262144 are allowed"):
        encode(Met(who=Sealed(Somebody(iin="1", name="x")), place="x" * 300_000), meta(), OURS)


def test_a_blind_name_is_stable_and_tells_nothing() -> None:
    name = OURS.blind("iin", "850105300126")
    assert name == OURS.blind("iin", "850105300126") == STRANGER.blind("iin", "850105300126")
    assert name != OURS.blind("phone", "850105300126")
    assert name != Keyring({}, b"x" * 32).blind("iin", "850105300126")
    assert "850105300126" not in name


def test_a_keyring_of_a_setting_is_read_and_a_short_key_refused() -> None:
    text = json.dumps({"keys": {"person": {"1": "cHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHA="}}, "blind": "AAAA"})
    assert decode(Met, meta(), encode(met(), meta(), OURS), Keyring.parse(text)) == met()
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring({"person": {"1": b"short"}}, BLIND)


class Stored(BaseModel):
    who: Sealed[Somebody]


def test_a_document_at_rest_is_sealed_for_its_own_place() -> None:
    context = Sealing(OURS, "people/1")
    raw = Stored(who=met().who).model_dump(mode="json", context=context)
    assert "Aizhan" not in repr(raw)
    assert Stored.model_validate_json(json.dumps(raw), context=context).who == met().who
    with pytest.raises(SealError):
        Stored.model_validate_json(json.dumps(raw), context=Sealing(OURS, "people/2"))
