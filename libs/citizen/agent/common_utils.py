"""The older dialect, module ``kz.gov.pki.knca.commonUtils``: arguments by position, answers with a code."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter, ValidationError

from libs.citizen.agent.decoding import MOST_DOCUMENTS, SIGN_USAGES, base64_bytes, storage_is_file, text_bytes
from libs.citizen.agent.errors import RequestRefused
from libs.citizen.agent.requests import ListTokens, Request, SetLocale, ShowKey, SignDocuments, WantedKey
from libs.citizen.errors import CitizenError
from libs.citizen.texts import explain

MODULE: Final = "kz.gov.pki.knca.commonUtils"

_One = TypeAdapter(tuple[str])
_Data = TypeAdapter(tuple[str, str, str, bool])
_Hash = TypeAdapter(tuple[str, str, str])
_Xml = TypeAdapter(tuple[str, str, str, str, str])
_Several = Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_DOCUMENTS)]
_Xmls = TypeAdapter(tuple[str, str, _Several, str, str])


def read(message: Mapping[str, Any]) -> Request:
    """Read a request.

    Raises:
        AskRefused: ``ask.malformed`` or ``ask.unsupported``.
    """
    method = message.get("method")
    if str(method) in _OF_FILES:
        raise RequestRefused("ask.unsupported.files")
    reader = _READERS.get(str(method))
    if reader is None:
        raise RequestRefused("ask.unsupported.method", method=str(method)[:80])
    try:
        return reader(message.get("args", []))
    except ValidationError as error:
        raise RequestRefused("ask.malformed.types", method=str(method)) from error


def _tokens(_: object) -> ListTokens:
    return ListTokens()


def _locale(args: object) -> SetLocale:
    _One.validate_python(args)
    return SetLocale()


def _key_info(args: object) -> ShowKey:
    storage_is_file(*_One.validate_python(args))
    return ShowKey()


def _cades(args: object, *, stamped: bool = False) -> SignDocuments:
    storage, key_type, data, attach = _Data.validate_python(args)
    return SignDocuments("cms", (base64_bytes(data),), _wanted(storage, key_type), attached=attach, stamped=stamped)


def _cades_of_hash(args: object) -> SignDocuments:
    storage, key_type, digest = _Hash.validate_python(args)
    return SignDocuments("cms", (base64_bytes(digest),), _wanted(storage, key_type), digested=True)


def _xml(args: object) -> SignDocuments:
    storage, key_type, xml, element, parent = _Xml.validate_python(_padded(args))
    return _whole_xml((xml,), storage, key_type, element + parent, several=False)


def _xmls(args: object) -> SignDocuments:
    storage, key_type, xmls, element, parent = _Xmls.validate_python(_padded(args))
    return _whole_xml(xmls, storage, key_type, element + parent, several=True)


def _padded(args: object) -> object:
    """Pages leave the two paths out where they want the whole document signed."""
    least, all_five = 3, 5
    return [*args, *[""] * (all_five - len(args))] if isinstance(args, list) and least <= len(args) < all_five else args


def _whole_xml(xmls: tuple[str, ...], storage: str, key_type: str, paths: str, *, several: bool) -> SignDocuments:
    if paths:
        raise RequestRefused("ask.unsupported.part_of_xml")
    return SignDocuments("xml", tuple(map(text_bytes, xmls)), _wanted(storage, key_type), several=several)


def _wanted(storage: str, key_type: str) -> WantedKey:
    storage_is_file(storage)
    return WantedKey(usages=SIGN_USAGES.get(key_type, frozenset()))


_OF_FILES: Final = frozenset({"showFileChooser", "createCAdESFromFile", "createCMSSignatureFromFile"})
"""They name files of this machine. Pages learn no such names, and nothing is signed by its name."""
_READERS: Final[Mapping[str, Callable[[object], Request]]] = {
    "getActiveTokens": _tokens,
    "changeLocale": _locale,
    "getKeyInfo": _key_info,
    "createCAdESFromBase64": _cades,
    "createCMSSignatureFromBase64": partial(_cades, stamped=True),
    "createCAdESFromBase64Hash": _cades_of_hash,
    "signXml": _xml,
    "signXmls": _xmls,
}


def succeeded(result: object) -> dict[str, object]:
    """Answer with a result."""
    return {"code": "200", "responseObject": result}


def cancelled() -> dict[str, object]:
    """Answer that the person said no."""
    return {"code": "500", "message": "action.canceled"}


def failed(error: CitizenError) -> dict[str, object]:
    """Answer that it cannot be done."""
    return {"code": "500", "message": f"{error.key}: {explain(error).text}"}
