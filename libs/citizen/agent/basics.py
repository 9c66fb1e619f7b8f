"""The newer dialect, module ``kz.gov.pki.knca.basics``: one method, arguments by name, answers with a status."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from libs.citizen.agent.decoding import MOST_DOCUMENTS, base64_bytes, issuer_certificate, storage_is_file, text_bytes
from libs.citizen.agent.errors import RequestRefused
from libs.citizen.agent.requests import SignDocuments, WantedKey
from libs.citizen.errors import CitizenError
from libs.citizen.texts import explain

MODULE: Final = "kz.gov.pki.knca.basics"
_MOST: Final = 100


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)  # pages send hints we need not heed

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: object) -> object:
        """Drop members that are null: pages write ``"chain": null`` for "any authority"."""
        return {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else value


class _SigningParams(_Part):
    decode: bool = False
    encapsulate: bool = False
    digested: bool = False
    stamp: dict[str, object] | bool = Field(default=False, alias="tsaProfile")
    certified: bool = Field(default=False, alias="outputCert")


class _SignerParams(_Part):
    usages: tuple[str, ...] = Field((), alias="extKeyUsageOids", max_length=_MOST)
    iin: str | None = None
    bin: str | None = None
    serial: str | None = Field(None, alias="serialNumber")
    chain: tuple[str, ...] = Field((), max_length=_MOST)


class _Arguments(_Part):
    storages: tuple[str, ...] | None = Field(None, alias="allowedStorages")
    format: Literal["cms", "xml", "raw"]
    data: str | Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_DOCUMENTS)]
    signing: _SigningParams = Field(default_factory=_SigningParams, alias="signingParams")
    signer: _SignerParams = Field(default_factory=_SignerParams, alias="signerParams")


def read(message: Mapping[str, Any]) -> SignDocuments:
    """Read a request.

    Raises:
        AskRefused: ``ask.malformed`` or ``ask.unsupported``.
    """
    if message.get("method") != "sign":
        raise RequestRefused("ask.unsupported.method", method=str(message.get("method"))[:80])
    try:
        args = _Arguments.model_validate(message.get("args"))
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RequestRefused("ask.malformed.argument", argument=where or "args") from error
    if args.storages:
        storage_is_file(*args.storages)
    documents = (args.data,) if isinstance(args.data, str) else args.data
    decoded = args.format != "xml" and (args.signing.decode or args.signing.digested)
    return SignDocuments(
        form=args.format,
        documents=tuple(base64_bytes(each) if decoded else text_bytes(each) for each in documents),
        wanted=_wanted(args.signer),
        several=not isinstance(args.data, str) or args.format == "xml",  # NCALayer answers XML with a list always
        attached=args.signing.encapsulate,
        digested=args.signing.digested,
        stamped=args.signing.stamp is not False,  # an empty profile asks for a stamp too
        certified=args.signing.certified,
    )


def _wanted(signer: _SignerParams) -> WantedKey:
    return WantedKey(
        usages=frozenset(signer.usages),
        iin=signer.iin or None,
        bin=signer.bin or None,
        serial=signer.serial.lower().lstrip("0") if signer.serial else None,
        issuers=tuple(issuer_certificate(each) for each in signer.chain),
    )


def succeeded(result: object) -> dict[str, object]:
    """Answer with a result."""
    return {"status": True, "body": {"result": result}}


def cancelled() -> dict[str, object]:
    """Answer that the person said no: a success without result, as NCALayer does."""
    return {"status": True, "body": {}}


def failed(error: CitizenError) -> dict[str, object]:
    """Answer that it cannot be done."""
    return {"status": False, "code": error.key, "message": explain(error).text, "details": ""}
