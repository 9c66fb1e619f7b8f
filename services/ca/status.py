"""The status of certificates, from the authority's own record."""

from collections import OrderedDict
from typing import Final

from libs.common.aggregates import Aggregates
from libs.common.der import serial_text
from services.ca.domain import Certified, EnrolmentState
from services.ca.issuers import Issuer
from services.ca.ocsp import Good, Revoked, Status, Unknown
from services.ca.orders import SERIAL_OCTETS
from services.ca.ports import SerialBook

OWN: Final = "authority/"
"""Owners of serial numbers of the operator's own certificates begin so; those of citizens' are journeys."""
_REMEMBERED_OWNERS: Final = 10_000


def own(issuer: str, label: str) -> str:
    """Give the owner of a serial number of one of the operator's own certificates."""
    return f"{OWN}{issuer}/{label}"


class StatusBook:
    """Tells what is known about a serial number, as it is this moment.

    The enrolment is read from the store each time, so that every replica tells of a revocation as soon as it is
    stored. Whose a serial number is never changes once it is taken, and is remembered.
    """

    def __init__(self, enrolments: Aggregates[EnrolmentState], book: SerialBook) -> None:
        self._enrolments = enrolments
        self._book = book
        self._owners: OrderedDict[str, str] = OrderedDict()

    async def status(self, number: int, issuer: Issuer) -> Status:
        """Give the status; Unknown unless this authority issued it. Unavailable if the store does not answer."""
        serial = serial_text(number) if number > 0 else ""
        owner = await self._owner(serial)
        if owner is None:
            return Unknown()
        if owner.startswith(OWN):
            return Good() if owner.startswith(own(issuer.label, "")) else Unknown()
        state = await self._enrolments.get(owner)
        for each in state.certificates if isinstance(state, Certified) else ():
            if (each.serial, each.issuer) == (serial, issuer.label):
                return Good() if each.revoked_at is None else Revoked(each.revoked_at, each.revoked_for or "")
        return Unknown()

    async def _owner(self, serial: str) -> str | None:
        if len(serial) != 2 * SERIAL_OCTETS:  # no number of ours
            return None
        owner = self._owners.get(serial) or await self._book.owner("serial", serial)
        if owner is not None:
            self._owners[serial] = owner
            self._owners.move_to_end(serial)
            if len(self._owners) > _REMEMBERED_OWNERS:
                self._owners.popitem(last=False)
        return owner
