"""The counter at which relying parties ask: an office with the responder, over HTTP."""

import subprocess
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from fastapi import APIRouter, FastAPI

from libs.common.core.health import Health
from libs.common.pki.der import serial_text
from libs.common.testing.faults import Faults
from libs.common.web.http import create_app
from services.ca.authority.hierarchy import ROOT_LIST
from services.ca.collections import RESPONDERS
from services.ca.enrolment.service import certificates_of
from services.ca.model.certificate import Reason
from services.ca.ocsp.api import OcspEndpoint
from services.ca.ocsp.responders import Responders
from services.ca.ocsp.service import OcspService
from services.ca.problems import PROBLEMS
from services.ca.status.lookup import StatusLookup
from services.ca.texts import TEXTS
from services.ca.verification.signature_evidence import Witness
from tests.unit.ca.hierarchies import CertificationAuthority
from tests.unit.ca.office import METRICS, FaultyBook, Office, World

URL = "/pki/issuing/ocsp"


class OcspHost(Office):
    """One replica of the service, as relying parties see it."""

    def __init__(
        self,
        world: World,
        authority: CertificationAuthority,
        faults: Faults | None = None,
        *,
        in_token: bool = False,
    ) -> None:
        super().__init__(world, authority, faults)
        self.authority = authority
        self.responder_kind = self.engine.open(RESPONDERS)
        self.responders = Responders(
            self.responder_kind.aggregates,
            book=FaultyBook(world.book, self.faults),
            authority=self.issuing,
            ledger=self.ledger,
            keys=authority.responder_keys,
            clock=world.clock,
        )
        self.timers += ((self.responder_kind, self.engine.timers(self.responder_kind, self.responders.wake)),)
        self.status_book = StatusLookup(
            self.statuses,
            certificates_of(self.enrolments.aggregates),
            world.book,
            clock=world.clock,
            monotonic=world.steady,
        )
        self.ocsp = OcspService(self.status_book, self.responders, world.clock, in_token=in_token)

    async def open(self) -> "OcspHost":
        """Start, and do what is due."""
        await self.responders.start()
        await self.wake_due()
        return self

    @property
    def witness(self) -> Witness:
        """What it says of revocation, signed."""
        hierarchy, root_list = self.authority.hierarchy, self.authority.directory / ROOT_LIST
        return Witness(self.ocsp, self.lists, self.world.clock, hierarchy=hierarchy, root_list=root_list)

    def routers(self) -> list[APIRouter]:
        return []

    def app(self) -> FastAPI:
        return create_app(
            "ca",
            metrics=METRICS,
            problems=PROBLEMS,
            texts=TEXTS,
            health=Health(),
            routers=self.routers(),
            direct=[OcspEndpoint(self.ocsp, METRICS)],
        )

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app()), base_url="http://ca")

    async def citizen(self) -> x509.Certificate:
        """Issue to a citizen; give the SIGN certificate."""
        certificates = await self.issued()
        return x509.load_pem_x509_certificate(certificates[0].text.value.pem.encode())

    async def revoke(self, certificate: x509.Certificate, reason: Reason) -> None:
        """Revoke as a clerk. The lists are left to the timers."""
        await self.revocations.by_clerk(serial_text(certificate.serial_number), reason, "clerk-1")

    async def asked(self, request: bytes) -> ocsp.OCSPResponse:
        return ocsp.load_der_ocsp_response((await self.ocsp.answer(request)).der)

    def question(
        self,
        certificate: x509.Certificate,
        nonce: bytes | None = None,
        digest: hashes.HashAlgorithm | None = None,
        issuer: x509.Certificate | None = None,
    ) -> bytes:
        above = issuer or self.authority.issuing
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, above, digest or hashes.SHA1())  # noqa: S303 - what clients send
        if nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        return builder.build().public_bytes(Encoding.DER)

    def question_about(self, number: int) -> bytes:
        """Ask by number, for a certificate that may not exist."""
        model = ocsp.load_der_ocsp_request(self.question(self.authority.hierarchy.seal))
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            model.issuer_name_hash, model.issuer_key_hash, number, model.hash_algorithm
        )
        return builder.build().public_bytes(Encoding.DER)


def openssl(*arguments: str | Path) -> str:
    """Let OpenSSL speak; give all it said, whether content or not."""
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr
