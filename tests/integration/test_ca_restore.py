"""The authority's store is lost and an older backup is put in its place: what came after is found and put back.

The real service on the embedded store, with a real broker; the backup is a copy of the store's files.
"""

import pytest

from services.ca.audit.rules import AuditFinding
from services.ca.tools.check import AuditReport
from tests.integration.ca_harness import CaHarness, crl_number
from tests.integration.test_relying_parties import running
from tests.waiting import until

pytestmark = pytest.mark.kafka


def errors(report: AuditReport) -> list[AuditFinding]:
    return [each for each in report.findings if each.severity == "error"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("source", ["export", "topics", "both"])
async def test_after_an_older_backup_certificates_are_put_back_and_revocations_repeated(
    ca: CaHarness, source: str
) -> None:
    async with running(ca.settings) as http:
        before, (sign, auth) = await ca.issued(http, 1, "citizen-1")
    await ca.backup()
    async with running(ca.settings) as http:
        await ca.revoke(http, sign["serial"])
        after, later = await ca.issued(http, 3, "citizen-2")
        await ca.revoke(http, later[1]["serial"])
        number = await crl_number(http)
    export = await ca.export()
    published_on = await ca.published_on("cert.issued"), await ca.published_on("cert.revoked")
    assert errors(await ca.check()) == []

    await ca.lose()
    harmed = {each.key for each in errors(await ca.check())}
    assert {"topic.certificate_only", "topic.revocation_only"} <= harmed

    exports = () if source == "topics" else (export,)
    outcome = await ca.restore(*exports, topics=source != "export")
    assert (outcome.certificates, outcome.republished) == (2, 0)
    assert (outcome.entries > 0) is (source != "topics")

    async with running(ca.settings) as http:
        await until(lambda: ca.listed(http, later[1]["serial"]))
        await until(lambda: ca.listed(http, sign["serial"]))
        shown = {each["serial"]: each for each in await ca.certificates(http, after)}
        assert {serial: each["pem"] for serial, each in shown.items()} == {e["serial"]: e["pem"] for e in later}
        assert [shown[each["serial"]]["revoked"] for each in later] == [False, True]
        assert [e["revoked"] for e in await ca.certificates(http, before)] == [True, False]
        assert await crl_number(http) > number, "lists do not count backwards"
        newest, fresh = await ca.issued(http, 5, "citizen-3")
        known = {each["serial"] for each in (sign, auth, *later)}
        assert known.isdisjoint(each["serial"] for each in fresh)
        assert len(await ca.certificates(http, newest)) == 2
    assert await ca.published_on("cert.revoked") == published_on[1], "no revocation was told twice"
    published_now = await ca.published_on("cert.issued")
    assert {serial: published_now[serial] for serial in published_on[0]} == dict(published_on[0])
    assert errors(await ca.check()) == []

    again = await ca.restore(*exports, topics=source != "export")
    assert (again.entries, again.enrolments) == (0, 0), "running it again changes nothing"
