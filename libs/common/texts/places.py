"""Names of regions and countries. Countries are named by CLDR, but for those that the catalogue names itself."""

from babel import Locale
from babel.core import get_global

from libs.common.texts.catalogue import Catalogue
from libs.common.texts.languages import Language
from libs.common.texts.scripts import in_script


def region_codes(texts: Catalogue) -> tuple[str, ...]:
    """Return the ISO 3166-2 codes of all regions, such as ``KZ-75``."""
    return tuple(key.removeprefix("region.") for key in texts if key.startswith("region."))


def region_name(texts: Catalogue, code: str, language: Language) -> str:
    """Return the name of a region by its ISO 3166-2 code."""
    return texts.text(f"region.{code}", language)


def country_name(texts: Catalogue, code: str, language: Language) -> str:
    """Return the name of a country by its ISO 3166-1 code of two or three letters; without a name, the code."""
    alpha2 = next(iter(get_global("territory_aliases").get(code, ())), code)
    for key in (f"country.{code}", f"country.{alpha2}"):
        if key in texts:
            return texts.text(key, language)
    name = Locale.parse(language.written).territories.get(alpha2, code)
    return in_script(name, language)
