"""What the authority's command-line tools open: the same store and ledger as the service, with the same settings."""

import sys
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import uvloop
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from libs.common.core.errors import Unavailable
from libs.common.core.settings import explain
from libs.common.core.values import Clock, new_id, utc_now
from libs.common.delivery.engine import Collection
from libs.common.storage.records import Records
from libs.common.web.backend import Backend
from libs.common.web.service import ServiceBase, build_base
from services.ca.audit.gather import Sources
from services.ca.authority.hierarchy import ROOT_LIST, HierarchyError, load
from services.ca.collections import ENROLMENTS, LEDGER, LISTS, PAGES, STATUSES
from services.ca.ledger.chain import ChainLedger
from services.ca.monitoring.ledger_metrics import notes
from services.ca.settings import Settings
from services.ca.status.records import INDEXED, Statuses

UNAVAILABLE: Final = 3


@dataclass(frozen=True, slots=True)
class Opened:
    """The authority's data, opened by a tool."""

    settings: Settings
    base: ServiceBase
    enrolments: Collection[Any]
    lists: Collection[Any]
    sources: Sources
    checks: Records
    clock: Clock


@asynccontextmanager
async def opened(
    settings: Settings, *, clock: Clock = utc_now, backend: Backend | None = None
) -> AsyncIterator[Opened]:
    """Open store and ledger; nothing is published, and no timer runs.

    Raises:
        HierarchyError: the certificates of the authorities do not hold together.
    """
    base = build_base("ca", settings, clock, new_id, answers_key="ca", backend=backend)
    enrolments = base.engine.open(ENROLMENTS)
    lists = base.engine.open(LISTS)
    chain = base.backend.chain(LEDGER)
    sources = Sources(
        enrolments=enrolments.aggregates,
        lists=lists.aggregates,
        pages=base.backend.records(PAGES),
        statuses=Statuses(base.backend.records(STATUSES, INDEXED)),
        book=base.reservations,
        chain=chain,
        ledger=ChainLedger(chain, base.keyring, clock),
        hierarchy=load(settings.directory, clock()),
        root_list=settings.directory / ROOT_LIST,
        keyring=base.keyring,
    )
    checks = notes(base.backend)
    try:
        yield Opened(settings, base, enrolments, lists, sources, checks, clock)
    finally:
        await base.backend.store.stop()


def run(work: Callable[[Settings], Coroutine[Any, Any, int]]) -> int:
    """Do the work of a tool with the settings of the service, and give its exit status; 3 where nothing answers."""
    try:
        return uvloop.run(work(Settings()))
    except ValidationError as error:
        say(f"ca: {explain(error)}")
    except HierarchyError as error:
        say(f"ca: {error}")
    except (Unavailable, KafkaError) as error:
        say(f"ca: store or broker do not answer as they should: {type(error).__name__}: {error}")
    return UNAVAILABLE


def parser_of(tool: str, docstring: str | None) -> ArgumentParser:
    """Return a tool's parser of arguments, described by the first line of its docstring."""
    return ArgumentParser(prog=f"python -m services.ca.tools.{tool}", description=(docstring or "").split("\n")[0])


def say(*lines: str) -> None:
    """Print lines for people."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
