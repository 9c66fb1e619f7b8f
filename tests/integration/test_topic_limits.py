"""What a topic takes is bounded by what its readers will have in memory, however small it was made to be sent."""

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from libs.common.contracts.otp import OtpSent
from libs.common.contracts.topics import Topic
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.values import new_id
from libs.common.delivery.topic_admin import create, topics_of

pytestmark = pytest.mark.kafka


async def test_a_record_that_grows_when_it_is_read_is_refused_by_the_broker(
    broker_kind: str, broker_address: str
) -> None:
    if broker_kind != "kafka":
        pytest.skip("the embedded broker keeps batches as they came; `make test-kafka` runs this on Apache Kafka")
    name = f"bomb.{new_id()}"

    class Bomb(OtpSent):
        topic = name

    await create(KafkaAccess(broker_address), topics_of(Topic(Bomb, "otp", ("identity",), partitions=1), 1))
    async with AIOKafkaProducer(
        bootstrap_servers=broker_address, compression_type="gzip", max_request_size=64 * 1024 * 1024
    ) as producer:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(name, bytes(32 * 1024 * 1024), key=b"x")
        await producer.send_and_wait(name, bytes(64 * 1024), key=b"x")
