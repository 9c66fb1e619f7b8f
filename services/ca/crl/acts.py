"""Make the ledger's acts about revocation lists. Pure."""

from datetime import datetime

from services.ca.crl.shards import Issue
from services.ca.ledger.acts import Edition, ListIntended, ListSigned


def list_intended(place: str, before: Issue | None, number: int, this_update: datetime, entries: int) -> ListIntended:
    """Tell which edition of a revocation list is about to be signed, and which it follows."""
    after = Edition(number=number, this_update=this_update, entries=entries)
    return ListIntended(place=place, before=None if before is None else _edition(before), after=after)


def list_signed(intended: ListIntended, signed: Issue) -> ListSigned:
    """Tell that the edition was signed."""
    return ListSigned(place=intended.place, before=intended.before, after=_edition(signed))


def _edition(issue: Issue) -> Edition:
    return Edition(number=issue.number, this_update=issue.this_update, entries=issue.entries, sha256=issue.sha256)
