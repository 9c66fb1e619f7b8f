"""OCSP over HTTP: ours on two processes and one store, beside OpenSSL's and CFSSL's. ``python -m tests.bench.ca_ocsp``.

Needs Debian's wrk, openssl and golang-cfssl, and root for OpenSSL's responder, which binds every interface: it runs in
a network of its own (`unshare -n`). Live: each question has a nonce of its own, so each answer is signed for it.
"""

import asyncio
import base64
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509 import ocsp as client

from deploy.embedded.process import accepts, free_port
from deploy.embedded.stack import Store
from libs.common.core.health import Health
from libs.common.core.metrics import Metrics
from libs.common.core.values import utc_now
from libs.common.storage.mongo import Database
from libs.common.storage.records import MongoRecords
from libs.common.storage.reservations import MongoReservations
from libs.common.web.http import create_app, server
from services.ca.authority.issuers import Issuer
from services.ca.model.status import GoodStatus
from services.ca.ocsp.answers import Responder
from services.ca.ocsp.api import OcspEndpoint
from services.ca.ocsp.questions import OcspQuestions
from services.ca.ocsp.responders import Responders
from services.ca.ocsp.service import OcspService
from services.ca.status.lookup import StatusLookup
from services.ca.status.records import INDEXED, Statuses

CERTIFICATES: Final = 500
SECONDS: Final = 5
_LABEL: Final = "issuing"


@dataclass(frozen=True)
class RevocableCertificate:
    """A certificate, as far as its record cares."""

    serial: str
    issuer: str = _LABEL
    not_after: datetime = utc_now() + timedelta(days=365)
    crl_shard: int = 0
    revoked_at: datetime | None = None
    revoked_for: str | None = None


class _One:
    """The one responder, whose certificate is at hand."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    def at_hand(self, _questions: OcspQuestions) -> Responder:
        return self._responder

    async def asked(self, questions: OcspQuestions) -> Responder:
        return self.at_hand(questions)


def serials() -> list[int]:
    """Give the numbers of the certificates asked about."""
    return [(1 << 126) + n for n in range(CERTIFICATES)]


def authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Make, or read, an authority that answers for itself (RFC 6960, 4.2.2.2)."""
    if not (folder / "ca.pem").exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Bench")]), datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(now - timedelta(days=1))
        builder = builder.not_valid_after(now + timedelta(days=9))
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(identifier, critical=False).add_extension(usage, critical=True)
        made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        (folder / "ca.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "ca.key").write_bytes(pem)
    read = load_pem_private_key((folder / "ca.key").read_bytes(), None)
    return x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()), cast("ec.EllipticCurvePrivateKey", read)


def responder(folder: Path) -> Responder:
    """Make the responder."""
    certificate, key = authority(folder)
    return Responder.of(Issuer.of(_LABEL, certificate), certificate, key)


def questions(folder: Path, *, nonce: bool) -> list[bytes]:
    """Make a request for each certificate."""
    certificate, _ = authority(folder)
    digest = hashes.SHA256()
    name = hashes.Hash(digest)
    name.update(certificate.subject.public_bytes())
    key = hashes.Hash(digest)
    key.update(Issuer.of(_LABEL, certificate).key_bits)
    ids = name.finalize(), key.finalize()
    made = []
    for number in serials():
        builder = client.OCSPRequestBuilder().add_certificate_by_hash(*ids, number, digest)
        if nonce:
            builder = builder.add_extension(x509.OCSPNonce(number.to_bytes(16, "big")), critical=False)
        made.append(builder.build().public_bytes(Encoding.DER))
    return made


async def serve(folder: Path, uri: str, port: int) -> None:
    """Run one replica of the responder, as the service puts it together."""
    database = Database(uri, "bench")
    statuses = Statuses(MongoRecords(database, "statuses", INDEXED))
    await database.start()
    # No enrolment is looked for: every certificate asked about has its record.
    book = StatusLookup(
        statuses, cast("Any", None), MongoReservations(database), clock=utc_now, monotonic=time.monotonic
    )
    service = OcspService(book, cast("Responders", _One(responder(folder))), utc_now)
    metrics = Metrics("ca")
    app = create_app("bench", metrics=metrics, health=Health(), direct=[OcspEndpoint(service, metrics)])
    await server(app, "127.0.0.1", port).serve()


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def script(folder: Path, name: str, requests: Sequence[bytes], path: str) -> Path:
    """Write what wrk sends, in turn."""
    bodies = ",".join('"' + "".join(f"\\{octet:03d}" for octet in each) + '"' for each in requests)
    text = (
        f"local b = {{{bodies}}}\nlocal n = 0\n"
        'local h = {["Content-Type"] = "application/ocsp-request"}\n'
        f'request = function() n = n % #b + 1 return wrk.format("POST", "{path}", h, b[n]) end\n'
    )
    (folder / name).write_text(text)
    return folder / name


