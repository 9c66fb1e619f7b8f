"""How the authority is put together."""

from dataclasses import dataclass
from datetime import timedelta
from secrets import token_bytes
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ObjectIdentifier

from libs.common.core.background import Repeating
from libs.common.core.values import Clock, NewId, new_id, utc_now
from libs.common.delivery.engine import Collection
from libs.common.web.backend import Backend
from libs.common.web.service import App, ServiceBase, build_base
from services.ca.authority.hierarchy import ROOT_LIST, TSA, Hierarchy, load, ocsp_label
from services.ca.collections import CHECKPOINTS, LISTS, RESPONDERS
from services.ca.crl.api import list_routes
from services.ca.crl.publishing import LEASE_S, RevocationLists
from services.ca.enrolment import api, domain, supersession
from services.ca.enrolment.blocklists import read_blocklist
from services.ca.enrolment.csr_intake import Intake
from services.ca.enrolment.renewal import Vouching
from services.ca.enrolment.service import CaService, certificates_of
from services.ca.handlers import Handlers
from services.ca.issuance.authority import IssuingAuthority
from services.ca.keys.configured import service_keys
from services.ca.keys.store import KeyStore, require_ec
from services.ca.ledger.acts import Configuration
from services.ca.ledger.api import ledger_routes
from services.ca.ledger.chain import ChainLedger
from services.ca.ledger.checkpoints import Checkpoints
from services.ca.model.profiles import Publication
from services.ca.monitoring.expiry_metrics import ExpiryMetrics, of_lists, of_responders
from services.ca.monitoring.ledger_metrics import ledger_metrics
from services.ca.ocsp.api import OcspEndpoint
from services.ca.ocsp.responders import Responders
from services.ca.ocsp.service import OcspService
from services.ca.revocation.api import revocation_routes
from services.ca.revocation.confirmations import Confirmation
from services.ca.revocation.operators import OperatorsRevocations
from services.ca.revocation.service import Revocations
from services.ca.settings import Settings
from services.ca.status.lookup import StatusLookup
from services.ca.status.records import INDEXED, Statuses
from services.ca.timestamp.api import TimeStamping, tsa_routes
from services.ca.timestamp.clock import WatchedClock
from services.ca.timestamp.stamping import TimeStampAuthority
from services.ca.verification.api import verification_routes
from services.ca.verification.service import VerificationService
from services.ca.verification.signature_evidence import Witness

