"""Certificates for those who act for a legal entity.

What such a certificate rests on: the citizen's own live SIGN certificate, which signs the request; and the word of a
clerk, who looked at the register of legal entities and is on record for it. No register is connected to this system.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.contracts.ca import EntityRole
from libs.common.core.errors import Refused
from libs.common.core.sealing import Keyring, Sealed
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.decisions import Decision
from libs.common.storage.reservations import Reservations
from services.ca.enrolment import domain, supersession
from services.ca.enrolment.csr_intake import Intake
from services.ca.enrolment.domain import Closed, EnrolmentState, Issued, Issuing, Open, Result, Void
from services.ca.enrolment.supersession import Held, Holding, mandates_of
from services.ca.issuance.authority import holder_of
from services.ca.ledger.acts import MandateConfirmed, MandateWithdrawn
from services.ca.ledger.ports import Ledger
from services.ca.model.certificate import Certificate
from services.ca.model.entities import LegalEntity, Mandate
from services.ca.model.facts import Facts
from services.ca.model.subject import UnusableNameError


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a clerk confirms. ``person_serial`` is of the person's own SIGN certificate, which says who it is."""

    person_serial: str
    entity: LegalEntity
    role: EntityRole
    basis: str
    clerk: str


class Mandates:
    """Mandates: confirmed by clerks, used by citizens.

    Args:
        enrolments: of journeys, and of mandates: the one that a mandate opens has the mandate's id.
        held: where a citizen's mandates are noted.
    """

    def __init__(
        self,
        enrolments: Aggregates[EnrolmentState],
        held: Aggregates[Holding],
        *,
        book: Reservations,
        intake: Intake,
        ledger: Ledger,
        keyring: Keyring,
        clock: Clock,
    ) -> None:
        self._enrolments = enrolments
        self._holdings = held
        self._book = book
        self._intake = intake
        self._ledger = ledger
        self._keyring = keyring
        self._clock = clock

    async def confirm(self, mandate_id: str, said: Confirmation) -> datetime:
        """Open the mandate, and give the time until which its certificate has to be asked for.

        Raises:
            Refused: ``mandate.person_unknown``, 404: no such SIGN certificate is good now; ``mandate.name_unusable``.
        """
        person = await self._person(said.person_serial)
        mandate = Mandate(
            entity=Sealed(said.entity),
            entity_ref=self._keyring.blind("entity", said.entity.bin),
            role=said.role,
            basis=said.basis,
            confirmed_by=said.clerk,
            confirmed_at=self._clock(),
        )
        facts = Facts(person=person.person, person_ref=person.person_ref, citizen_id=person.citizen_id, mandate=mandate)
        try:
            holder_of(facts)
        except UnusableNameError as error:
            raise Refused("mandate.name_unusable", f"The entity's name can't be used: {error}", 422) from None
        await self._ledger.record(mandate_id, MandateConfirmed(mandate_id=mandate_id, mandate=mandate))
        held = Held(journey=mandate_id, since=mandate.confirmed_at)
        await self._holdings.apply(mandates_of(person.citizen_id or ""), lambda known: supersession.add(known, held))
        state = await self._enrolments.apply(mandate_id, lambda state: confirm(state, facts))
        known = mandate if state is None or isinstance(state, Closed) else state.facts.mandate or mandate
        return known.lapses_at

    async def withdraw(self, mandate_id: str, clerk: str) -> None:
        """End a mandate; its certificate is revoked.

        Raises:
            Refused: ``mandate.unknown``, 404.
        """
        await self._known(mandate_id)
        await self._ledger.record(mandate_id, MandateWithdrawn(mandate_id=mandate_id, by=clerk))
        await self._enrolments.apply(mandate_id, lambda state: withdraw(state, self._clock()))

    async def request(self, mandate_id: str, citizen_id: str, csr: str, signature: bytes) -> None:
        """Ask for the certificate, signed with the citizen's own.

        Raises:
            Refused: ``mandate.unknown``, 404, also for somebody else's; and what `Intake.take` refuses.
        """
        await self._known(mandate_id, citizen_id)
        await self._intake.take(mandate_id, {"SIGN": csr}, signature)

    async def certificates(self, mandate_id: str, citizen_id: str) -> tuple[str, Sequence[Certificate]]:
        """Give where the citizen's mandate stands, and its certificate.

        Raises:
            Refused: ``mandate.unknown``, 404, also for somebody else's.
        """
        state = await self._known(mandate_id, citizen_id)
        return state.kind, state.certificates if isinstance(state, Issued) else ()

    async def _person(self, serial: str) -> Facts:
        owner = await self._book.owner("serial", serial)
        state = None if owner is None else await self._enrolments.get(owner)
        if isinstance(state, Issued) and state.facts.mandate is None:
            for each in state.certificates:
                live = each.revoked_at is None and self._clock() <= each.not_after
                if each.serial == serial and each.profile == "SIGN" and live:
                    return state.facts
        detail = "There is no certificate for signing with this number that is good now. Ask the person for theirs."
        raise Refused("mandate.person_unknown", detail, 404)

    async def _known(self, mandate_id: str, citizen_id: str | None = None) -> Open | Issuing | Issued | Void:
        state = await self._enrolments.get(mandate_id)
        if (
            isinstance(state, Open | Issuing | Issued | Void)
            and state.facts.mandate is not None
            and citizen_id in (None, state.facts.citizen_id)
        ):
            return state
        raise Refused("mandate.unknown", "There is no such mandate of yours, or it lapsed.", 404)


def confirm(state: EnrolmentState | None, facts: Facts) -> Result | None:
    """Open an enrolment for a mandate, once; unused, it lapses."""
    return Decision(Open(facts=facts), wake_at=facts.lapses_at) if state is None else None


def lapse(state: EnrolmentState | None, now: datetime) -> Result | None:
    """Close a mandate for which no certificate was asked in time."""
    if not isinstance(state, Open) or state.facts.lapses_at is None or now < state.facts.lapses_at:
        return None
    return domain.close(state, "expired", "mandate.lapsed", now)


def withdraw(state: EnrolmentState | None, now: datetime) -> Result | None:
    """The citizen acts for the entity no more."""
    if isinstance(state, Issued):
        return domain.revoke(state, None, "affiliationChanged", now)
    return domain.close(state, "cancelled", "mandate.withdrawn", now)
