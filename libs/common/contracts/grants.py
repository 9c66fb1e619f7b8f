"""What each program may do at the brokers, from the one table of topics: everything it must, and nothing else."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from libs.common.contracts.topics import TOPICS, Topic, dead_letter_topic, retry_topic

Operation = Literal["Read", "Write", "Describe", "Create"]
Resource = Literal["topic", "group", "cluster"]
READ: Final[tuple[Operation, ...]] = ("Read", "Describe")
WRITE: Final[tuple[Operation, ...]] = ("Write", "Describe")
OPERATOR: Final = "operator"
"""Lists, shows and redrives dead letters."""
TOPIC_JOB: Final = "topics"
"""Creates the topics before the services start."""
DEAD_LETTER_GROUP: Final = "deadletters"


@dataclass(frozen=True, slots=True)
class Grant:
    """Operations that are allowed on one topic, consumer group or cluster."""

    resource: Resource
    name: str
    operations: tuple[Operation, ...]


def grants() -> Mapping[str, Sequence[Grant]]:
    """Return the grants of each user. Transactional ids are nobody's: no program uses transactions."""
    found: dict[str, dict[tuple[Resource, str], set[Operation]]] = defaultdict(lambda: defaultdict(set))
    for topic in TOPICS:
        for user, grant in _of(topic):
            found[user][grant.resource, grant.name].update(grant.operations)
    found[OPERATOR]["group", DEAD_LETTER_GROUP].update(READ)
    found[TOPIC_JOB]["cluster", "kafka-cluster"].update(("Create", "Describe"))
    return {
        user: [Grant(*key, tuple(sorted(operations))) for key, operations in sorted(of.items())]
        for user, of in found.items()
    }


def subscriber_grants(topics: Sequence[str], organisation: str) -> Sequence[Grant]:
    """Return what a downstream system needs: to read these topics, in groups whose names begin with its own."""
    return [*(Grant("topic", topic, READ) for topic in topics), Grant("group", f"{organisation}.", READ)]


def _of(topic: Topic) -> Iterator[tuple[str, Grant]]:
    yield topic.producer, Grant("topic", topic.name, WRITE)
    yield OPERATOR, Grant("topic", topic.name, (*WRITE, "Read"))
    for reader in topic.consumers:
        retries, given_up = retry_topic(topic.name, reader), dead_letter_topic(topic.name, reader)
        yield reader, Grant("topic", topic.name, READ)
        yield reader, Grant("topic", retries, (*READ, "Write"))
        yield reader, Grant("topic", given_up, WRITE)
        yield reader, Grant("group", reader, READ)
        yield reader, Grant("group", f"{reader}.retry", READ)
        yield OPERATOR, Grant("topic", given_up, READ)
