"""The committed cluster resources say what the table of topics says."""

import re

from deploy.topics import FILE, manifest
from libs.common.contracts.topics import TOPICS


def test_the_committed_topics_are_those_of_the_table() -> None:
    assert FILE.read_text() == manifest(), "run `make generate` and commit deploy/k8s/base/topics.yaml"


def test_every_fact_with_its_retry_and_dead_letter_topics_is_a_resource() -> None:
    topics = re.findall(r"topicName: (\S+)", manifest())
    assert len(topics) == len(set(topics)) == len(TOPICS) + 2 * sum(len(topic.consumers) for topic in TOPICS)


def test_resource_names_are_names_a_cluster_accepts() -> None:
    names = re.findall(r"^  name: (\S+)", manifest(), re.MULTILINE)
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name) for name in names)
