"""Every collection of the authority's store, each declared once: aggregates, records, and the chain of the ledger."""

from typing import Final

from libs.common.delivery.engine import Kind
from services.ca.crl import shards
from services.ca.crl.shards import Shard
from services.ca.ledger import checkpoints
from services.ca.ledger.checkpoints import Checkpoint
from services.ca.ocsp import states as responders
from services.ca.ocsp.states import ResponderState

LISTS: Final = Kind[Shard]("lists", Shard, wake_at=shards.wake_at)
"""Revocation lists, by authority and number."""
RESPONDERS: Final = Kind[ResponderState]("responders", responders.RESPONDER, wake_at=responders.wake_at)
"""OCSP responders, by issuing key and own key."""
CHECKPOINTS: Final = Kind[Checkpoint]("checkpoints", Checkpoint, wake_at=checkpoints.wake_at)
"""The one newest checkpoint of the ledger."""
