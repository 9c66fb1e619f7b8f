"""One message in the many forms that BER allows: what signers might have written instead of DER."""

from random import Random
from typing import Final

from tests.fuzz.der_tree import CONSTRUCTED, Node, node_at

_OCTET_STRING, _SET, _LONG = 0x04, 0x31, 0x80
_END = b"\x00\x00"
_SIGNED_DATA: Final = (0x30, 0xA0, 0x30)
_SIGNER: Final = (*_SIGNED_DATA, 0x31, 0x30)
_IMPLICIT: Final = (0xA0, 0xA1)
_MOST_PARTS = 4


def in_ber(der: bytes, dice: Random, path: tuple[int, ...] = ()) -> bytes:
    """Write DER values otherwise: lengths, octet strings in parts, sets in any order. Certificates stay as they are."""
    return b"".join(_form(der, node, dice, path) for node in _values(der, 0, len(der)))


def opened(der: bytes) -> bytes:
    """Leave the outermost length open: the least that BER allows and DER does not."""
    (node,) = _values(der, 0, len(der))
    return bytes((node.tag, _LONG)) + node.value(der) + _END


def _values(der: bytes, start: int, end: int) -> list[Node]:
    found: list[Node] = []
    while start < end:
        node = node_at(der, start, end)
        if node is None:
            raise ValueError("this is no DER")
        found.append(node)
        start = node.end
    return found


def _form(der: bytes, node: Node, dice: Random, around: tuple[int, ...]) -> bytes:
    tag, value, path = node.tag, node.value(der), (*around, node.tag)
    if around[:-1] == _SIGNED_DATA and around[-1] in _IMPLICIT:
        return node.octets(der)
    if tag == _OCTET_STRING and dice.random() < 0.5:
        return _written(tag | CONSTRUCTED, _parts(value, dice, 2), dice)
    if not tag & CONSTRUCTED:
        return bytes((tag,)) + _length(len(value), dice) + value
    parts = [_form(der, each, dice, path) for each in _values(der, node.content, node.end)]
    if tag == _SET or (tag in _IMPLICIT and around in {_SIGNED_DATA, _SIGNER}):
        dice.shuffle(parts)
    return _written(tag, b"".join(parts), dice)


def _parts(value: bytes, dice: Random, levels: int) -> bytes:
    cuts = sorted(dice.randint(0, len(value)) for _ in range(dice.randint(0, _MOST_PARTS)))
    pieces = [value[start:end] for start, end in zip([0, *cuts], [*cuts, len(value)], strict=True)]
    return b"".join(
        _written(_OCTET_STRING | CONSTRUCTED, _parts(piece, dice, levels - 1), dice)
        if levels and dice.random() < 0.2
        else bytes((_OCTET_STRING,)) + _length(len(piece), dice) + piece
        for piece in pieces
    )


def _written(tag: int, value: bytes, dice: Random) -> bytes:
    if dice.random() < 0.5:
        return bytes((tag, _LONG)) + value + _END
    return bytes((tag,)) + _length(len(value), dice) + value


def _length(size: int, dice: Random) -> bytes:
    least = max(1, (size.bit_length() + 7) // 8)
    if size < _LONG and dice.random() < 0.5:
        return bytes((size,))
    octets = least + dice.choice((0, 0, 1, 3))
    return bytes((_LONG | octets,)) + size.to_bytes(octets, "big")
