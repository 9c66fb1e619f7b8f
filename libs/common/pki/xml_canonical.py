"""Canonical forms of XML: Canonical XML 1.0 and 1.1, Exclusive Canonical XML 1.0, each with or without comments.

libxml2 writes them for whole documents. An element inside a document is first made the root of one of its own, with
what it inherits: the namespaces in force, and for the inclusive forms the attributes of the namespace ``xml``.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Final, Self

from lxml import etree  # type: ignore[import-untyped]  # it ships no types

_INCLUSIVE: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_INCLUSIVE_1_1: Final = "http://www.w3.org/2006/12/xml-c14n11"
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_WITH_COMMENTS: Final = {
    f"{_INCLUSIVE}#WithComments": _INCLUSIVE,
    f"{_INCLUSIVE_1_1}#WithComments": _INCLUSIVE_1_1,
    f"{_EXCLUSIVE}WithComments": _EXCLUSIVE,
}
_FORMS: Final = frozenset({_INCLUSIVE, _INCLUSIVE_1_1, _EXCLUSIVE})
_DEFAULT_PREFIX: Final = "#default"
_PREFIXES: Final = f"{{{_EXCLUSIVE}}}InclusiveNamespaces"
_XML: Final = "{http://www.w3.org/XML/1998/namespace}"
_INHERITED_1_1: Final = frozenset({f"{_XML}lang", f"{_XML}space", f"{_XML}base"})
"""Attributes that an element takes over from those around it (Canonical XML 1.1, 2.4)."""


class UnsupportedForm(ValueError):
    """No canonical form that is written here, or one with parameters that nobody here knows."""


@dataclass(frozen=True, slots=True)
class CanonicalForm:
    """One of the forms, with the prefixes that the exclusive one treats as the inclusive one does."""

    method: str
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, element: etree._Element) -> Self:
        """Read the form from a ``Transform`` or ``CanonicalizationMethod``. UnsupportedForm where it is another."""
        named = element.get("Algorithm", "")
        method = _WITH_COMMENTS.get(named, named)
        if method not in _FORMS:
            raise UnsupportedForm(named)
        if len(element) == 0:
            return cls(method)
        if method != _EXCLUSIVE or [child.tag for child in element] != [_PREFIXES]:
            raise UnsupportedForm(named)
        return cls(method, tuple(element[0].get("PrefixList", "").split()))

    def whole(self, root: etree._Element) -> bytes:
        """Write a whole document without comments.

        Raises:
            UnsupportedForm: the list of prefixes names the default one, and that matters here: lxml passes over it.
            etree.C14NError: it has no canonical form.
        """
        if _DEFAULT_PREFIX in self.prefixes and _default_begins_at_a_prefix(root):
            raise UnsupportedForm(_DEFAULT_PREFIX)
        octets: bytes = etree.tostring(
            root.getroottree(),
            method="c14n",
            exclusive=self.method == _EXCLUSIVE,
            with_comments=False,
            inclusive_ns_prefixes=list(self.prefixes) or None,
        )
        return octets

    def part(self, element: etree._Element) -> bytes:
        """Write an element of a document, with what it inherits."""
        alone = etree.fromstring(etree.tostring(element, encoding="utf-8", with_tail=False))  # with its namespaces
        for name, around in self._inherited(element).items():
            if self.method == _INCLUSIVE_1_1 and name == f"{_XML}base" and len(around) > 1:
                raise UnsupportedForm("addresses that rest on one another")
            alone.set(name, around[0])
        return self.whole(alone)

    def _inherited(self, element: etree._Element) -> dict[str, list[str]]:
        """Return the attributes that an element takes over, each with its values from the inside out."""
        found: dict[str, list[str]] = {}
        for name, value in chain.from_iterable(each.attrib.items() for each in element.iterancestors()):
            if name not in element.attrib and self._is_inherited(name):
                found.setdefault(name, []).append(value)
        return found

    def _is_inherited(self, name: str) -> bool:
        """Return whether the form takes this attribute over: 1.0 whatever is XML's own (2.4), 1.1 those it names."""
        if self.method == _INCLUSIVE_1_1:
            return name in _INHERITED_1_1
        return self.method == _INCLUSIVE and name.startswith(_XML)


def _default_begins_at_a_prefix(root: etree._Element) -> bool:
    """Return whether a default namespace begins at an element that does not use it.

    Elsewhere the exclusive form writes it at the same elements, named in the list or not.
    """
    begins = False
    for event, found in etree.iterwalk(root, events=("start-ns", "start")):
        if event == "start-ns":
            begins |= not found[0]
        elif begins and found.prefix is not None:
            return True
        else:
            begins = False
    return False


CANONICAL_XML: Final = CanonicalForm(_INCLUSIVE)
"""What stands in where a signature names no form (XML Signature 1.1, 4.4.3.2)."""
