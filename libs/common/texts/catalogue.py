r"""The words shown to people, by message id and language, from the .po files of several folders.

    TEXTS = Catalogue.load(SHARED, Path(__file__).parent / "texts")
    TEXTS.text("otp.wrong_code", Language.RUSSIAN, tries_left=2)

A folder holds ``kk.po`` or ``kk/*.po``, and so for ru and en. Message ids are keys; a placeholder is ``%(name)s``, and
a per cent sign ``%%``. Where the words depend on a number, ``msgid_plural`` names the fact that counts::

    msgid "otp.tries"
    msgid_plural "tries_left"
    msgstr[0] "Осталась %(tries_left)s попытка."
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from typing import Final, Self

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from libs.common.texts.formats import format_fact
from libs.common.texts.languages import WRITTEN, Language
from libs.common.texts.scripts import in_script

SHARED: Final = Path(__file__).parent / "locale"
"""The folder of the texts that all services share."""
_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)s")


class TextMissing(UserWarning):
    """A text or a fact of it is missing. Tests treat it as an error; people see a stand-in, never nothing."""


class Catalogue:
    """All texts of a program, in the languages that translators write and the scripts derived from them.

    Args:
        catalogs: one of Babel's catalogs for each of `WRITTEN`.
    """

    def __init__(self, catalogs: Mapping[Language, Catalog]) -> None:
        self.catalogs: Final = catalogs
        self._messages = {language: _Messages.compile(catalog) for language, catalog in catalogs.items()}
        self._template = lru_cache(maxsize=4096)(self._find)

    @classmethod
    def load(cls, *folders: Path) -> Self:
        """Read the .po files of some folders into one catalogue.

        Raises:
            ValueError: an id stands twice, or a file is not in gettext's format.
        """
        return cls({language: _merged(language, _files(folders, language)) for language in WRITTEN})

    def __contains__(self, key: str) -> bool:
        """Return whether there is such a text in any language."""
        return any(key in messages.counts for messages in self._messages.values())

    def __iter__(self) -> Iterator[str]:
        """Return the ids of all texts, each once."""
        return iter(dict.fromkeys(key for messages in self._messages.values() for key in messages.counts))

    def text(self, key: str, language: Language, /, **facts: object) -> str:
        """Return a text with its facts filled in.

        A language that lacks the text is replaced by the next of `WRITTEN` that has it. If none has it the id stands
        in brackets. Either way a `TextMissing` warns.
        """
        counted = self._counted(key)
        count = facts.get(counted) if counted else None
        template = self._template(key, language, count if isinstance(count, int) else 0)
        return template % _Facts(key, {name: format_fact(fact, language) for name, fact in facts.items()})

    def forms(self, key: str, language: Language) -> tuple[str, ...]:
        """Return a text as it was written: one template, or one for each plural form; none if it is missing."""
        return self._messages[language.written].forms.get(key, ())

    def placeholders(self, key: str) -> frozenset[str]:
        """Return the names of the facts that a text needs."""
        return frozenset(_PLACEHOLDER.findall(self._template(key, Language.KAZAKH, 0)))

    def _counted(self, key: str) -> str | None:
        """Return the fact whose number the words depend on."""
        return next((messages.counts[key] for messages in self._messages.values() if key in messages.counts), None)

    def _find(self, key: str, language: Language, count: int) -> str:
        for candidate in dict.fromkeys((language.written, *WRITTEN)):
            messages = self._messages[candidate]
            if key in messages.counts:
                if candidate is not language.written:
                    _warn(f"{key} is missing in {language.written}")
                template = messages.find(key, count)
                return in_script(template, language) if candidate is Language.KAZAKH else template
        _warn(f"{key} is missing")
        return f"[{key.replace('%', '%%')}]"


@dataclass(frozen=True, slots=True)
class _Messages:
    """The texts of one language, ready for look-up; `counts` holds the counted fact of each id, or None."""

    translations: GNUTranslations
    counts: Mapping[str, str | None]
    forms: Mapping[str, tuple[str, ...]]

    @classmethod
    def compile(cls, catalog: Catalog) -> "_Messages":
        buffer = BytesIO()
        write_mo(buffer, catalog)
        buffer.seek(0)
        forms = {_key(message): _forms(message) for message in catalog if message.id and all(_forms(message))}
        counts = {_key(message): _count(message) for message in catalog if _key(message) in forms}
        return cls(GNUTranslations(buffer), counts, forms)

    def find(self, key: str, count: int) -> str:
        counted = self.counts[key]
        return self.translations.ngettext(key, counted, count) if counted else self.translations.gettext(key)


class _Facts(dict[str, str]):
    """Facts of one text, with a stand-in for one that was not given."""

    def __init__(self, key: str, facts: Mapping[str, str]) -> None:
        super().__init__(facts)
        self._key = key

    def __missing__(self, name: str) -> str:
        _warn(f"{self._key} lacks the fact {name}")
        return "…"


@cache
def shared() -> Catalogue:
    """Return the texts that all services share."""
    return Catalogue.load(SHARED)


def _files(folders: Iterable[Path], language: Language) -> list[Path]:
    return [
        path
        for folder in folders
        for path in (folder / f"{language}.po", *sorted((folder / language).glob("*.po")))
        if path.exists()
    ]


def _merged(language: Language, files: Iterable[Path]) -> Catalog:
    merged = Catalog(locale=language)
    for path in files:
        source = path.read_bytes()
        catalog = read_po(BytesIO(source), locale=language, abort_invalid=True)
        if catalog.plural_expr != merged.plural_expr:
            raise ValueError(f"{path}: the header has other plural forms than {merged.plural_forms}")
        messages = [message for message in catalog if message.id]
        if len(messages) + 1 != source.count(b"\nmsgid ") + source.startswith(b"msgid "):
            raise ValueError(f"{path}: an id stands twice")
        for message in messages:
            if message.id in merged:
                raise ValueError(f"{path}: {_key(message)} stands here and in another file")
            merged[message.id] = message
    return merged


def _key(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _count(message: Message) -> str | None:
    return None if isinstance(message.id, str) else message.id[1]


def _forms(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ("",))


def _warn(what: str) -> None:
    warnings.warn(what, TextMissing, stacklevel=4)
