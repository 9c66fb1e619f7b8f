"""Parts of a way, for tests that stop or stray."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from deploy.embedded.process import Server
from libs.citizen.errors import JourneyEnded, ProblemError
from libs.citizen.journey.progress import wait_until
from libs.citizen.keys.keystore import KeyEntry
from libs.common.contracts.http.ca import CertificatesView
from libs.common.contracts.http.identity import JourneyStep, JourneyTicket
from tests.fixtures.people import Invented
from tests.journey.harness import System


@contextmanager
def hanging(server: Server) -> Iterator[None]:
    """Let a server hang: its connections stay open, and nothing is answered."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextmanager
def refused(key: str, **extras: object) -> Iterator[None]:
    """Expect a problem document with this key and these members."""
    with pytest.raises(ProblemError) as caught:
        yield
    assert caught.value.key == key
    assert caught.value.detail
    assert {name: caught.value.extras.get(name) for name in extras} == extras


async def at_certificates(system: System, person: Invented, ticket: JourneyTicket) -> None:
    """Go as far as certificates, and stop before asking for them, when the authority takes requests."""
    way = system.way(person, ticket)
    await way._prove_phone()
    await way._prove_face()
    await way._choose_pin()
    await authority_is(system, ticket, "open")


async def authority_is(system: System, ticket: JourneyTicket, state: str) -> CertificatesView:
    """Wait until the authority is so far with a journey, and give what it shows."""
    return await wait_until(
        partial(system.services.ca.certificates, ticket),
        lambda view: view.state == state,
        seconds=lambda _: system.waiting.machines,
    )


async def ended(system: System, ticket: JourneyTicket) -> str:
    """Wait until a journey ends without certificates; give the reason."""
    with pytest.raises(JourneyEnded) as caught:
        await system.way(system.people[0], ticket)._reached(JourneyStep.CLOSED)
    return caught.value.key


def serial_of(entry: KeyEntry) -> str:
    """The serial number as events write it."""
    assert entry.certificate is not None
    return f"{entry.certificate.serial_number:x}"
