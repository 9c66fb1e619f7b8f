"""Journeys: load, decide, save with what follows."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from libs.common.contracts.events import Event, Meta
from libs.common.contracts.http.identity import JourneyView
from libs.common.contracts.identity import JourneyClosed, JourneyStarted
from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused, Retryable, Unavailable
from libs.common.core.sealing import Keyring
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.decisions import Answer
from services.identity.accounts.pins import check_not_simple
from services.identity.accounts.service import Accounts
from services.identity.accounts.states import Reach
from services.identity.journeys import domain, progress
from services.identity.journeys.domain import JourneyDecision
from services.identity.journeys.facts import JourneyFact
from services.identity.journeys.states import JourneyRules, JourneyState
from services.identity.mcb.gateway import MobileCitizensBase, PairRefused
from services.identity.mcb.states import McbWanted, PhonePair
from services.identity.metrics import JourneyMetrics
from services.identity.refusals import Refusal
from services.identity.register.gateway import PopulationRegister
from services.identity.register.people import Resident

SAGA: Final = "eds"

Stored = tuple[JourneyState | None, tuple[Event, ...]]


class JourneyService:
    """Journeys.

    Args:
        journeys: by journey id.
        accounts: makes the citizen a Digital ID belongs to.
    """

    def __init__(
        self,
        journeys: Aggregates[JourneyState],
        accounts: Accounts,
        register: PopulationRegister,
        mcb: MobileCitizensBase,
        *,
        rules: JourneyRules,
        keyring: Keyring,
        metrics: JourneyMetrics,
        clock: Clock,
    ) -> None:
        self._journeys = journeys
        self._accounts = accounts
        self._register = register
        self._mcb = mcb
        self._rules = rules
        self._keyring = keyring
        self._metrics = metrics
        self._clock = clock

    async def start(self, journey_id: str, iin: str, contact: Contact) -> JourneyState:
        """Begin a journey under this id, or return the one that began under it.

        Raises:
            Refused: ``iin.unknown``.
            Unavailable: the population register or the Mobile Citizens Base does not answer; nothing was begun.
        """
        if (begun := await self._journeys.get(journey_id)) is not None:
            return begun
        resident = await self._resident(iin)
        registered = await self._mcb.holds(PhonePair(iin=iin, phone=contact.phone))
        return await self._begin(journey_id, resident, contact, mcb_registered=registered)

    async def renew(self, journey_id: str, citizen_id: str, contact: Contact) -> JourneyState:
        """Begin a journey that renews a citizen's certificates, or return the one that began under this id.

        The code goes to a phone that the Mobile Citizens Base holds as the citizen's: a new one has to be proven
        together with the face.

        Raises:
            Refused: ``renewal.no_certificate``; ``renewal.phone_not_registered``; ``iin.unknown``.
            Unavailable: as `start`.
        """
        if (begun := await self._journeys.get(journey_id)) is not None:
            return begun
        citizen = await self._accounts.citizen(citizen_id)
        if not citizen.certificates.good_for_signing(self._clock()):
            raise Refused(Refusal.NO_CERTIFICATE)
        iin = citizen.resident.value.person.iin
        if not await self._mcb.holds(PhonePair(iin=iin, phone=contact.phone)):
            raise Refused(Refusal.PHONE_NOT_REGISTERED)
        resident = await self._resident(iin)
        return await self._begin(journey_id, resident, contact, mcb_registered=True, renewal_of=citizen_id)

    async def take_in(self, fact: JourneyFact, meta: Meta) -> None:
        """Take in what another service reports about a journey."""
        await self._decide(
            meta.subject, lambda state: domain.take_in(state, fact, meta.time, self._clock()), cause=meta
        )

    async def create_digital_id(self, journey_id: str, pin: str) -> str:
        """Make the Digital ID with this PIN and return the citizen's id; a second time, return the id alone.

        The citizen is stored before the journey publishes it, under an id that the person keeps for ever: a crash in
        between leaves a citizen whose PIN the next try replaces.

        Raises:
            Refused: ``pin.too_simple``; ``journey.face_missing``, ``journey.phone_missing``, ``journey.closed``.
        """
        ready = domain.check_ready_for_pin(_existing(await self._journeys.get(journey_id)))
        if ready is not None:
            resident = ready.resident.value
            iin, phone = resident.person.iin, ready.contact.value.phone
            check_not_simple(pin, birth_date=resident.birth_date, iin=iin, phone=phone)
            reach = Reach(contact=ready.contact, person_ref=ready.person_ref, phone_ref=ready.phone_ref)
            citizen_id = await self._accounts.register(ready.resident, reach, pin)
            await self._decide(journey_id, lambda state: domain.create_digital_id(state, citizen_id, self._clock()))
        return domain.citizen_id(_existing(await self._journeys.get(journey_id)))

    async def cancel(self, journey_id: str) -> None:
        """Give a journey up.

        Raises:
            Refused: ``journey.closed``: it ended otherwise before.
        """
        await self._decide(journey_id, lambda state: domain.cancel(state, self._clock()))

    async def view(self, journey_id: str) -> JourneyView:
        """Return where a journey stands.

        Raises:
            Refused: ``journey.unknown``.
        """
        return progress.view(journey_id, _existing(await self._journeys.get(journey_id)))

    async def wake(self, journey_id: str, now: datetime) -> None:
        """Do what is due: register a pair with the Mobile Citizens Base, or enforce a deadline."""
        state = await self._journeys.get(journey_id)
        if state is not None and isinstance(state.mcb, McbWanted) and state.mcb.next_at <= now:
            await self._register_pair(journey_id, state.mcb.pair.value)
        await self._decide(journey_id, lambda state: domain.enforce_deadline(state, self._clock()))

    async def _resident(self, iin: str) -> Resident:
        resident = await self._register.find(iin)
        if resident is None:
            raise Refused(Refusal.IIN_UNKNOWN)
        return resident

    async def _begin(
        self,
        journey_id: str,
        resident: Resident,
        contact: Contact,
        *,
        mcb_registered: bool,
        renewal_of: str | None = None,
    ) -> JourneyState:
        opening = domain.Opening(
            resident=resident,
            contact=contact,
            person_ref=self._keyring.blind("person", resident.person.iin),
            phone_ref=self._keyring.blind("phone", contact.phone),
            mcb_registered=mcb_registered,
            renewal_of=renewal_of,
        )
        return _existing(
            await self._decide(journey_id, lambda state: domain.start(state, opening, self._rules, self._clock()))
        )

    async def _register_pair(self, journey_id: str, pair: PhonePair) -> None:
        try:
            await self._mcb.register(pair, request_id=journey_id)
        except PairRefused:
            decide = domain.mcb_refused
        except (Retryable, Unavailable):
            decide = domain.mcb_postponed
        else:
            decide = domain.mcb_registered
        await self._decide(journey_id, lambda state: decide(state, self._clock()))

    async def _decide(
        self,
        journey_id: str,
        decide: Callable[[JourneyState | None], JourneyDecision | None],
        cause: Meta | None = None,
    ) -> JourneyState | None:
        """Apply a decision, count the journeys it began or ended, and return the state after it.

        None where there is no journey, and where the cause was taken in before.
        """

        def answered(state: JourneyState | None) -> Answer[JourneyState, Stored]:
            decision = decide(state)
            return decision, (state, ()) if decision is None else (decision.state, decision.events)

        state, events = await self._journeys.ask(journey_id, answered, cause=cause) or (None, ())
        self._count(events)
        return state

    def _count(self, events: tuple[Event, ...]) -> None:
        for event in events:
            match event:
                case JourneyStarted():
                    self._metrics.journeys_started.labels(SAGA).inc()
                case JourneyClosed():
                    self._metrics.journeys_closed.labels(SAGA, event.outcome).inc()


def _existing(state: JourneyState | None) -> JourneyState:
    if state is None:
        raise Refused(Refusal.JOURNEY_UNKNOWN)
    return state
