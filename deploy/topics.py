"""The topics as Strimzi resources: `python -m deploy.topics` writes deploy/k8s/base/topics.yaml from the one table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aiokafka.admin import NewTopic

from libs.common.delivery.topic_admin import topics_to_create

FILE: Final = Path(__file__).parent / "k8s" / "base" / "topics.yaml"
REPLICAS: Final = 3
CLUSTER: Final = "onboarding"

RESOURCE: Final = """\
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata:
  name: {resource}
  labels:
    strimzi.io/cluster: {cluster}
spec:
  topicName: {topic}
  partitions: {partitions}
  replicas: {replicas}
  config:
{config}
"""


def manifest() -> str:
    """Give every topic of the system as one YAML document each; resource names keep to RFC 1123."""
    return "# Written by `make generate` from libs/common/contracts/topics.py.\n" + "".join(_resources())


def _resources() -> Iterator[str]:
    for topic in topics_to_create(REPLICAS):
        yield RESOURCE.format(
            resource=str(topic.name).replace("_", "-"),
            cluster=CLUSTER,
            topic=topic.name,
            partitions=topic.num_partitions,
            replicas=topic.replication_factor,
            config="\n".join(_settings(topic)),
        )


def _settings(topic: NewTopic) -> Iterator[str]:
    for name, value in {"min.insync.replicas": str(REPLICAS - 1), **topic.topic_configs}.items():
        yield f'    {name}: "{value}"'


if __name__ == "__main__":
    FILE.write_text(manifest())
