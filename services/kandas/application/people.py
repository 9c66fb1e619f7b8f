"""The people of an application, as it is kept."""

from typing import ClassVar

from libs.common.contracts.http.kandas import PersonForm
from libs.common.core.sealing import Personal


class Particulars(PersonForm, Personal):
    """What an application says of one person, readable by this service alone."""

    audience: ClassVar[str] = "kandas"

    @classmethod
    def of(cls, form: PersonForm) -> "Particulars":
        """Return the particulars of a form, without what stands beside them."""
        return cls.model_validate(form.model_dump(include=set(PersonForm.model_fields)))