ENROLMENTS_AT_ONCE: Final = 256
"""They wait for the store more than they work, and what waits together travels together."""


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id, backend: Backend | None = None) -> App:
    """Make the application, capability by capability, with every collaborator in sight.

    Raises:
        HierarchyError, KeyStoreError: the key ceremony was not held, or its files do not hold together.
    """
    base = build_base("ca", settings, clock, new_id, answers_key="ca", backend=backend)
    ground = _ground(base, settings)
    lists = _lists(base, ground)
    enrolment = _enrolment(base, settings, ground, lists)
    revocation = _revocation(base, ground)
    answering = _answering(base, settings, ground)
    stamping = _stamping(base, settings, ground)
    recording = _recording(base, settings, ground, answering, stamping)
    operators = OperatorsRevocations(
        ground.hierarchy, statuses=ground.statuses, lists=lists.lists, ledger=ground.ledger, clock=clock
    )
    ends = _ends(base, settings, ground, lists=lists, answering=answering, stamping=stamping)
    root_list = settings.directory / ROOT_LIST
    witness = Witness(answering.ocsp, lists.lists, clock, hierarchy=ground.hierarchy, root_list=root_list)
    return base.app(
        "Certification authority",
        routers=[
            api.journey_routes(enrolment.service, base.auth, base.idempotency),
            revocation_routes(revocation.revocations, base.auth),
            api.public_routes(ground.hierarchy),
            list_routes(lists.lists, root_list, clock),
            verification_routes(VerificationService(ground.hierarchy.trust, witness, clock)),
            tsa_routes(stamping),
            ledger_routes(recording.checkpoints),
        ],
        routes=Handlers(enrolment.service, revocation.revocations).routes(),
        kinds=[ground.enrolments, enrolment.held, lists.kind, revocation.kind, answering.kind, recording.kind],
        timers=[
            base.engine.timers(ground.enrolments, enrolment.service.wake, parallel=ENROLMENTS_AT_ONCE),
            base.engine.timers(lists.kind, lists.lists.wake, lease_s=LEASE_S, parallel=1),
            base.engine.timers(revocation.kind, revocation.revocations.wake),
            base.engine.timers(answering.kind, answering.responders.wake, parallel=1),
            base.engine.timers(recording.kind, recording.checkpoints.wake, parallel=1),
        ],
        components=[lists.lists, operators, answering.responders, recording.checkpoints, recording.vigil, ends],
        direct=[OcspEndpoint(answering.ocsp, base.metrics)],
    )


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every capability stands on: the keys that may be used, and what was done with them."""

    hierarchy: Hierarchy
    keystore: KeyStore
    authority: IssuingAuthority
    ledger: ChainLedger
    enrolments: Collection[Any]
    statuses: Statuses


def _ground(base: ServiceBase, settings: Settings) -> _Ground:
    now = base.clock()
    hierarchy = load(settings.directory, now)
    keystore = service_keys(settings)
    keys = {each.label: keystore.load(each.label) for each in hierarchy.live(now)}
    return _Ground(
        hierarchy=hierarchy,
        keystore=keystore,
        authority=IssuingAuthority(hierarchy, Publication(settings.base_url), keys, settings.crl_shards),
        ledger=ChainLedger(base.backend.chain("ledger"), base.keyring, base.clock),
        enrolments=base.engine.kind(domain.Enrolment, "enrolments"),
        statuses=Statuses(base.backend.records("statuses", INDEXED)),
    )


@dataclass(frozen=True, slots=True)
class _Lists:
    """What tells, edition by edition, which certificates are no longer good."""

    kind: Collection[Any]
    lists: RevocationLists


def _lists(base: ServiceBase, ground: _Ground) -> _Lists:
    kind = base.engine.open(LISTS)
    lists = RevocationLists(
        kind.aggregates,
        base.backend.records("pages"),
        ground.statuses,
        authority=ground.authority,
        ledger=ground.ledger,
        clock=base.clock,
    )
    return _Lists(kind, lists)


@dataclass(frozen=True, slots=True)
class _Enrolment:
    """What takes requests and makes certificates of them."""

    held: Collection[Any]
    service: CaService


def _enrolment(base: ServiceBase, settings: Settings, ground: _Ground, lists: _Lists) -> _Enrolment:
    enrolments, book, clock = ground.enrolments.aggregates, base.reservations, base.clock
    held = base.engine.kind(supersession.Holding, "holdings")
    intake = Intake(
        enrolments,
        book,
        Vouching(enrolments, book, ground.hierarchy.trust_now, clock),
        clock,
        blocked_keys=read_blocklist(settings.blocked_keys),
    )
    service = CaService(
        enrolments,
        held.aggregates,
        ground.statuses,
        lists.lists,
        book=book,
        authority=ground.authority,
        intake=intake,
        ledger=ground.ledger,
        clock=clock,
        kept=timedelta(days=settings.certificates_kept_days),
    )
    return _Enrolment(held, service)


@dataclass(frozen=True, slots=True)
class _Revocation:
    """What takes wishes to revoke."""

    kind: Collection[Any]
    revocations: Revocations


def _revocation(base: ServiceBase, ground: _Ground) -> _Revocation:
    kind = base.engine.kind(Confirmation, "confirmations")
    revocations = Revocations(
        ground.enrolments.aggregates,
        kind.aggregates,
        statuses=ground.statuses,
        book=base.reservations,
        trust=ground.hierarchy.trust_now,
        ledger=ground.ledger,
        clock=base.clock,
    )
    return _Revocation(kind, revocations)


@dataclass(frozen=True, slots=True)
class _Answering:
    """What tells relying parties about a certificate when they ask."""

    kind: Collection[Any]
    responders: Responders
    ocsp: OcspService


def _answering(base: ServiceBase, settings: Settings, ground: _Ground) -> _Answering:
    kind = base.engine.open(RESPONDERS)
    responders = Responders(
        kind.aggregates,
        book=base.reservations,
        authority=ground.authority,
        ledger=ground.ledger,
        keys={label: ground.keystore.load(ocsp_label(label)) for label in ground.authority.keys},
        clock=base.clock,
    )
    book = StatusLookup(
        ground.statuses,
        certificates_of(ground.enrolments.aggregates),
        base.reservations,
        clock=base.clock,
        monotonic=base.backend.monotonic,
    )
    in_token = settings.token_module is not None
    return _Answering(kind, responders, OcspService(book, responders, base.clock, in_token=in_token))


def _stamping(base: ServiceBase, settings: Settings, ground: _Ground) -> TimeStamping:
    tolerance = timedelta(milliseconds=settings.clock_tolerance_ms)
    key = require_ec(ground.keystore.load(TSA), TSA)
    authority = TimeStampAuthority(ground.hierarchy.tsa, key, ObjectIdentifier(settings.tsa_policy), tolerance)
    return TimeStamping(authority, WatchedClock(base.clock, base.backend.monotonic, tolerance), token_bytes)


@dataclass(frozen=True, slots=True)
class _Recording:
    """What vouches for the ledger."""

    kind: Collection[Any]
    checkpoints: Checkpoints
    vigil: Repeating


def _recording(
    base: ServiceBase, settings: Settings, ground: _Ground, answering: _Answering, stamping: TimeStamping
) -> _Recording:
    kind = base.engine.open(CHECKPOINTS)
    checkpoints = Checkpoints(
        kind.aggregates,
        ground.ledger,
        stamping.over,
        configuration=_configuration(settings, ground.hierarchy, answering.responders),
        every=timedelta(minutes=settings.checkpoint_minutes),
        clock=base.clock,
    )
    return _Recording(kind, checkpoints, ledger_metrics(base, ground.ledger))


def _ends(
    base: ServiceBase,
    settings: Settings,
    ground: _Ground,
    *,
    lists: _Lists,
    answering: _Answering,
    stamping: TimeStamping,
) -> ExpiryMetrics:
    authority, clock = ground.authority, base.clock
    return ExpiryMetrics(
        ground.hierarchy,
        settings.directory,
        renewed={
            "lists": of_lists(lists.lists, authority, clock),
            "responders": of_responders(answering.responders, authority, clock),
        },
        doubtful=stamping.doubtful,
        metrics=base.metrics,
    )


def _configuration(settings: Settings, hierarchy: Hierarchy, responders: Responders) -> Configuration:
    return Configuration(
        issuer_keys=tuple(each.issuer.key_identifier.hex() for each in hierarchy.generations),
        responder_keys=responders.key_ids,
        tsa_certificate_sha256=hierarchy.tsa.fingerprint(hashes.SHA256()).hex(),
        tsa_policy=settings.tsa_policy,
        clock_tolerance_ms=settings.clock_tolerance_ms,
        crl_shards=settings.crl_shards,
        base_url=settings.base_url,
    )
