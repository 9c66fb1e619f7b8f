"""HTTP of kandas: what citizens and officers send, and what they are answered.

Beside each key that people would not understand stands a ``…_text`` in the reader's language (``Accept-Language``).
"""

import re
import unicodedata
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from libs.common.contracts.http.shapes import Answer, Form, PlainName, TimelineEntry
from libs.common.contracts.kandas import CheckAnswer, DocumentKind, Outcome, RefusalGround, Relation, Service
from libs.common.core.values import Iin, Name, OptionalName, as_typed, none_if_empty


def _as_printed(number: object) -> object:
    """Return a number as papers print it, whatever it was typed with.

    Chinese keyboards have full-width letters, word processors other spaces and dashes (Unicode, compatibility forms).
    """
    if not isinstance(number, str):
        return number
    plain = unicodedata.normalize("NFKC", number)
    dashed = "".join("-" if unicodedata.category(character) == "Pd" else character for character in plain)
    return re.sub(r"[^\S\n]+", " ", str(as_typed(dashed)))


def _code(code: object) -> object:
    return as_typed(unicodedata.normalize("NFKC", code) if isinstance(code, str) else code)


Country = Annotated[str, BeforeValidator(_code), StringConstraints(to_upper=True, pattern=r"^[A-Za-z]{2,3}$")]
"""A country by its ISO 3166-1 code of two or three letters; XXA is a stateless person (ICAO Doc 9303-3)."""

RegionCode = Annotated[str, BeforeValidator(_code), StringConstraints(to_upper=True, max_length=10)]
"""A region by its ISO 3166-2 code, such as ``KZ-75``."""

DocumentNumber = Annotated[str, BeforeValidator(_as_printed), StringConstraints(pattern=r"^[\w -]{3,40}$")]
"""The number of an identity document. Letters of any script: some countries print Cyrillic ones."""


class PersonForm(Form):
    """What an application says of one person. Newcomers may have no IIN yet.

    Somebody with one name may write it in either place; it is kept as the surname (ICAO Doc 9303-3, 4.6).

    ``previous_end`` is the last day of the status to be extended; ``extensions_before`` counts what it had already.
    """

    iin: Annotated[Iin | None, BeforeValidator(none_if_empty)] = None
    surname: Name
    given_name: OptionalName = None
    patronymic: OptionalName = None
    birth_date: date
    citizenship: Country
    origin_country: Country
    document_number: DocumentNumber
    document_in_state_language: bool = False
    nationality_in_document: bool = True
    previous_end: Annotated[date | None, BeforeValidator(none_if_empty)] = None
    extensions_before: int = Field(default=0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _one_name_is_the_surname(cls, given: Any) -> Any:
        if not isinstance(given, dict) or none_if_empty(given.get("surname")) is not None:
            return given
        return given | {"surname": given.get("given_name"), "given_name": None}

    @property
    def full_name(self) -> str:
        """Surname, given name and patronymic."""
        return " ".join(part for part in (self.surname, self.given_name, self.patronymic) if part)


class ApplicantForm(PersonForm):
    """What is said of the applicant: an IIN is mandatory."""

    iin: Iin


class MemberForm(PersonForm):
    """What is said of a family member."""

    relation: Relation


class ApplicationForm(Form):
    """An application for the applicant and any number of family members."""

    service: Service
    region: RegionCode
    applicant: ApplicantForm
    family: tuple[MemberForm, ...] = ()


class ApplicationPerson(Answer):
    """A person of an application. ``person`` is an id within the application, in the order of the form."""

    person: PlainName
    role: str = ""
    role_text: str = ""


class DocumentNeeded(Answer):
    """A document that is still to be attached."""

    person: PlainName
    kind: PlainName
    person_text: str = Field(default="", repr=False)
    kind_text: str = ""


class ApplicationCreated(Answer):
    """A draft, and what it lacks."""

    application_id: str
    persons: tuple[ApplicationPerson, ...]
    documents_needed: tuple[DocumentNeeded, ...] = ()


class SubmissionStatus(Answer):
    """What became of a signature."""

    status: str


class PersonView(ApplicationPerson):
    """How far the application is for one person. ``document``: the sealed document can be fetched."""

    name: str | None = Field(default=None, repr=False)
    outcome: Outcome | None = None
    outcome_text: str = ""
    reasons: tuple[str, ...] = ()
    reasons_text: tuple[str, ...] = ()
    valid_until: date | None = None
    document: bool = False
    document_sha256: str | None = None


class KandasApplicationView(Answer):
    """Where an application stands, whom it waits for and until when."""

    application_id: str
    status: str
    status_text: str = ""
    waits_for: str | None = None
    waits_for_text: str = ""
    waits_until: datetime | None = None
    due_on: date | None = None
    overdue: bool = False
    reason: str | None = None
    reason_text: str = ""
    documents_needed: tuple[DocumentNeeded, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    persons: tuple[PersonView, ...] = ()


class OfficerItem(Answer):
    """One line of an officer's list; whose application it is shows when it is opened.

    ``undecided`` names the persons still to be decided about.
    """

    application_id: str
    service: Service
    status: str
    status_text: str = ""
    opened_at: datetime
    due_on: date | None = None
    overdue: bool = False
    persons: int
    undecided: tuple[str, ...] = ()


class OfficerPerson(PersonView):
    """A person with the form they filled in and what the ministry's system answered."""

    form: PersonForm | None = Field(default=None, repr=False)
    check: CheckAnswer | None = None


class AttachedDocument(Answer):
    """A document the citizen attached: its place, its media type, and the hash by which the application names it."""

    person: PlainName
    kind: PlainName
    kind_text: str = ""
    media: str = ""
    sha256: str = ""
    size: int = 0


class OfficerView(Answer):
    """An application as an officer sees it."""

    application_id: str
    service: Service
    status: str
    status_text: str = ""
    region: str
    region_text: str = ""
    due_on: date | None = None
    overdue: bool = False
    people: tuple[OfficerPerson, ...] = ()
    attachments: tuple[AttachedDocument, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()


class DecisionForm(Form):
    """A final decision about one person."""

    person: str
    outcome: Outcome
    reasons: tuple[RefusalGround, ...] = ()


class DocumentPlace(Form):
    """A document to be brought anew."""

    person: str
    kind: DocumentKind


class ReturnForm(Form):
    """What the applicant is to bring."""

    documents: tuple[DocumentPlace, ...] = Field(min_length=1)


class DecisionAccepted(Answer):
    """The officer's command was recorded."""

    accepted: bool = True


class DocumentVerification(Answer):
    """What a document's number stands for. The hash is of the sealed file; nothing personal is shown."""

    application_id: str
    person: str
    outcome: Outcome
    outcome_text: str = ""
    reasons: tuple[str, ...]
    reasons_text: tuple[str, ...] = ()
    region: str
    region_text: str = ""
    decided_at: datetime
    valid_until: date | None
    rules: str
    document_sha256: str
