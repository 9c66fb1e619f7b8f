"""How the authority is put together."""

from datetime import timedelta
from secrets import token_bytes
from typing import Final

from cryptography.x509 import ObjectIdentifier

from libs.common.core.values import Clock, NewId, new_id, utc_now
from libs.common.web.backend import Backend
from libs.common.web.service import App, build_base
from services.ca.authority.api import public_routes
from services.ca.authority.hierarchy import ROOT_LIST, TSA, load, ocsp_label
from services.ca.collections import (
    CHECKPOINTS,
    CONFIRMATIONS,
    ENROLMENTS,
    LEDGER,
    LISTS,
    PAGES,
    RESPONDERS,
    STATUSES,
    SUPERSEDING,
)
from services.ca.crl.api import list_routes
from services.ca.crl.publishing import LEASE_S, RevocationLists
from services.ca.enrolment.api import journey_routes
from services.ca.enrolment.blocklists import read_blocklist
from services.ca.enrolment.csr_intake import CsrIntake
from services.ca.enrolment.issue import Issuance
from services.ca.enrolment.renewal import RenewalSignatures
from services.ca.enrolment.service import EnrolmentService, certificates_of
from services.ca.handlers import Handlers
from services.ca.issuance.authority import IssuingAuthority
from services.ca.keys.configured import service_keys
from services.ca.keys.store import require_ec
from services.ca.ledger.api import ledger_routes
from services.ca.ledger.chain import ChainLedger
from services.ca.ledger.checkpoints import Checkpoints
from services.ca.ledger.configuration import configuration
from services.ca.metrics import AuthorityMetrics
from services.ca.model.profiles import Publication
from services.ca.monitoring.expiry_metrics import ExpiryMetrics, of_lists, of_responders
from services.ca.monitoring.ledger_metrics import ledger_metrics
from services.ca.ocsp.api import OcspEndpoint
from services.ca.ocsp.responders import Responders
from services.ca.ocsp.service import OcspService
from services.ca.problems import PROBLEMS
from services.ca.revocation.api import revocation_routes
from services.ca.revocation.operators import OperatorsRevocations
from services.ca.revocation.service import Revocations
from services.ca.settings import Settings
from services.ca.status.lookup import StatusLookup
from services.ca.status.records import INDEXED, Statuses
from services.ca.texts import TEXTS
from services.ca.timestamp.api import TimeStamping, tsa_routes
from services.ca.timestamp.clock import WatchedClock
from services.ca.timestamp.stamping import TimeStampAuthority
from services.ca.verification.api import verification_routes
from services.ca.verification.service import VerificationService
from services.ca.verification.signature_evidence import Witness

ENROLMENTS_AT_ONCE: Final = 256
"""They wait for the store more than they work, and what waits side by side is written in one go."""


