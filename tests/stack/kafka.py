"""A real Apache Kafka without containers: jars resolved by Maven, one KRaft node on loopback."""

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from deploy.embedded.process import LOOPBACK, Program, Server, StackError, free_port
from deploy.embedded.stack import broker_answers

ROOT = Path(__file__).resolve().parents[2]
POM = ROOT / "tests" / "kafka" / "pom.xml"
OLDEST_JAVA = 17
MAVEN_SECONDS = 900
CANNOT_RUN = 3

JAVA_OPTIONS = (
    "-Xmx512m",
    "-Xms128m",
    "-XX:+UseSerialGC",  # the quickest start and the smallest footprint on two cores
    "-XX:TieredStopAtLevel=1",
    "-Dorg.apache.logging.log4j.level=WARN",
)

# One node: every internal topic has one replica. Two waits are cut short: a consumer's for company in its
# group (3 s by default), and a killed broker's, whose old registration must end before it may come back (9 s).
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=200
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
"""


# A second listener for users with passwords, over TLS or not. The first stays open: it tells whether the broker is up.
SECURED = """\
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller},SECURED://{host}:{secured}
advertised.listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller},SECURED://{host}:{secured}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:{protocol}
listener.name.secured.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secured.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


ENCRYPTED = """\
listener.name.secured.ssl.keystore.type=PEM
listener.name.secured.ssl.keystore.location={identity}
"""

AUTHORISED = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@dataclass(frozen=True)
class Door:
    """The secured listener.

    Args:
        identity: a PEM file with the broker's key and certificate; None: without TLS.
        users: passwords by name.
        authorised: users may do only what access rules grant them; whoever comes by the open listener may do all.
    """

    port: int
    identity: Path | None
    users: Mapping[str, str]
    authorised: bool = False


class KafkaUnavailableError(StackError):
    """Apache Kafka cannot run here for want of Java, Maven or its jars: neither a pass nor a failed test."""

    def __init__(self, missing: str) -> None:
        super().__init__("kafka-unavailable", f"Apache Kafka cannot run here: {missing}")


def kafka_version() -> str:
    """Give the version that `tests/kafka/pom.xml` pins."""
    version = ET.parse(POM).findtext(".//{*}kafka.version")  # noqa: S314 - our own committed file
    if version is None:
        raise ValueError(f"{POM} pins no kafka.version")
    return version


def kafka_jars(cache: Path = ROOT / "var") -> Path:
    """Give the folder with Kafka's jars, resolving them on first use into `cache`/kafka-<version>-<hash of the pom>.

    Raises:
        KafkaUnavailableError: no Java 17, no Maven, or the jars cannot be resolved; says what to do.
    """
    _require_java()
    jars = cache / f"kafka-{kafka_version()}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"
    if not jars.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".kafka-") as folder:
            complete = Path(folder) / "jars"
            _resolve(complete)
            complete.rename(jars)  # all or nothing: a broken download leaves no half-filled folder behind
    return jars


def _require_java() -> None:
    java = shutil.which("java")
    if java is None:
        raise KafkaUnavailableError("there is no `java`. Install a Java 17 runtime (Debian: default-jre-headless).")
    answer = subprocess.run(
        [java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False
    )
    version = next(
        (line.split("=")[1].strip() for line in answer.stderr.splitlines() if "java.specification.version =" in line),
        "?",
    )
    if not version.isdigit() or int(version) < OLDEST_JAVA:
        raise KafkaUnavailableError(f"it needs Java 17 or later, `{java}` is Java {version}.")


def _resolve(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailableError("there is no `mvn`. Install Maven (Debian: maven).")
    # -C: a jar whose checksum does not match is an error, not a warning.
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
    command = [maven, "--batch-mode", "--quiet", "-C", "-f", str(POM), *goal]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MAVEN_SECONDS)
    except subprocess.TimeoutExpired:
        raise KafkaUnavailableError(f"Maven did not bring the jars within {MAVEN_SECONDS} s.") from None
    if done.returncode != 0:
        raise KafkaUnavailableError(f"Maven could not resolve the jars named in {POM}.\n{done.stdout[-1500:]}")


class KafkaServer(Server):
    """Apache Kafka as one KRaft node. Topics, records and offsets survive `stop`, `kill` and `start`."""

    def __init__(self, folder: Path, jars: Path, port: int | None = None, door: Door | None = None) -> None:
        """Keep settings, data and log in `folder`, formatting its storage at the first start."""
        folder, port = folder.resolve(), port or free_port()
        settings, data = folder / "kafka.properties", folder / "kafka"
        places = {"host": LOOPBACK, "port": port, "controller": free_port()}
        text = SETTINGS.format(**places, data=data)
        users: list[str] = []
        if door is not None:
            protocol = "SASL_PLAINTEXT" if door.identity is None else "SASL_SSL"
            text += SECURED.format(**places, secured=door.port, protocol=protocol)
            text += "" if door.identity is None else ENCRYPTED.format(identity=door.identity)
            text += AUTHORISED if door.authorised else ""
            scram = [f"SCRAM-SHA-512=[name={name},password={password}]" for name, password in door.users.items()]
            users = [argument for each in scram for argument in ("--add-scram", each)]
        java = (shutil.which("java") or "java", *JAVA_OPTIONS, "-cp", f"{jars}{os.sep}*")

        def prepare() -> None:
            if not data.exists():
                settings.write_text(text)
                _format([*java, "kafka.tools.StorageTool"], settings, users)

        program = Program(
            name=f"Apache Kafka {kafka_version()}",
            command=(*java, "kafka.Kafka", str(settings)),
            log=folder / "kafka.log",
            answers=partial(broker_answers, port),
            prepare=prepare,
            start_seconds=60,
            stop_seconds=20,
        )
        super().__init__(program, port)
        self._acls = (*java, "org.apache.kafka.tools.AclCommand", "--bootstrap-server", f"{LOOPBACK}:{port}")

    def allow(self, arguments: Iterable[str]) -> None:
        """Add access rules as `kafka-acls.sh` does."""
        subprocess.run([*self._acls, *arguments], check=True, capture_output=True, text=True)


def _format(storage_tool: list[str], settings: Path, users: list[str]) -> None:
    cluster = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    # `=`: a cluster id may begin with a dash.
    command = [*storage_tool, "format", "--standalone", f"--cluster-id={cluster}", "--config", str(settings), *users]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError("storage-format", f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")
