"""Every topic of the system: the one table that deployment, documentation and subscribers are made from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from libs.common.contracts import biometrics, ca, identity, kandas, otp
from libs.common.contracts.events import Event

BOUNDED: Final = {"compression.type": "uncompressed", "max.message.bytes": str(1024 * 1024)}
"""The broker stores batches as they are, so its limit counts what a reader will have in memory, not what was sent."""
DAY_MS: Final = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """A stream of one kind of fact. The key is the event's subject, so one subject stays in order."""

    event: type[Event]
    producer: str
    consumers: tuple[str, ...]
    partitions: int = 6
    retention_days: int = 30

    @property
    def name(self) -> str:
        """The topic's name on the broker."""
        return self.event.topic

    @property
    def config(self) -> dict[str, str]:
        """Broker-side settings."""
        return {"retention.ms": str(self.retention_days * DAY_MS), "cleanup.policy": "delete", **BOUNDED}


TOPICS: Final[tuple[Topic, ...]] = (
    Topic(identity.JourneyStarted, "identity", ("otp", "biometrics", "ca")),
    Topic(otp.OtpSent, "otp", ("identity",)),
    Topic(otp.OtpVerified, "otp", ("identity", "biometrics", "ca")),
    Topic(otp.OtpRejected, "otp", ("identity",)),
    Topic(otp.OtpConfirmed, "otp", ("ca",)),
    Topic(biometrics.FaceMatched, "biometrics", ("identity", "ca")),
    Topic(biometrics.FaceRejected, "biometrics", ("identity",)),
    Topic(biometrics.FaceReviewRequested, "biometrics", ("identity",)),
    Topic(identity.McbRegistered, "identity", ()),
    Topic(identity.DigitalIdCreated, "identity", ("ca",)),
    Topic(identity.RevocationRequested, "identity", ("otp", "ca")),
    Topic(ca.CertIssued, "ca", ("identity", "kandas")),
    Topic(ca.CertExpiring, "ca", ("identity",)),
    Topic(ca.CertRefused, "ca", ("identity",)),
    Topic(ca.CertRevoked, "ca", ("identity", "kandas")),
    Topic(ca.LedgerCheckpointed, "ca", ()),
    Topic(identity.JourneyClosed, "identity", ("otp", "biometrics", "ca")),
    Topic(kandas.KandasSubmitted, "kandas", ("identity",)),
    Topic(kandas.KandasChecked, "kandas", ()),
    Topic(kandas.KandasReturned, "kandas", ("identity",)),
    Topic(kandas.KandasGranted, "kandas", ("identity",)),
    Topic(kandas.KandasExtended, "kandas", ("identity",)),
    Topic(kandas.KandasRefused, "kandas", ("identity",)),
    Topic(kandas.KandasOverdue, "kandas", ()),
)


PRODUCERS: Final[Mapping[str, str]] = {topic.name: topic.producer for topic in TOPICS}
"""The one service that may publish to each topic."""


def retry_topic(topic: str, group: str) -> str:
    """Name the topic where a group parks messages it will try again."""
    return f"{topic}.retry.{group}"


def dead_letter_topic(topic: str, group: str) -> str:
    """Name the topic where a group parks messages it gave up on."""
    return f"{topic}.dlq.{group}"


def is_retry_topic(topic: str) -> bool:
    """Return whether this is a topic where some group parks messages it will try again."""
    return bool(re.search(r"\.retry\.[^.]+$", topic))


def is_dead_letter_topic(topic: str) -> bool:
    """Return whether this is a topic where some group parks messages it gave up on."""
    return bool(re.search(r"\.dlq\.[^.]+$", topic))


def origin_of(topic: str) -> str:
    """Name the topic of facts that a retry or dead-letter topic belongs to; any other topic is its own origin."""
    return re.sub(r"\.(retry|dlq)\.[^.]+$", "", topic)
