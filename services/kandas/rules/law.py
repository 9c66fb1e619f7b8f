"""The law and the terms of keeping, together: what decisions are measured by."""

from dataclasses import dataclass
from datetime import timedelta

from services.kandas.rules.domain import RuleBook
from services.kandas.rules.working_days import WorkingDays


@dataclass(frozen=True, slots=True)
class Law:
    """What decisions are measured by.

    Args:
        book: the dated rules.
        calendar: the working days in which terms are counted.
        draft: how long a draft may wait for its signature.
        returned: how long a returned application may wait for the applicant.
        attachments: how long attachments are kept after the last decision.
        documents: how long sealed documents are kept after the status they show has ended.
    """

    book: RuleBook
    calendar: WorkingDays
    draft: timedelta
    returned: timedelta
    attachments: timedelta
    documents: timedelta
