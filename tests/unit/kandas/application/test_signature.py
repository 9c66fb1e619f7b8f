import hashlib
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from libs.citizen.signing.cms import sign_detached
from libs.common.core.errors import Refused
from libs.common.core.sealing import Keyring, Sealing
from libs.common.pki.trust import TrustAnchors
from services.kandas.application.canonical import canonical, digest
from services.kandas.application.signature import prove
from services.kandas.application.states import Draft
from tests.unit.citizen.factories import IIN, Authority, make_authority
from tests.unit.kandas.factories import Given


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority()


@pytest.fixture(scope="module")
def trust(authority: Authority) -> TrustAnchors:
    return TrustAnchors([authority.root], [authority.issuing])


async def test_a_signature_over_the_application_is_proven_with_serial_and_iin(
    given: Given, authority: Authority, trust: TrustAnchors
) -> None:
    document, entry, now = canonical(given.draft()), authority.entry(), datetime.now(UTC)
    cms = await sign_detached(document, entry, now)

    proven = prove(cms, document, trust, now)

    assert isinstance(entry.certificate, x509.Certificate)
    assert proven.iin == IIN
    assert int(proven.signature.serial, 16) == entry.certificate.serial_number
    assert proven.signature.document_sha256 == digest(given.draft())
    assert proven.signature.cms_sha256 == hashlib.sha256(cms).hexdigest()


async def test_a_signature_over_another_version_or_by_a_stranger_does_not_count(
    given: Given, authority: Authority, trust: TrustAnchors
) -> None:
    document, now = canonical(given.draft()), datetime.now(UTC)
    stranger = make_authority()

    for cms, key in (
        (await sign_detached(document + b" ", authority.entry(), now), "signature.wrong_document"),
        (await sign_detached(document, stranger.entry(), now), "signature.look_alike"),
        (b"no signature", "signature.malformed"),
    ):
        with pytest.raises(Refused) as error:
            prove(cms, document, trust, now)
        assert error.value.key == key


async def test_a_signature_by_a_certificate_that_has_expired_does_not_count(
    given: Given, authority: Authority, trust: TrustAnchors
) -> None:
    document, now = canonical(given.draft()), datetime.now(UTC)
    cms = await sign_detached(document, authority.entry(), now)
    with pytest.raises(Refused) as error:
        prove(cms, document, trust, now + timedelta(days=366))
    assert error.value.key == "signature.expired_certificate"


def test_the_bytes_to_sign_survive_the_store_unchanged(given: Given) -> None:
    draft = given.complete()
    sealing = Sealing(Keyring({"kandas": {"1": os.urandom(32)}}, os.urandom(32)), "applications/x")
    stored = draft.model_dump_json(context=sealing)
    assert isinstance(draft, Draft)
    assert canonical(Draft.model_validate_json(stored, context=sealing)) == canonical(draft)
    assert "Сейтжанұлы" not in stored


def test_the_bytes_to_sign_are_canonical_json_and_change_with_every_statement(given: Given) -> None:
    draft, complete = given.draft(), given.complete()
    assert isinstance(complete, Draft)
    text = canonical(complete).decode()

    parsed = json.loads(text)
    assert text == json.dumps(parsed, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert [person["surname"] for person in parsed["persons"]] == ["Сейтжанұлы", "Қайратқызы", "Қайратқызы"]
    assert digest(draft) != digest(complete)
    assert digest(complete) == digest(complete.model_copy(update={"attachments": complete.attachments[::-1]}))
