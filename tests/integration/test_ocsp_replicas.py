"""Two replicas of the authority on one store and one broker: what one takes in, the other answers."""

import asyncio

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus

from services.ca.status.lookup import FRESH_S
from tests.integration.ca_harness import CaHarness
from tests.integration.test_relying_parties import answered, running

pytestmark = pytest.mark.kafka


async def test_a_revocation_shows_on_every_replica_within_a_second(ca: CaHarness) -> None:
    async with running(ca.settings) as one, running(ca.settings) as other:
        for seed, replica in ((1, one), (3, other)):
            _, (sign, _) = await ca.issued(replica, seed, f"citizen-{seed}")
            question = asked(ca, x509.load_pem_x509_certificate(sign["pem"].encode()))
            for each in (one, other):  # both remember it as good
                assert (await answered(each, question)).certificate_status is OCSPCertStatus.GOOD
            neighbour = other if replica is one else one
            clerk = {"Authorization": f"Bearer {ca.staff.clerk()}"}
            address = f"/v1/certificates/{sign['serial']}/revoke"
            taken = await replica.post(address, json={"reason": "keyCompromise"}, headers=clerk)
            assert taken.status_code == httpx.codes.ACCEPTED
            await asyncio.sleep(FRESH_S)  # what memory held before may answer no longer, however slow the machine is
            assert (await answered(neighbour, question)).certificate_status is OCSPCertStatus.REVOKED


def asked(ca: CaHarness, certificate: x509.Certificate) -> bytes:
    """Ask about a certificate without a nonce: such answers are the ones that are kept."""
    issuing = x509.load_pem_x509_certificate((ca.settings.directory / "issuing.pem").read_bytes())
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuing, hashes.SHA256())
    return builder.build().public_bytes(Encoding.DER)
