"""What is lost on the way, and what must never travel: requests, answers, the program itself, keys."""

import asyncio
import base64
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.citizen.errors import KeystoreError
from libs.citizen.journey.enrolment import MemoryPendingKeys
from libs.citizen.journey.folder import FolderPendingKeys
from libs.citizen.keys.keystore import unpack
from libs.citizen.keys.private_keys import KeyAlgorithm, PrivateKey
from tests.unit.citizen.factories import PASSWORD, make_authority
from tests.unit.citizen.harness import CitizenRun, applied
from tests.unit.citizen.stubs import StubServices

AUTHORITY = make_authority()


@dataclass
class Lossy(httpx.AsyncBaseTransport):
    """Loses requests on their way, or answers on theirs, as `fates` say; then all goes well."""

    inner: httpx.ASGITransport
    fates: list[str]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fate = self.fates.pop(0) if self.fates else "fine"
        if fate == "request lost":
            raise httpx.ConnectError("nobody there", request=request)
        answer = await self.inner.handle_async_request(request)
        if fate == "answer lost":
            await answer.aread()
            raise httpx.ReadError("connection reset", request=request)
        return answer


@pytest.mark.parametrize("loss", ["request lost", "answer lost"])
def test_losing_any_single_request_or_its_answer_changes_nothing(loss: str) -> None:
    place = 0
    while True:
        fates = ["fine"] * place + [loss]
        stub = StubServices(AUTHORITY)
        eds = asyncio.run(CitizenRun(stub, transport=Lossy(httpx.ASGITransport(stub.app), fates)).eds())
        assert [eds.sign.certificate, eds.auth.certificate] == stub.issued, place
        assert len(stub.journeys) == 1, place
        if fates:  # the journey was over before it came to that
            break
        place += 1
    assert place > 20  # each step of the journey was met


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["fine", "request lost", "answer lost"]), max_size=60))
def test_whatever_is_lost_on_the_way_two_certificates_are_issued(fates: list[str]) -> None:
    stub = StubServices(AUTHORITY)
    run = CitizenRun(stub, transport=Lossy(httpx.ASGITransport(stub.app), fates))
    asyncio.run(run.eds())
    assert len(stub.issued) == 2
    assert len(stub.journeys) == 1


class Killed(BaseException):
    """The end of the program, at a place that no `except Exception` sees."""


@dataclass
class Killing(httpx.AsyncBaseTransport):
    """Kills the program after so many answers have come."""

    inner: httpx.ASGITransport
    lives: int

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inner.handle_async_request(request)
        self.lives -= 1
        if self.lives == 0:
            raise Killed
        return answer


def test_a_program_killed_anywhere_goes_on_where_the_journey_stands() -> None:
    lives, killed = 1, True
    while killed:
        stub = StubServices(AUTHORITY)
        run = CitizenRun(stub, transport=Killing(httpx.ASGITransport(stub.app), lives))
        try:
            eds = asyncio.run(run.eds())
            killed = False
        except Killed:
            eds = asyncio.run(run.eds())
        assert [eds.sign.certificate, eds.auth.certificate] == stub.issued, lives
        lives += 1
    assert lives > 20  # each step of the journey was met


async def test_keys_survive_in_the_folder_under_the_password(stub: StubServices, tmp_path: Path) -> None:
    pending = FolderPendingKeys(tmp_path, PASSWORD, rounds=1000)
    eds = await CitizenRun(stub, pending=pending).eds()
    again = FolderPendingKeys(tmp_path, PASSWORD).load()
    assert again is not None
    assert again.sign.public_key() == eds.sign.key.public_key()
    with pytest.raises(KeystoreError):
        FolderPendingKeys(tmp_path, PASSWORD + "x").load()

    stores = pending.finish(eds)
    assert set(_files(tmp_path)) == {path.name for path in stores}  # no pending keys are left
    assert unpack(stores[0].read_bytes(), PASSWORD).certificate == eds.sign.certificate


async def test_certificates_without_their_keys_are_recognised_as_lost(stub: StubServices) -> None:
    run = CitizenRun(stub)
    await run.eds()
    run.pending = MemoryPendingKeys()
    with pytest.raises(KeystoreError) as lost:
        await run.eds()
    assert lost.value.key == "keys.lost"


@pytest.mark.parametrize("kind", [KeyAlgorithm.EC_P256, KeyAlgorithm.RSA_2048])
async def test_no_private_key_or_its_password_ever_travels(
    stub: StubServices, kind: KeyAlgorithm, tmp_path: Path
) -> None:
    """Everything sent in both journeys is searched for the keys in each form a mistake could give them."""
    run = CitizenRun(stub, kind=kind, pending=FolderPendingKeys(tmp_path, PASSWORD, rounds=1000))
    eds = await run.eds()
    await applied(run, eds)
    sent = b"\n".join(stub.received)
    assert b"BEGIN CERTIFICATE REQUEST" in sent  # the search looks at what it should
    for entry in (eds.sign, eds.auth):
        for needle in _traces(entry.key):
            assert needle not in sent
    stores = [content for name, content in _files(tmp_path).items() if name.endswith(".p12")]
    assert len(stores) == 2
    for secret in (b"PRIVATE KEY", PASSWORD.encode(), *stores, *map(base64.b64encode, stores)):
        assert secret not in sent


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _traces(key: PrivateKey) -> set[bytes]:
    """Return what would give a key away: its secret numbers and encodings, each raw, in hexadecimal and in Base64."""
    numbers = key.private_numbers()
    secrets = (
        [numbers.p, numbers.q, numbers.d] if isinstance(numbers, rsa.RSAPrivateNumbers) else [numbers.private_value]
    )
    raw = [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in secrets]
    forms = (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)
    raw += [key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption()) for form in forms]
    hexadecimal = [part.hex().encode() for part in raw]
    # Base64 of the same bytes has three forms, by where in a group of three they begin
    shifted = [base64.b64encode(b"x" * shift + part)[4:-4] for part in raw for shift in range(3)]
    return {*raw, *hexadecimal, *(part.upper() for part in hexadecimal), *shifted}
