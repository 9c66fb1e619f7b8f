"""A broker that encrypts, and asks who is there: whoever proves himself is served like anybody, others are not."""

import asyncio
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka.errors import KafkaError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from deploy.embedded.process import LOOPBACK, free_port
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.settings import ToolSettings
from libs.common.core.values import utc_now
from libs.common.delivery.dead_letters import main
from libs.common.delivery.kafka import KafkaPublisher, KafkaSettings
from tests.integration.delivery_harness import Lane, Node, assert_counted_and_published_once, drop
from tests.stack.kafka import Door, KafkaServer, kafka_jars
from tests.waiting import until

pytestmark = pytest.mark.kafka

USER, PASSWORD = "otp", "a password of this test alone"


def write_identity(folder: Path) -> None:
    """Write a broker's key and certificate for loopback, and apart the certificate that vouches for it: itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(utc_now() - timedelta(hours=1))
        .not_valid_after(utc_now() + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
        .public_bytes(Encoding.PEM)
    )
    (folder / "ca.pem").write_bytes(certificate)
    identity = folder / "identity.pem"
    identity.touch(stat.S_IRUSR | stat.S_IWUSR)
    identity.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def door(broker_kind: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    if broker_kind != "kafka":
        pytest.skip("the embedded broker speaks no TLS and asks nobody; `make test-kafka` runs this on Apache Kafka")
    folder = tmp_path_factory.mktemp("secured")
    write_identity(folder)
    door = Door(free_port(), folder / "identity.pem", {USER: PASSWORD})
    async with KafkaServer(folder, kafka_jars(), door=door):
        yield door


def certificate_of(door: Door) -> Path:
    assert door.identity is not None
    return door.identity.with_name("ca.pem")


def settings(door: Door, **instead: object) -> ToolSettings:
    given: dict[str, object] = {
        "kafka": f"{LOOPBACK}:{door.port}",
        "kafka_tls": True,
        "kafka_tls_ca": certificate_of(door),
        "kafka_username": USER,
        "kafka_password": PASSWORD,
    }
    return ToolSettings.model_validate(given | instead)


async def test_a_service_that_proves_itself_makes_topics_reads_counts_and_tells(door: Door, mongo_uri: str) -> None:
    lane = Lane(settings(door).kafka_access, idempotence=True, mongo_uri=mongo_uri, name="secured")
    await lane.create()
    await lane.publish(range(50))
    async with Node(lane) as node:
        await node.subscription.ping()
        await until(lambda: _committed(lane, 50))
        await assert_counted_and_published_once(node, range(50))
    await drop(lane)


async def _committed(lane: Lane, count: int) -> bool:
    return await lane.committed() == count


@pytest.mark.parametrize(
    "instead",
    [{"kafka_password": "another"}, {"kafka_username": "stranger"}, {"kafka_username": None, "kafka_password": None}],
    ids=["wrong password", "unknown name", "no name"],
)
async def test_who_proves_nothing_gets_nowhere(door: Door, instead: dict[str, object]) -> None:
    await assert_refused(settings(door, **instead).kafka_access)


async def test_a_broker_that_shows_another_authoritys_certificate_is_not_told_the_password(
    door: Door, tmp_path: Path
) -> None:
    (other := tmp_path / "other").mkdir()
    write_identity(other)
    await assert_refused(settings(door, kafka_tls_ca=other / "ca.pem").kafka_access)


async def assert_refused(access: KafkaAccess) -> None:
    publisher = KafkaPublisher(KafkaSettings(access, "otp"))
    with pytest.raises(KafkaError):
        await publisher.start()


async def test_the_tools_read_from_the_environment_how_to_prove_themselves(
    door: Door, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    for name, value in {
        "KAFKA_TLS": "true",
        "KAFKA_TLS_CA": str(certificate_of(door)),
        "KAFKA_USERNAME": USER,
        "KAFKA_PASSWORD_FILE": str(tmp_path / "password"),
    }.items():
        monkeypatch.setenv(name, value)
    assert await asyncio.to_thread(main, ["list", "--bootstrap", f"{LOOPBACK}:{door.port}"]) == 0
    assert "0 dead letters" in capsys.readouterr().out
