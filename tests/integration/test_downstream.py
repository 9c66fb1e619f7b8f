"""What subscribers are promised: the page names the topics there are, and its example works as it stands."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from deploy.embedded.process import Server
from libs.common.contracts.ca import CertRevoked
from libs.common.contracts.events import MAX_EVENT_BYTES, Event, Meta, encode
from libs.common.contracts.topics import TOPICS
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.sealing import Keyring
from libs.common.core.values import new_id, utc_now
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.kafka import unsigned
from libs.common.delivery.topic_admin import create_topics
from libs.common.testing import event_keys
from tests.waiting import PATIENCE_S

PAGE: Final = (Path(__file__).parents[2] / "docs" / "downstream.md").read_text()


UNUSUAL: Final = {
    "ledger.checkpointed": "ledger",
    "otp.confirmed": "request",
    "revocation.requested": "request",
}
"""What facts are about that belong to no journey and no application."""


def sealed_fields(event: type[Event]) -> Iterator[str]:
    return (name for name, field in event.model_fields.items() if "Sealed" in str(field.annotation))


def test_the_page_lists_every_topic_with_its_type_its_teller_and_its_sealed_fields() -> None:
    rows = {cells[0]: cells for line in PAGE.splitlines() if len(cells := re.split(r" *\| *", line)[1:-1]) == 5}
    for topic in TOPICS:
        _, type_, teller, key, when = rows.pop(f"`{topic.name}`")
        assert (type_, teller) == (f"`{topic.event.type()}`", topic.producer)
        usual = "application" if topic.producer == "kandas" else "journey"
        assert key == UNUSUAL.get(topic.name, usual)
        assert re.findall(r"`(\w+)`", when) == list(sealed_fields(topic.event))
    assert [name for name in rows if name.startswith("`")] == []


def test_the_page_names_the_headers_partitions_and_sizes_that_there_are() -> None:
    headers = dict(meta().headers())
    assert all(f"`{name}`" in PAGE for name in headers)
    assert {(topic.partitions, topic.retention_days) for topic in TOPICS} == {(6, 30)}
    assert MAX_EVENT_BYTES == 256 * 1024


async def test_the_example_subscriber_tells_each_fact_once(own_broker: Server, tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "subscriber.py").write_text(program)
    await create_topics(KafkaAccess(own_broker.address))
    publisher = event_keys.everybody(own_broker.address)
    await publisher.start()
    first, second = revoked("0a"), revoked("0b")
    await publisher.publish([first, first])
    await publisher.publish_raw(unsigned(revoked("0c")))  # by nobody
    await publisher.publish([second])
    (tmp_path / "event-jwks.json").write_text(event_keys.JWKS)
    subscriber = await asyncio.create_subprocess_exec(
        sys.executable,
        str(tmp_path / "subscriber.py"),
        own_broker.address,
        str(tmp_path / "event-jwks.json"),
        stdout=PIPE,
    )
    try:
        assert subscriber.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            given = [(await subscriber.stdout.readline()).decode().strip() for _ in range(3)]
    finally:
        subscriber.terminate()
        await subscriber.wait()
        await publisher.stop()
    first_given, refused, second_given = given
    assert (first_given, second_given) == ("cert.revoked.v1 0a", "cert.revoked.v1 0b")
    assert refused.startswith("refused cert.revoked ")


def meta() -> Meta:
    return Meta(new_id(), CertRevoked.type(), "ca", utc_now(), "j-1", "j-1", "m-1", "00-trace")


def revoked(serial: str) -> Outgoing:
    now = utc_now() - timedelta(seconds=1)
    event = CertRevoked(serial=serial, profile="SIGN", reason="superseded", revoked_at=now, citizen_id="c-1")
    about = meta()
    return Outgoing(event.topic, about, encode(event, about, Keyring({}, bytes(32))).decode())
