"""The ledger leaves the store whole and honest: as lines that prove, as a table that is read, as an archive."""

import csv
import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from libs.common.storage.chain import GENESIS, Head, breaks
from libs.common.testing.chain import MemoryChain
from services.ca.ledger.acts import Checkpointed
from services.ca.ledger.stamps import StampRefused
from services.ca.tools.archive import NothingToArchive, archive
from services.ca.tools.export import ExportError, read_lines, write_file
from tests.unit.ca.audit.test_check import Audited
from tests.unit.ca.hierarchies import PERSON, CertificationAuthority, establish
from tests.unit.ca.office import JOURNEY, NEWER, World

YEAR = timedelta(days=365)


@pytest.fixture
async def office(world: World, authority: CertificationAuthority) -> Audited:
    """Two years: issuance and a checkpoint in each."""
    office = Audited(world, authority)
    await office.checkpoints.start()
    (sign, _) = await office.issued()
    await office.revocations.by_clerk(sign.serial, "keyCompromise", "=cmd()\u2028\u0085")
    await office.wake_due()
    world.now += timedelta(hours=2)
    await office.wake_due()
    world.now += YEAR
    await office.issued(NEWER, 3)
    world.now += timedelta(hours=2)
    await office.wake_due()
    return office


async def exported(office: Audited, file: Path, after: int = 0) -> Path:
    await write_file(office.ledger.entries(after), await office.ledger.at(after), file)
    return file


async def test_an_export_has_every_entry_as_it_is_and_links_up(office: Audited, tmp_path: Path) -> None:
    export = read_lines(await exported(office, tmp_path / "all.jsonl"))
    assert list(export.entries) == office.world.chain.entries
    assert (export.after, export.head) == (GENESIS, office.world.chain.entries[-1].head)


async def test_exports_of_parts_follow_one_another(office: Audited, tmp_path: Path) -> None:
    first = read_lines(await exported(office, tmp_path / "first.jsonl"))
    await office.issued("7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a55", 5)
    second = read_lines(await exported(office, tmp_path / "second.jsonl", first.head.position))
    assert second.after == first.head
    assert second.entries
    assert list(breaks([*first.entries, *second.entries])) == []


async def test_the_file_says_what_it_is_what_is_sealed_and_with_which_keys_and_holds_nothing_personal(
    office: Audited, tmp_path: Path
) -> None:
    text = (await exported(office, tmp_path / "all.jsonl")).read_text(encoding="utf-8")
    first, last = (json.loads(line) for line in (text.splitlines()[0], text.splitlines()[-1]))
    assert "sealed" in first["personal_data"]
    assert last["sealed_with"] == ["person.1"]
    table = (await exported(office, tmp_path / "all.csv")).read_text(encoding="utf-8")
    assert [each for each in (PERSON.iin, PERSON.surname, PERSON.given_name) if each in text + table] == []


def _cut_short(lines: list[str]) -> list[str]:
    return lines[:-1]


def _without_one(lines: list[str]) -> list[str]:
    return [*lines[:3], *lines[4:]]


def _altered(lines: list[str]) -> list[str]:
    return [line.replace(JOURNEY, NEWER) for line in lines]


def _other_end(lines: list[str]) -> list[str]:
    return [*lines[:-2], lines[-1]]


def _other_format(lines: list[str]) -> list[str]:
    return [lines[0].replace("ca-ledger/1", "ca-ledger/9"), *lines[1:]]


@pytest.mark.parametrize("spoil", [_cut_short, _without_one, _altered, _other_end, _other_format])
async def test_a_file_that_is_not_whole_is_refused(office: Audited, tmp_path: Path, spoil: object) -> None:
    file = await exported(office, tmp_path / "all.jsonl")
    lines = file.read_text(encoding="utf-8").splitlines()
    assert callable(spoil)
    file.write_text("\n".join(spoil(lines)) + "\n", encoding="utf-8")
    with pytest.raises(ExportError):
        read_lines(file)


@pytest.mark.parametrize("content", ["", "[]\n[]\n", "{}\n{}\n", "\x00\n", '{"format":"ca-ledger/1","after":[]}\n{}\n'])
def test_rubbish_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "rubbish.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ExportError):
        read_lines(file)


