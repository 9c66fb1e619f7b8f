"""Every collection of the authority's store, each declared once: aggregates, records, and the chain of the ledger."""

from typing import Final

from libs.common.delivery.engine import Kind
from services.ca.crl import shards
from services.ca.crl.shards import Shard
from services.ca.enrolment import states as enrolments
from services.ca.enrolment.states import EnrolmentState
from services.ca.enrolment.supersession import Supersession
from services.ca.ledger import checkpoints
from services.ca.ledger.checkpoints import Checkpoint
from services.ca.ocsp import states as responders
from services.ca.ocsp.states import ResponderState
from services.ca.revocation import confirmations
from services.ca.revocation.confirmations import Confirmation

ENROLMENTS: Final = Kind[EnrolmentState]("enrolments", enrolments.Enrolment, wake_at=enrolments.wake_at)
"""By journey."""
SUPERSEDING: Final = Kind[Supersession]("superseding", Supersession)
"""By citizen: whose newer certificates supersede which."""
LISTS: Final = Kind[Shard]("lists", Shard, wake_at=shards.wake_at)
"""Revocation lists, by authority and number."""
CONFIRMATIONS: Final = Kind[Confirmation]("confirmations", Confirmation, wake_at=confirmations.wake_at)
"""Revocations asked for in the cabinet, by request."""
RESPONDERS: Final = Kind[ResponderState]("responders", responders.RESPONDER, wake_at=responders.wake_at)
"""OCSP responders, by issuing key and own key."""
CHECKPOINTS: Final = Kind[Checkpoint]("checkpoints", Checkpoint, wake_at=checkpoints.wake_at)
"""The one newest checkpoint of the ledger."""

STATUSES: Final = "statuses"
"""Records: what is known of each certificate (`services.ca.status.records`)."""
PAGES: Final = "pages"
"""Records: entries of revocation lists (`services.ca.crl.shards`)."""
CHECKS: Final = "checks"
"""Records: when each check ran, and how much it found (`services.ca.monitoring.ledger_metrics`)."""
LEDGER: Final = "ledger"
"""The chain of all acts (`services.ca.ledger`)."""
