"""How the authority is put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_bytes
from time import monotonic

from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ObjectIdentifier

from libs.common.chain_store import MongoChain
from libs.common.engine import Kind
from libs.common.platform import App, Platform, lay_out
from libs.common.records import MongoRecords
from libs.common.values import Clock, NewId, new_id, utc_now
from services.ca import api, domain, holdings, shards
from services.ca.acts import Configuration
from services.ca.authority import IssuingAuthority
from services.ca.checkpoints import Checkpoint, Checkpoints
from services.ca.clock import WatchedClock
from services.ca.confirmations import Confirmation
from services.ca.handlers import Handlers
from services.ca.hierarchy import ROOT_LIST, TSA, Hierarchy, load, ocsp_label
from services.ca.intake import Intake
from services.ca.issuers import PrivateKey
from services.ca.key_rules import read_blocklist
from services.ca.keys import KeyStore, require_ec
from services.ca.keystores import service_keys
from services.ca.ledger import ChainLedger
from services.ca.ledger_api import ledger_routes
from services.ca.lists import LEASE_S, RevocationLists
from services.ca.lists_api import list_routes
from services.ca.mandates import Mandates
from services.ca.mandates_api import mandate_routes
from services.ca.ocsp_api import OcspEndpoint
from services.ca.ocsp_service import OcspService
from services.ca.profiles import Publication
from services.ca.responder import ResponderState
from services.ca.responders import Responders
from services.ca.revocation import Revocations
from services.ca.revocation_api import revocation_routes
from services.ca.service import CaService
from services.ca.settings import Settings
from services.ca.signature_evidence import Witness
from services.ca.status import StatusBook
from services.ca.statuses import INDEXED, Statuses
from services.ca.tsa import TimeStampAuthority
from services.ca.tsa_api import TimeStamping, tsa_routes
from services.ca.verification import Verification
from services.ca.verification_api import verification_routes
from services.ca.vouching import Vouching


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id) -> App:
    """Make the application, with every collaborator in sight.

    Raises:
        HierarchyError, KeyStoreError: the key ceremony was not held, or its files do not hold together.
    """
    platform = lay_out("ca", settings, clock, new_id, answers_key="ca")
    hierarchy = load(settings.directory, clock())
    keystore = service_keys(settings)
    keys = {each.label: keystore.load(each.label) for each in hierarchy.live(clock())}
    authority = IssuingAuthority(hierarchy, Publication(settings.base_url), keys, settings.crl_shards)
    ledger = ChainLedger(MongoChain(platform.database, "ledger"), platform.keyring, clock)
    enrolments = platform.engine.kind(domain.Enrolment, "enrolments")
    held = platform.engine.kind(holdings.Holding, "holdings")
    intake = Intake(
        enrolments.aggregates,
        platform.reservations,
        Vouching(enrolments.aggregates, platform.reservations, hierarchy.trust, clock),
        clock,
        blocked_keys=frozenset() if settings.blocked_keys is None else read_blocklist(settings.blocked_keys),
    )
    mandates = Mandates(
        enrolments.aggregates,
        book=platform.reservations,
        intake=intake,
        ledger=ledger,
        keyring=platform.keyring,
        clock=clock,
    )
    statuses = Statuses(MongoRecords(platform.database, "statuses", INDEXED))
    states = platform.engine.kind(shards.Shard, "lists")
    lists = RevocationLists(
        states.aggregates,
        MongoRecords(platform.database, "pages"),
        statuses,
        authority=authority,
        ledger=ledger,
        deltas=settings.crl_deltas,
        clock=clock,
    )
    service = CaService(
        enrolments.aggregates,
        held.aggregates,
        statuses,
        lists,
        book=platform.reservations,
        authority=authority,
        intake=intake,
        ledger=ledger,
        clock=clock,
        kept=timedelta(days=settings.certificates_kept_days),
    )
    wishes = platform.engine.kind(Confirmation, "confirmations")
    revocations = Revocations(
        enrolments.aggregates,
        wishes.aggregates,
        statuses=statuses,
        book=platform.reservations,
        trust=hierarchy.trust,
        ledger=ledger,
        clock=clock,
    )
    answering = {label: keystore.load(ocsp_label(label)) for label in keys}
    book = StatusBook(statuses, enrolments.aggregates, platform.reservations, clock=clock, monotonic=monotonic)
    status = _status(platform, answering, authority, ledger, book)
    stamping = _stamping(settings, keystore, hierarchy, clock)
    told = platform.engine.kind(Checkpoint, "checkpoints")
    checkpoints = Checkpoints(
        told.aggregates,
        ledger,
        stamping.over,
        configuration=_configuration(settings, hierarchy, status.responders),
        every=timedelta(minutes=settings.checkpoint_minutes),
        clock=clock,
    )
    return platform.app(
        "Certification authority",
        routers=[
            api.journey_routes(service, platform.auth, platform.idempotency),
            revocation_routes(revocations, platform.auth),
            mandate_routes(mandates, platform.auth, platform.idempotency),
            api.public_routes(hierarchy),
            list_routes(lists, settings.directory / ROOT_LIST, clock),
            verification_routes(Verification(hierarchy.trust, Witness(status.ocsp, lists, clock), clock)),
            tsa_routes(stamping),
            ledger_routes(checkpoints),
        ],
        routes=Handlers(service, revocations).routes(),
        kinds=[enrolments, held, states, wishes, status.kind, told],
        timers=[
            platform.engine.timers(enrolments, service.wake),
            platform.engine.timers(states, lists.wake, lease_s=LEASE_S, parallel=1),
            platform.engine.timers(wishes, revocations.wake),
            platform.engine.timers(status.kind, status.responders.wake, parallel=1),
            platform.engine.timers(told, checkpoints.wake, parallel=1),
        ],
        components=[lists, status.responders, checkpoints],
        direct=[OcspEndpoint(status.ocsp, platform.metrics)],
    )


@dataclass(frozen=True, slots=True)
class _Status:
    """What tells relying parties about certificates."""

    kind: Kind
    responders: Responders
    ocsp: OcspService


def _status(
    platform: Platform,
    keys: Mapping[str, PrivateKey],
    authority: IssuingAuthority,
    ledger: ChainLedger,
    book: StatusBook,
) -> _Status:
    kind = platform.engine.kind(ResponderState, "responders")
    responders = Responders(
        kind.aggregates,
        book=platform.reservations,
        authority=authority,
        ledger=ledger,
        keys=keys,
        clock=platform.clock,
    )
    return _Status(kind, responders, OcspService(book, responders, platform.clock))


def _stamping(settings: Settings, keystore: KeyStore, hierarchy: Hierarchy, clock: Clock) -> TimeStamping:
    tolerance = timedelta(milliseconds=settings.clock_tolerance_ms)
    policy = ObjectIdentifier(settings.tsa_policy)
    authority = TimeStampAuthority(hierarchy.tsa, require_ec(keystore.load(TSA), TSA), policy, tolerance)
    return TimeStamping(authority, WatchedClock(clock, monotonic, tolerance), token_bytes)


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