def load(script_: Path, ports: Sequence[int], seconds: int = SECONDS) -> float:
    """Ask for some seconds, of all ports at once; give answers a second. Fails where an answer is not 200."""
    asking = [
        subprocess.Popen(
            ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", str(script_), f"http://127.0.0.1:{port}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for port in ports
    ]
    said = [each.communicate()[0] for each in asking]
    if any("Non-2xx" in each for each in said):
        raise RuntimeError(f"not every answer was 200: {said}")
    return sum(float(re.findall(r"Requests/sec:\s*([0-9.]+)", each)[0]) for each in said)


async def ours(folder: Path, processes: int = 2) -> dict[str, float]:
    """Measure this responder, live and prepared."""
    async with Store(folder / "store") as store:
        database = Database(store.uri, "bench")
        statuses = Statuses(MongoRecords(database, "statuses", INDEXED))
        await database.start()
        await statuses.issued(RevocableCertificate(f"{number:x}") for number in serials())
        await database.stop()
        ports = [free_port() for _ in range(processes)]
        with ExitStack() as stack:
            for port in ports:
                command = [sys.executable, "-m", "tests.bench.ca_ocsp", "serve", str(folder), store.uri, str(port)]
                child = stack.enter_context(_started(command))
                stack.callback(child.terminate)
            for port in ports:
                while not await accepts(port):  # noqa: ASYNC110 - another process cannot set an event here
                    await asyncio.sleep(0.1)
            path = f"/pki/{_LABEL}/ocsp"
            found = {}
            for name, nonce in (("live", True), ("prepared", False)):
                asked = script(folder, f"{name}.lua", questions(folder, nonce=nonce), path)
                await asyncio.to_thread(load, asked, ports, seconds=1)  # what the first questions read stays in memory
                found[f"ours, {name}, {processes} processes"] = await asyncio.to_thread(load, asked, ports)
            return found


def openssl(folder: Path) -> float:
    """Measure OpenSSL's responder, which signs each answer."""
    until = f"{datetime.now(UTC) + timedelta(days=365):%y%m%d%H%M%SZ}"
    (folder / "index.txt").write_text("".join(f"V\t{until}\t\t{number:X}\tunknown\t/CN=x\n" for number in serials()))
    (folder / "index.txt.attr").write_text("unique_subject = no\n")
    asked = script(folder, "openssl.lua", questions(folder, nonce=True), "/")
    run = (
        f"ip link set lo up; openssl ocsp -index {folder}/index.txt -port 8888 -rsigner {folder}/ca.pem "
        f"-rkey {folder}/ca.key -CA {folder}/ca.pem -multi 2 >{folder}/openssl.log 2>&1 & sleep 1; "
        f"wrk -t1 -c16 -d{SECONDS}s -s {asked} http://127.0.0.1:8888"
    )
    # With a process namespace of its own: what it forks outlives it otherwise, and takes a core from the next run.
    alone = ["unshare", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", run]
    done = subprocess.run(alone, capture_output=True, text=True, check=False, timeout=60)
    return float(re.findall(r"Requests/sec:\s*([0-9.]+)", done.stdout)[0])


def cfssl(folder: Path) -> float:
    """Measure CFSSL's responder, which hands out answers made beforehand."""
    ours_, now = responder(folder), utc_now()
    answers = [ours_.answer(ours_.question(number), [GoodStatus()], now) for number in serials()]
    (folder / "responses").write_text("\n".join(base64.b64encode(each).decode() for each in answers))
    port = free_port()
    made = str(folder / "responses")
    command = ["cfssl", "ocspserve", "-address", "127.0.0.1", "-port", str(port), "-responses", made, "-loglevel", "5"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        time.sleep(1)
        try:
            return load(script(folder, "cfssl.lua", questions(folder, nonce=False), "/"), [port])
        finally:
            child.terminate()


def main() -> None:
    """Measure all, side by side."""
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority(folder)
        found = asyncio.run(ours(folder))
        found["openssl ocsp -multi 2, signs each"] = openssl(folder)
        found["cfssl ocspserve, made beforehand"] = cfssl(folder)
    for what, rate in found.items():
        sys.stdout.write(f"{what}: {rate:,.0f} answers/s\n")


if __name__ == "__main__":
    main()
