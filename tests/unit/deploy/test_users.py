"""The brokers' users and rules say what the table of topics says."""

from itertools import pairwise

import yaml

from deploy.users import FILE, commands, manifest
from libs.common.contracts.grants import Grant, grants, subscriber_grants
from libs.common.contracts.topics import TOPICS


def test_the_committed_users_are_those_of_the_table() -> None:
    assert FILE.read_text() == manifest(), "run `make generate` and commit deploy/k8s/overlays/production/users.yaml"


def test_only_the_producer_of_a_topic_and_who_redrives_write_to_it() -> None:
    for topic in TOPICS:
        of_topic = ((user, grant) for user, of in grants().items() for grant in of if grant.name == topic.name)
        writers = {user for user, grant in of_topic if "Write" in grant.operations}
        assert writers == {topic.producer, "operator"}


def test_manifest_and_commands_grant_the_same() -> None:
    users = [each for each in yaml.safe_load_all(FILE.read_text()) if each]
    rules = {
        (user["metadata"]["name"], rule["resource"]["type"], rule["resource"].get("name", ""), operation)
        for user in users
        for rule in user["spec"]["authorization"]["acls"]
        for operation in rule["operations"]
    }
    commanded = set()
    for command in commands():
        options = list(pairwise(command))
        user = next(value for name, value in options if name == "--allow-principal").removeprefix("User:")
        operations = [value for name, value in options if name == "--operation"]
        places = [(name[2:], value) for name, value in options if name in ("--topic", "--group")]
        places += [("cluster", "")] if "--cluster" in command else []
        commanded |= {(user, *place, operation) for place in places for operation in operations}
    assert rules == commanded


def test_a_subscriber_reads_its_topics_in_groups_of_its_own() -> None:
    assert subscriber_grants(["cert.issued"], "bank") == [
        Grant("topic", "cert.issued", ("Read", "Describe")),
        Grant("group", "bank.", ("Read", "Describe")),
    ]
