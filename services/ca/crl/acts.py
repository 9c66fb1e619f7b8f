"""Make the ledger's acts about revocation lists. Pure."""

from datetime import datetime

from services.ca.crl.shards import CrlEdition
from services.ca.ledger.acts import ListIntended, ListSigned, RecordedEdition


def list_intended(
    place: str, before: CrlEdition | None, number: int, this_update: datetime, entries: int
) -> ListIntended:
    """Return the act that an edition of a revocation list is about to be signed."""
    after = RecordedEdition(number=number, this_update=this_update, entries=entries)
    return ListIntended(place=place, before=None if before is None else _edition(before), after=after)


def list_signed(intended: ListIntended, signed: CrlEdition) -> ListSigned:
    """Return the act that the edition was signed."""
    return ListSigned(place=intended.place, before=intended.before, after=_edition(signed))


def _edition(issue: CrlEdition) -> RecordedEdition:
    return RecordedEdition(
        number=issue.number, this_update=issue.this_update, entries=issue.entries, sha256=issue.sha256
    )
