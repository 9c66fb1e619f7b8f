"""What citizens, clerks and relying parties are answered, with real tokens."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from libs.common.core.health import Health
from libs.common.testing.idempotency import MemoryIdempotencyStore
from libs.common.web.http import create_app
from libs.common.web.idempotency import Idempotency
from libs.common.web.tokens import STAFF_ROLES, Authenticator, TokenIssuer, TokenVerifier
from services.ca.authority.api import public_routes
from services.ca.crl.api import list_routes
from services.ca.enrolment import api
from services.ca.problems import PROBLEMS
from services.ca.revocation.api import revocation_routes
from services.ca.texts import TEXTS
from tests.unit.ca.hierarchies import CertificationAuthority
from tests.unit.ca.judges import run
from tests.unit.ca.office import (
    CITIZEN,
    JOURNEY,
    KEYRING,
    METRICS,
    NEWER,
    STARTED,
    Office,
    World,
    closed,
    csrs,
    key,
)

URL = f"/v1/journeys/{JOURNEY}/certificates"
FORM = {"sign_csr": csrs()[0], "auth_csr": csrs()[1]}
IDENTITY, STAFF = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

Headers = Callable[..., dict[str, str]]


@pytest.fixture
def tokens(world: World) -> TokenIssuer:
    return TokenIssuer(IDENTITY, "identity", "key-1", world.clock)


@pytest_asyncio.fixture
async def http(
    world: World, office: Office, tokens: TokenIssuer, authority: CertificationAuthority
) -> AsyncIterator[httpx.AsyncClient]:
    staff = TokenIssuer(STAFF, "staff", "key-2", world.clock)
    auth = Authenticator(
        TokenVerifier(json.dumps(tokens.jwks()), "identity", world.clock),
        TokenVerifier(json.dumps(staff.jwks()), "staff", world.clock, roles=STAFF_ROLES),
    )
    idempotency = Idempotency(MemoryIdempotencyStore(), KEYRING, "ca", world.clock)
    routers = [
        api.journey_routes(office.service, office.intake, auth, idempotency),
        revocation_routes(office.revocations, auth),
        public_routes(authority.hierarchy),
        list_routes(office.lists, authority.directory / "root-crl.pem", world.clock),
    ]
    app = create_app("ca", metrics=METRICS, problems=PROBLEMS, texts=TEXTS, health=Health(), routers=routers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ca") as client:
        yield client


@pytest.fixture
def mine(tokens: TokenIssuer) -> Headers:
    def headers(idempotency_key: str | None = None) -> dict[str, str]:
        token = tokens.journey(JOURNEY, timedelta(days=7))
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": idempotency_key or str(uuid4())}

    return headers


def citizen(tokens: TokenIssuer, who: str = CITIZEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.citizen(who, 'person-ref', timedelta(hours=1))}"}


def staff_member(world: World, role: str) -> dict[str, str]:
    now = int(world.now.timestamp())
    claims = {"iss": "staff", "sub": "staff-7", "role": role, "region": "KZ-75", "iat": now, "exp": now + 600}
    return {"Authorization": f"Bearer {jwt.encode(claims, STAFF, algorithm='EdDSA', headers={'kid': 'key-2'})}"}


def once() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


async def test_requests_are_taken_and_the_two_certificates_fetched_by_their_journey(
    office: Office, http: httpx.AsyncClient, mine: Headers
) -> None:
    await office.opened()
    assert (await http.get(URL, headers=mine())).json() == {
        "state": "open",
        "waits_for": "citizen.requests",
        "certificates": [],
    }
    taken = await http.post(URL, json=FORM, headers=mine())
    assert (taken.status_code, taken.json()) == (202, {"pending": True})
    assert (await http.get(URL, headers=mine())).json()["waits_for"] == "ca.issuance"
    await office.wake_due()
    shown = (await http.get(URL, headers=mine())).json()
    assert (shown["state"], shown["waits_for"]) == ("issued", None)
    assert [each["profile"] for each in shown["certificates"]] == ["SIGN", "AUTH"]
    for number, each in enumerate(shown["certificates"], 1):
        read = x509.load_pem_x509_certificate(each["pem"].encode())
        assert read.public_key() == key(number).public_key()
        assert (f"{read.serial_number:x}", each["revoked"]) == (each["serial"], False)


async def test_requests_sent_twice_under_one_key_or_two_give_the_same_certificates(
    world: World, office: Office, http: httpx.AsyncClient, mine: Headers
) -> None:
    await office.opened()
    once = str(uuid4())
    answers = [await http.post(URL, json=FORM, headers=mine(name)) for name in (once, once, None)]
    await office.wake_due()
    answers.append(await http.post(URL, json=FORM, headers=mine()))
    assert [each.status_code for each in answers] == [202] * 4
    assert len(world.sent("cert.issued")) == 2


async def test_requests_before_their_time_are_answered_as_such_and_the_same_ones_are_taken_later(
    office: Office, http: httpx.AsyncClient, mine: Headers
) -> None:
    await office.receive(STARTED)
    headers = mine()
    early = await http.post(URL, json=FORM, headers=headers)
    assert (early.status_code, early.json()["key"]) == (409, "enrolment.not_open")
    await office.opened()
    assert (await http.post(URL, json=FORM, headers=headers)).status_code == 202


async def test_other_keys_and_a_journey_that_is_over_are_told_apart(
    office: Office, http: httpx.AsyncClient, mine: Headers
) -> None:
    await office.opened()
    await http.post(URL, json=FORM, headers=mine())
    other = {"sign_csr": csrs(3)[0], "auth_csr": csrs(3)[1]}
    refused = await http.post(URL, json=other, headers=mine())
    assert (refused.status_code, refused.json()["key"]) == (409, "enrolment.other_keys")
    await office.receive(closed("failed"))
    over = await http.post(URL, json=FORM, headers=mine())
    assert (over.status_code, over.json()["key"]) == (409, "enrolment.closed")


def forged() -> str:
    """A request whose signature is not by the key it holds."""
    der = bytearray(x509.load_pem_x509_csr(csrs()[0].encode()).public_bytes(Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()


def foreign(private: Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    """A sound request for a key that is not certified here."""
    digest = hashes.SHA256() if isinstance(private, rsa.RSAPrivateKey) else None
    made = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(private, digest)
    return made.public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("csr.malformed", {"sign_csr": "no request"}),
        ("csr.malformed", {"sign_csr": "x" * 20_000}),
        ("csr.malformed", {"sign_csr": FORM["sign_csr"] + FORM["sign_csr"]}),
        ("csr.same_key_twice", {"auth_csr": FORM["sign_csr"]}),
        ("csr.bad_signature", {"sign_csr": forged()}),
        ("csr.foreign_key_type", {"auth_csr": foreign(Ed25519PrivateKey.generate())}),
        ("csr.key_size", {"auth_csr": foreign(rsa.generate_private_key(65537, 1024))}),  # noqa: S505 - to be refused
    ],
    ids=["no request", "too large", "two requests", "same key", "wrong signature", "foreign key", "weak key"],
)
async def test_a_bad_request_is_a_problem_with_its_own_key_and_an_event(
    office: Office, http: httpx.AsyncClient, mine: Headers, reason: str, change: dict[str, str]
) -> None:
    await office.opened()
    answer = await http.post(URL, json=FORM | change, headers=mine())
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["key"]) == (422, reason)
    assert answer.json()["type"] == f"urn:onboarding:problem:{reason}"
    assert [each["reason"] for each in office.world.sent("cert.refused")] == [reason]


async def test_a_key_of_another_journey_is_a_problem_and_an_event(
    world: World, office: Office, http: httpx.AsyncClient, mine: Headers
) -> None:
    await office.issued(NEWER)
    await office.opened()
    answer = await http.post(URL, json=FORM, headers=mine())
    assert (answer.status_code, answer.json()["key"]) == (422, "csr.key_in_use")
    assert [each["journey"] for each in world.sent("cert.refused")] == [JOURNEY]


async def test_a_request_without_idempotency_key_or_of_another_shape_is_refused(
    office: Office, http: httpx.AsyncClient, mine: Headers
) -> None:
    await office.opened()
    headers = mine()
    del headers["Idempotency-Key"]
    assert (await http.post(URL, json=FORM, headers=headers)).json()["key"] == "idempotency.key_missing"
    answer = await http.post(URL, json=FORM | {"subject": "CN=somebody"}, headers=mine())
    assert answer.status_code == 422


async def test_a_journeys_certificates_are_for_its_own_token(
    http: httpx.AsyncClient, mine: Headers, tokens: TokenIssuer
) -> None:
    foreign = f"/v1/journeys/{NEWER}/certificates"
    answers = [
        await http.get(foreign, headers=mine()),
        await http.post(foreign, json=FORM, headers=mine()),
        await http.get(URL, headers=citizen(tokens)),
        await http.get(URL),
    ]
    assert [(each.status_code, each.json()["key"]) for each in answers] == [
        (403, "token.wrong_subject"),
        (403, "token.wrong_subject"),
        (403, "token.wrong_role"),
        (401, "token.missing"),
    ]


async def test_clerks_revoke_and_no_token_of_a_citizen_does(
    world: World, office: Office, http: httpx.AsyncClient, tokens: TokenIssuer, mine: Headers
) -> None:
    sign, auth = await office.issued()
    url, clerk = f"/v1/certificates/{sign.serial}/revoke", staff_member(world, "clerk")
    refused = [
        await http.post(url, json={}, headers=citizen(tokens)),
        await http.post(url, json={}, headers=staff_member(world, "officer")),
        await http.post(url, json={}, headers=mine()),
        await http.post(url, json={}),
        await http.post(f"/v1/certificates/{'7f' * 16}/revoke", json={}, headers=clerk),
        await http.post(url, json={"reason": "cACompromise"}, headers=clerk),
        await http.post("/v1/certificates/ZZ/revoke", json={}, headers=clerk),
    ]
    assert [each.status_code for each in refused] == [403, 403, 403, 401, 404, 422, 422]
    assert not world.sent("cert.revoked")
    for serial, reason in ((sign.serial, "keyCompromise"), (auth.serial, "unspecified")):
        answer = await http.post(f"/v1/certificates/{serial}/revoke", json={"reason": reason}, headers=clerk)
        assert answer.status_code == 202
    assert {each["serial"]: each["reason"] for each in world.sent("cert.revoked")} == {
        sign.serial: "keyCompromise",
        auth.serial: "unspecified",
    }
    shown = (await http.get(URL, headers=mine())).json()
    assert [each["revoked"] for each in shown["certificates"]] == [True, True]


async def test_relying_parties_fetch_chain_and_lists_in_the_forms_that_certificates_promise(
    office: Office, http: httpx.AsyncClient, authority: CertificationAuthority, tmp_path: Path
) -> None:
    await office.lists.start()
    await office.wake_due()
    for path, certificate in (("root", authority.hierarchy.root), ("issuing", authority.issuing)):
        assert x509.load_pem_x509_certificate((await http.get(f"/v1/ca/{path}.pem")).content) == certificate
        served = await http.get(f"/pki/{path}.cer")
        assert x509.load_der_x509_certificate(served.content) == certificate
        assert served.headers["cache-control"] == "public, max-age=3600, no-transform"
        alone = await http.head(f"/pki/{path}.cer")
        assert (alone.status_code, alone.headers["content-length"]) == (200, str(len(served.content)))
    chain = x509.load_pem_x509_certificates((await http.get("/v1/ca/chain.pem")).content)
    assert chain == [*(each.certificate for each in authority.hierarchy.generations), authority.hierarchy.root]
    der = await http.get("/v1/crl/issuing/1.crl")
    assert der.headers["content-type"] == "application/pkix-crl"
    assert der.content == (await http.get("/pki/issuing/crl/1.crl")).content
    (tmp_path / "crl.pem").write_bytes((await http.get("/v1/crl/issuing/1.pem")).content)
    said = run("openssl", "crl", "-in", tmp_path / "crl.pem", "-CAfile", authority.directory / "issuing.pem", "-noout")
    assert "verify OK" in said
    for nowhere in ("/v1/crl/issuing/2.crl", "/v1/crl/issuing/-1.pem", "/pki/issuing/crl/99999999999999999999.crl"):
        answer = await http.get(nowhere)
        assert (answer.status_code, answer.json()["key"]) == (404, "crl.unknown")


async def test_the_practice_statement_that_certificates_name_is_a_page(
    http: httpx.AsyncClient, authority: CertificationAuthority
) -> None:
    seal = authority.hierarchy.seal
    policies = seal.extensions.get_extension_for_class(x509.CertificatePolicies).value
    [qualifier] = policies[0].policy_qualifiers or [""]
    assert str(qualifier).endswith("/cps")  # below an address that ends in /pki where the service runs
    page = await http.get("/pki/cps")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "1.2.398.3.3.2.3" in page.text


async def test_the_root_s_own_revocation_list_stands_where_the_issuing_certificate_says(
    http: httpx.AsyncClient, authority: CertificationAuthority
) -> None:
    points = authority.issuing.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name is not None
    assert points[0].full_name[0].value.endswith("/root/crl/0.crl")
    answer = await http.get("/pki/root/crl/0.crl")
    crl = x509.load_der_x509_crl(answer.content)
    root_key = authority.hierarchy.root.public_key()
    assert isinstance(root_key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(root_key)
