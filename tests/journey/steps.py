"""Parts of a way, for tests that stop or stray."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.embedded.people import Invented
from libs.citizen.errors import JourneyEnded, ProblemError
from libs.citizen.keystore import Holding
from libs.citizen.models import JourneyTicket, Step
from tests.journey.town import Town


@contextmanager
def refused(key: str, **extras: object) -> Iterator[None]:
    """Expect a problem document with this key and these members."""
    with pytest.raises(ProblemError) as caught:
        yield
    assert caught.value.key == key
    assert caught.value.detail
    assert {name: caught.value.extras.get(name) for name in extras} == extras


async def at_certificates(town: Town, person: Invented, ticket: JourneyTicket) -> None:
    """Go as far as certificates, and stop before asking for them."""
    way = town.way(person, ticket)
    await way._prove_phone()
    await way._prove_face()
    await way._choose_pin()
    await way._reached(Step.CERTIFICATES)


async def ended(town: Town, ticket: JourneyTicket) -> str:
    """Wait until a journey ends without certificates; give the reason."""
    with pytest.raises(JourneyEnded) as caught:
        await town.way(town.people[0], ticket)._reached(Step.CLOSED)
    return caught.value.key


def serial_of(holding: Holding) -> str:
    """The serial number as events write it."""
    assert holding.certificate is not None
    return f"{holding.certificate.serial_number:x}"
