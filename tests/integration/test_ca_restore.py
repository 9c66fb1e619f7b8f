"""The authority's store is lost and an older backup is put in its place: what came after is found and put back.

The real service on the embedded store, with a real broker; the backup is a copy of the store's files.
"""

import pytest

from services.ca.audit.rules import AuditFinding
from services.ca.tools.check import AuditReport
from tests.integration.branch import Branch, crl_number
from tests.patience import until
from tests.unit.ca.test_relying_parties import running

pytestmark = pytest.mark.kafka


def errors(report: AuditReport) -> list[AuditFinding]:
    return [each for each in report.findings if each.severity == "error"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("source", ["export", "topics", "both"])
async def test_after_an_older_backup_certificates_are_put_back_and_revocations_repeated(
    branch: Branch, source: str
) -> None:
    async with running(branch.settings) as http:
        before, (sign, auth) = await branch.issued(http, 1, "citizen-1")
    await branch.backup()
    async with running(branch.settings) as http:
        await branch.revoke(http, sign["serial"])
        after, later = await branch.issued(http, 3, "citizen-2")
        await branch.revoke(http, later[1]["serial"])
        number = await crl_number(http)
    export = await branch.export()
    told = await branch.told("cert.issued"), await branch.told("cert.revoked")
    assert errors(await branch.check()) == []

    await branch.lose()
    harmed = {each.key for each in errors(await branch.check())}
    assert {"topic.certificate_only", "topic.revocation_only"} <= harmed

    exports = () if source == "topics" else (export,)
    outcome = await branch.restore(*exports, topics=source != "export")
    assert (outcome.certificates, outcome.republished) == (2, 0)
    assert (outcome.entries > 0) is (source != "topics")

    async with running(branch.settings) as http:
        await until(lambda: branch.listed(http, later[1]["serial"]))
        await until(lambda: branch.listed(http, sign["serial"]))
        shown = {each["serial"]: each for each in await branch.certificates(http, after)}
        assert {serial: each["pem"] for serial, each in shown.items()} == {e["serial"]: e["pem"] for e in later}
        assert [shown[each["serial"]]["revoked"] for each in later] == [False, True]
        assert [e["revoked"] for e in await branch.certificates(http, before)] == [True, False]
        assert await crl_number(http) > number, "lists do not count backwards"
        newest, fresh = await branch.issued(http, 5, "citizen-3")
        known = {each["serial"] for each in (sign, auth, *later)}
        assert known.isdisjoint(each["serial"] for each in fresh)
        assert len(await branch.certificates(http, newest)) == 2
    assert await branch.told("cert.revoked") == told[1], "no revocation was told twice"
    now_told = await branch.told("cert.issued")
    assert {serial: now_told[serial] for serial in told[0]} == dict(told[0])
    assert errors(await branch.check()) == []

    again = await branch.restore(*exports, topics=source != "export")
    assert (again.entries, again.enrolments) == (0, 0), "running it again changes nothing"