async def test_the_table_is_read_by_spreadsheets_and_nothing_in_it_is_a_formula(
    office: Audited, tmp_path: Path
) -> None:
    file = await exported(office, tmp_path / "all.csv")
    with file.open(encoding="utf-8", newline="") as content:
        rows = list(csv.DictReader(content))
    assert [int(row["position"]) for row in rows] == [each.position for each in office.world.chain.entries]
    (asked,) = (row for row in rows if row["kind"] == "revocation.asked")
    assert (asked["by"], asked["role"], asked["reason"]) == ("'=cmd()\u2028\u0085", "clerk", "keyCompromise")
    (revoked,) = (row for row in rows if row["kind"] == "certificate.revoked" and row["serial"] == asked["serial"])
    assert (json.loads(revoked["before"])["status"], json.loads(revoked["after"])["status"]) == ("good", "revoked")


async def moved(office: Audited, file: Path, before: datetime) -> tuple[Head, int]:
    trust = office.authority.hierarchy.trust
    return await archive(office.world.chain, office.ledger, trust, file, before)


async def test_an_archive_and_what_is_left_are_one_chain_and_the_check_finds_nothing(
    world: World, office: Audited, tmp_path: Path
) -> None:
    whole = list(world.chain.entries)
    file = tmp_path / "archive.jsonl"
    start, removed = await moved(office, file, world.now - timedelta(days=100))
    old = read_lines(file)
    assert old.head == start == world.chain.begins
    assert removed == len(old.entries) > 5
    assert [*old.entries, *world.chain.entries][: len(whole)] == whole
    assert list(breaks([*old.entries, *world.chain.entries])) == []
    assert any(isinstance(office.ledger.read(each), Checkpointed) for each in world.chain.entries)
    # In a year the root's list ended: the ceremony was held again.
    held_again = establish(shutil.copytree(office.authority.directory, tmp_path / "ca"), world.now)
    report = await Audited(world, held_again).report(topics=False)
    assert [each for each in report.findings if each.severity == "error"] == []


async def test_what_is_not_vouched_for_before_that_day_stays(world: World, office: Audited, tmp_path: Path) -> None:
    before = list(world.chain.entries)
    with pytest.raises(NothingToArchive):
        await moved(office, tmp_path / "archive.jsonl", world.now - 3 * YEAR)
    assert world.chain.entries == before
    assert not (tmp_path / "archive.jsonl").exists()


async def test_an_archive_is_never_written_over_another_file(world: World, office: Audited, tmp_path: Path) -> None:
    file = tmp_path / "archive.jsonl"
    file.write_text("mine", encoding="utf-8")
    before = list(world.chain.entries)
    with pytest.raises(ExportError):
        await moved(office, file, world.now - timedelta(days=100))
    assert (file.read_text(encoding="utf-8"), world.chain.entries) == ("mine", before)


class Dying(MemoryChain):
    """Does not get to remove anything."""

    @override
    async def cut(self, through: Head) -> int:
        raise ConnectionError


async def test_an_archive_that_was_cut_short_is_finished_with_the_same_file_and_no_other(
    world: World, office: Audited, tmp_path: Path
) -> None:
    dying = Dying()
    dying.entries, dying.begins = world.chain.entries, world.chain.begins
    file, before, trust = tmp_path / "archive.jsonl", world.now - timedelta(days=100), office.authority.hierarchy.trust
    with pytest.raises(ConnectionError):
        await archive(dying, office.ledger, trust, file, before)
    (tmp_path / "other.jsonl").write_text("another", encoding="utf-8")
    for other in ("other.jsonl", "missing.jsonl"):
        with pytest.raises(ExportError):
            await moved(office, tmp_path / other, before)
    start, removed = await moved(office, file, before)
    assert (world.chain.begins, removed) == (start, len(read_lines(file).entries))


async def test_nothing_is_removed_behind_a_checkpoint_that_nobody_vouched_for(
    world: World, office: Audited, tmp_path: Path
) -> None:
    world.now += YEAR
    head = await office.ledger.head()
    forged = Checkpointed(position=head.position, hash=head.hash, token="AAAA")  # noqa: S106 - no stamp
    await office.ledger.record("authority", forged)
    world.now += YEAR
    before = list(world.chain.entries)
    with pytest.raises(StampRefused):
        await moved(office, tmp_path / "archive.jsonl", world.now - timedelta(days=1))
    assert world.chain.entries == before