def build(settings: Settings, *, clock: Clock = utc_now, new_id: NewId = new_id, backend: Backend | None = None) -> App:
    """Make the application, with every collaborator in sight.

    Raises:
        HierarchyError, KeyStoreError: the key ceremony was not held, or its files do not hold together.
    """
    base = build_base("ca", settings, clock, new_id, answers_key="ca", backend=backend)
    backend, reservations, engine, monotonic = base.backend, base.reservations, base.engine, base.backend.monotonic
    enrolments, superseding, list_states = engine.open(ENROLMENTS), engine.open(SUPERSEDING), engine.open(LISTS)
    confirmations, responder_states = engine.open(CONFIRMATIONS), engine.open(RESPONDERS)
    checkpoint_states = engine.open(CHECKPOINTS)
    ledger = ChainLedger(backend.chain(LEDGER), base.keyring, clock)
    statuses = Statuses(backend.records(STATUSES, INDEXED))

    # The keys that may be used.
    hierarchy, keystore = load(settings.directory, clock()), service_keys(settings)
    issuing_keys = {each.label: keystore.load(each.label) for each in hierarchy.live(clock())}
    responder_keys = {label: keystore.load(ocsp_label(label)) for label in issuing_keys}
    authority = IssuingAuthority(hierarchy, Publication(settings.base_url), issuing_keys, settings.crl_shards)

    # From facts and requests to certificates, and to their revocation.
    lists = RevocationLists(
        list_states.aggregates, backend.records(PAGES), statuses, authority=authority, ledger=ledger, clock=clock
    )
    issuance = Issuance(
        enrolments.aggregates, authority=authority, reservations=reservations, ledger=ledger, clock=clock
    )
    service = EnrolmentService(
        enrolments.aggregates,
        superseding.aggregates,
        issuance=issuance,
        statuses=statuses,
        lists=lists,
        ledger=ledger,
        clock=clock,
        kept=timedelta(days=settings.certificates_kept_days),
    )
    renewals = RenewalSignatures(
        enrolments.aggregates, reservations=reservations, trust=hierarchy.trust_now, clock=clock
    )
    intake = CsrIntake(
        enrolments.aggregates,
        reservations=reservations,
        renewals=renewals,
        blocked_keys=read_blocklist(settings.blocked_keys),
        clock=clock,
    )
    revocations = Revocations(
        enrolments.aggregates,
        confirmations.aggregates,
        statuses=statuses,
        reservations=reservations,
        trust=hierarchy.trust_now,
        ledger=ledger,
        clock=clock,
    )
    operators = OperatorsRevocations(hierarchy, statuses=statuses, lists=lists, ledger=ledger, clock=clock)

    # What relying parties are answered.
    responders = Responders(
        responder_states.aggregates,
        book=reservations,
        authority=authority,
        ledger=ledger,
        keys=responder_keys,
        clock=clock,
    )
    lookup = StatusLookup(
        statuses, certificates_of(enrolments.aggregates), reservations, clock=clock, monotonic=monotonic
    )
    ocsp = OcspService(lookup, responders, clock, in_token=settings.token_module is not None)
    tolerance = timedelta(milliseconds=settings.clock_tolerance_ms)
    stamps = TimeStampAuthority(
        hierarchy.tsa, require_ec(keystore.load(TSA), TSA), ObjectIdentifier(settings.tsa_policy), tolerance
    )
    stamping = TimeStamping(stamps, WatchedClock(clock, monotonic, tolerance), token_bytes)
    root_list = settings.directory / ROOT_LIST
    witness = Witness(ocsp, lists, clock, hierarchy=hierarchy, root_list=root_list)

    # What vouches for the ledger, and what operators see.
    checkpoints = Checkpoints(
        checkpoint_states.aggregates,
        ledger,
        stamping.over,
        configuration=configuration(settings, hierarchy, responders.key_ids),
        every=timedelta(minutes=settings.checkpoint_minutes),
        clock=clock,
    )
    metrics = AuthorityMetrics(base.metrics)
    expiry_metrics = ExpiryMetrics(
        hierarchy,
        settings.directory,
        renewed={
            "lists": of_lists(lists, authority, clock),
            "responders": of_responders(responders, authority, clock),
        },
        doubtful=stamping.doubtful,
        metrics=metrics,
    )

    return base.app(
        "Certification authority",
        problems=PROBLEMS,
        texts=TEXTS,
        routers=[
            journey_routes(service, intake, base.auth, base.idempotency),
            revocation_routes(revocations, base.auth),
            public_routes(hierarchy),
            list_routes(lists, root_list, clock),
            verification_routes(VerificationService(hierarchy.trust, witness, clock)),
            tsa_routes(stamping),
            ledger_routes(checkpoints),
        ],
        routes=Handlers(service, revocations).routes(),
        kinds=[enrolments, superseding, list_states, confirmations, responder_states, checkpoint_states],
        timers=[
            engine.timers(enrolments, service.wake, parallel=ENROLMENTS_AT_ONCE),
            engine.timers(list_states, lists.wake, lease_s=LEASE_S, parallel=1),
            engine.timers(confirmations, revocations.wake),
            engine.timers(responder_states, responders.wake, parallel=1),
            engine.timers(checkpoint_states, checkpoints.wake, parallel=1),
        ],
        components=[lists, operators, responders, checkpoints, ledger_metrics(base, ledger, metrics), expiry_metrics],
        direct=[OcspEndpoint(ocsp, base.metrics)],
    )
