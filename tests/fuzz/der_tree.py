"""Structural mutations of DER: what a hostile client changes is a length, a tag, an order or a depth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

CONSTRUCTED: Final = 0x20
_STRINGS: Final = (0x03, 0x04)
_LONG: Final = 0x80
_DEEP: Final = 2000
_DEPTH: Final = 40
"""Levels: what was nested deeper by an earlier change is one value here."""


@dataclass(frozen=True)
class Node:
    """One value: where it lies in the whole, and where its content begins."""

    start: int
    content: int
    end: int
    tag: int

    def octets(self, der: bytes) -> bytes:
        return der[self.start : self.end]

    def value(self, der: bytes) -> bytes:
        return der[self.content : self.end]


def nodes(der: bytes) -> list[Node]:
    """Find every value, and those inside strings that hold DER themselves; as far as it reads as DER at all."""
    return list(_nodes(der, 0, len(der), _DEPTH))


def _nodes(der: bytes, start: int, end: int, levels: int) -> Iterator[Node]:
    while start < end and levels:
        node = node_at(der, start, end)
        if node is None:
            return
        yield node
        if node.tag & CONSTRUCTED:
            yield from _nodes(der, node.content, node.end, levels - 1)
        elif node.tag in _STRINGS:
            inner = list(_nodes(der, node.content + (node.tag == _STRINGS[0]), node.end, levels - 1))
            if inner and inner[-1].end == node.end:
                yield from inner
        start = node.end


def node_at(der: bytes, start: int, end: int) -> Node | None:
    """Read the head of the value at ``start``; None if there is none in DER that ends by ``end``."""
    if end - start < len(b"\x30\x00"):
        return None
    length, content = der[start + 1], start + 2
    if length & _LONG:
        octets = length & ~_LONG
        length, content = int.from_bytes(der[content : content + octets], "big"), content + octets
        if not octets:
            return None
    return Node(start, content, content + length, der[start]) if content + length <= end else None


def length_of(size: int) -> bytes:
    """Encode a length as DER does."""
    if size < _LONG:
        return bytes((size,))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((_LONG | len(octets),)) + octets


def tlv(tag: int, value: bytes) -> bytes:
    """Encode a value."""
    return bytes((tag,)) + length_of(len(value)) + value


def _lie(size: int) -> bytes:
    octets = size.to_bytes(8, "big").lstrip(b"\x00") or b"\x00"
    return bytes((_LONG | len(octets),)) + octets


def _nested(content: bytes, levels: int, tag: int) -> bytes:
    for _ in range(levels):
        content = tlv(tag, content)
    return content


Change = Callable[[bytes, Node, int], bytes]

CHANGES: Final[dict[str, Change]] = {
    "drop": lambda _der, _node, _n: b"",
    "repeat": lambda der, node, n: node.octets(der) * (2 + n % 3),
    "crowd": lambda der, node, n: node.octets(der) * (n % 300),
    "empty": lambda _der, node, _n: tlv(node.tag, b""),
    "retag": lambda der, node, n: tlv(n % 256, node.value(der)),
    "context tag": lambda der, node, n: tlv(0xA0 | n % 8, node.octets(der)),
    "longer": lambda der, node, n: tlv(node.tag, node.value(der) + bytes(1 + n % 40)),
    "shorter": lambda der, node, n: tlv(node.tag, node.value(der)[: -1 - n % 20]),
    "negative": lambda der, node, _n: tlv(node.tag, b"\xff" + node.value(der)),
    "huge number": lambda _der, node, n: tlv(node.tag, b"\x7f" + bytes(n % 3000)),
    "wrong version": lambda _der, _node, n: tlv(0x02, bytes((n % 128,))),
    "length too small": lambda der, node, n: bytes((node.tag,)) + length_of(max(0, node.end - node.content - 1 - n % 5))
    + node.value(der),
    "length too great": lambda der, node, n: bytes((node.tag,)) + length_of(node.end - node.content + 1 + n % 5)
    + node.value(der),
    "length enormous": lambda der, node, n: bytes((node.tag,)) + _lie(1 << (n % 63)) + node.value(der),
    "length not minimal": lambda der, node, n: bytes((node.tag, _LONG | (2 + n % 6)))
    + (node.end - node.content).to_bytes(2 + n % 6, "big") + node.value(der),
    "indefinite length": lambda der, node, _n: bytes((node.tag | CONSTRUCTED, _LONG)) + node.value(der) + b"\x00\x00",
    "string in parts": lambda der, node, _n: tlv(node.tag | CONSTRUCTED, tlv(node.tag, node.value(der))),
    "deep": lambda der, node, n: _nested(node.octets(der), n % _DEEP, 0x30),
    "deep and open": lambda _der, _node, n: b"\x30\x80" * (n % _DEEP),
    "long tag": lambda der, node, n: b"\x1f" + b"\xff" * (n % 40) + b"\x01" + der[node.start + 1 : node.end],
    "junk after": lambda der, node, n: node.octets(der) + bytes((n % 256, 0)),
}  # fmt: skip
"""By name: what takes the place of one value. The number picks among the variants of a change."""


def mutated(der: bytes, change: str, place: int, number: int) -> bytes:
    """Change one value and mend the lengths of all that hold it, so that the change is found and not the length."""
    if change == "truncate":
        return der[: place % (len(der) + 1)]
    found = nodes(der)
    if not found:
        return der + bytes((number % 256,))
    if change == "swap":
        return _put(der, found[place % len(found)], found[number % len(found)].octets(der), found)
    node = found[place % len(found)]
    return _put(der, node, CHANGES[change](der, node, number), found)


def _put(der: bytes, node: Node, octets: bytes, found: list[Node]) -> bytes:
    around = [each for each in found if each.start < node.start and node.end <= each.end]
    start, end = node.start, node.end
    for each in reversed(around):
        value = der[each.content : start] + octets + der[end : each.end]
        octets, start, end = tlv(each.tag, value), each.start, each.end
    return der[:start] + octets + der[end:]
