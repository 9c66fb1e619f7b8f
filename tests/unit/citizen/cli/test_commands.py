"""The command line, run as people run it, against stub services that listen on a port."""

import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from typer.testing import CliRunner, Result

from libs.citizen.cli import app
from libs.citizen.cli.screen import Exit
from libs.citizen.journey.enrolment import KeyPairs
from libs.citizen.journey.folder import FolderPendingKeys
from libs.citizen.keys.keystore import certificate_of, file_name, pack, unpack, write_entry
from libs.common.contracts.ca import Profile
from libs.common.contracts.http.identity import CabinetCertificate
from libs.common.pki.der import serial_text
from tests.unit.citizen.conftest import Judge
from tests.unit.citizen.factories import IIN, PASSWORD, Authority, pem
from tests.unit.citizen.kandas_stub import STAFF
from tests.unit.citizen.stubs import CODE, PIN, StubServices

ROOT = Path(__file__).parents[4]
PHONE = "+77011234567"
SECRETS = {"CITIZEN_PIN": PIN, "CITIZEN_P12_PASSWORD": PASSWORD, "CITIZEN_STAFF_TOKEN": STAFF}


@dataclass
class Terminal:
    """Runs `citizen` in an environment."""

    environment: Mapping[str, str]

    def __call__(self, *command: str, typed: str = "", environment: Mapping[str, str | None] | None = None) -> Result:
        env = {**SECRETS, **self.environment, "COLUMNS": "200", "LANGUAGE": "en", **(environment or {})}
        return CliRunner().invoke(app, list(command), input=typed, env=env)

    def done(self, *command: str, typed: str = "") -> str:
        """Run what must succeed; give what it printed."""
        result = self(*command, typed=typed)
        assert result.exit_code == 0, result.output
        return result.output


@dataclass
class Served:
    """Stub services at a port, and a terminal that uses them."""

    stub: StubServices
    citizen: Terminal


@pytest.fixture
def served(authority: Authority) -> Iterator[Served]:
    stub = StubServices(authority)
    server = uvicorn.Server(uvicorn.Config(stub.app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield Served(stub, Terminal(_endpoints(url)))
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def alone() -> Terminal:
    """A terminal without any service: for commands that need none."""
    return Terminal(_endpoints("http://127.0.0.1:9"))


def _endpoints(url: str) -> dict[str, str]:
    return {f"CITIZEN_{name}": url for name in ("IDENTITY", "OTP", "BIOMETRICS", "CA", "KANDAS")}


@pytest.fixture
def captures(tmp_path: Path) -> list[str]:
    options = []
    for option, name in (("--selfie", "a.jpg"), ("--clip", "b.webm"), ("--front", "c.jpg"), ("--back", "d.jpg")):
        (tmp_path / name).write_bytes(name.encode())
        options += [option, str(tmp_path / name)]
    return options


def _store(folder: Path) -> Path:
    [path] = folder.glob("EC256_*.p12")
    return path


def test_the_whole_way_to_a_signature_that_openssl_accepts(
    served: Served, captures: list[str], tmp_path: Path, judge: Judge, authority: Authority
) -> None:
    out = tmp_path / "eds"
    shown = served.citizen.done("eds", "-o", str(out), "--iin", IIN, "--phone", PHONE, *captures, typed=f"{CODE}\n")
    assert "Your face matches your document." in shown
    assert str(_store(out)) in shown.replace("\n", "")
    for secret in (PIN, PASSWORD):
        assert secret not in shown
    assert sorted(path.name.partition("_")[0] for path in out.glob("*.p12")) == ["AUTH", "EC256"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in out.iterdir())

    (tmp_path / "letter.txt").write_text("Құрметті әріптестер!", "utf-8")
    served.citizen.done("sign", str(tmp_path / "letter.txt"), "--p12", str(_store(out)))
    (tmp_path / "root.pem").write_text(pem(authority.root))
    judge(
        "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", str(tmp_path / "letter.txt.p7s"),
        "-content", str(tmp_path / "letter.txt"), "-CAfile", str(tmp_path / "root.pem"), "-out", "/dev/null",
    )  # fmt: skip

    status = served.citizen.done("status", "-o", str(out))
    assert "The journey is complete." in status


def test_a_renewal_asks_for_pin_code_and_present_key_and_gives_new_key_stores(
    served: Served, tmp_path: Path, authority: Authority
) -> None:
    present = write_entry(tmp_path, authority.entry(), PASSWORD, rounds=1000)
    out, pin = tmp_path / "renewed", tmp_path / "pin"
    pin.write_text(PIN)
    shown = served.citizen.done(
        "eds", "renew", "--p12", str(present), "-o", str(out), "--phone", PHONE, "--pin-file", str(pin),
        typed=f"{CODE}\n",
    )  # fmt: skip
    assert "face" not in shown.lower()
    new = x509.load_pem_x509_certificate(next(iter(served.stub.journeys.values())).certificates[0].pem.encode())
    assert _store(out).name == file_name(new)
    assert [journey.codes for journey in served.stub.journeys.values()] == [[CODE]]


def test_the_code_may_come_from_the_development_inbox(served: Served, captures: list[str], tmp_path: Path) -> None:
    out = str(tmp_path / "eds")
    served.citizen.done("eds", "-o", out, "--iin", IIN, "--phone", PHONE, "--dev-inbox", *captures)
    assert [journey.codes for journey in served.stub.journeys.values()] == [[CODE]]


def test_a_generated_password_is_kept_for_the_owner_alone(served: Served, captures: list[str], tmp_path: Path) -> None:
    out = tmp_path / "eds"
    command = ["eds", "-o", str(out), "--iin", IIN, "--phone", PHONE, "--dev-inbox", "--generate-password", *captures]
    served.citizen.done(*command)
    password = (out / "password.txt").read_text().strip()
    assert stat.S_IMODE((out / "password.txt").stat().st_mode) == 0o600
    assert unpack(_store(out).read_bytes(), password).certificate in served.stub.issued


def test_a_broken_off_journey_is_resumed_with_its_keys(served: Served, captures: list[str], tmp_path: Path) -> None:
    out = str(tmp_path / "eds")
    begun = served.citizen("eds", "-o", out, "--iin", IIN, "--phone", PHONE, *captures, typed="")  # nobody types a code
    assert begun.exit_code == 1
    assert (tmp_path / "eds" / "journey.json").exists()
    assert "Waits for you: type the code from the SMS" in served.citizen.done("status", "-o", out)
    served.citizen.done("eds", "-o", out, "--resume", *captures, typed=f"{CODE}\n")
    assert len(served.stub.journeys) == 1
    assert len(served.stub.issued) == 2


def test_a_new_journey_does_not_push_aside_keys_that_wait(served: Served, captures: list[str], tmp_path: Path) -> None:
    FolderPendingKeys(tmp_path / "eds", PASSWORD, rounds=1000).save(KeyPairs.make())
    result = served.citizen("eds", "-o", str(tmp_path / "eds"), "--iin", IIN, "--phone", PHONE, *captures)
    assert result.exit_code == Exit.HERE
    assert "journey.unfinished" in result.stderr
    assert served.stub.received == []


def test_a_failed_picture_is_asked_for_again_with_the_movements(
    served: Served, captures: list[str], tmp_path: Path
) -> None:
    served.stub.face[:] = ["open", "matched"]
    again = "".join(f"{captures[place]}\n" for place in (1, 3, 5, 7))
    shown = served.citizen.done(
        "eds", "-o", str(tmp_path / "eds"), "--iin", IIN, "--phone", PHONE, "--dev-inbox", *captures,
        typed=f"{tmp_path / 'nowhere.jpg'}\n{again}",
    )  # fmt: skip
    assert "1. turn the head to your left and straight back" in shown
    assert "2. blink" in shown
    assert "The selfie is too dark. Turn towards the light." in shown
    assert "There is no file" in shown


def test_the_way_to_kandas_for_a_family(served: Served, authority: Authority, tmp_path: Path) -> None:
    store, form, out = _kandas_files(tmp_path, authority)
    citizen = served.citizen
    shown = citizen.done("kandas", "apply", form, "--p12", store, "--iin", IIN, "-o", str(out), typed="y\n")
    assert '"surname": "Тестова"' in shown  # what is signed was shown first
    [application] = served.stub.kandas.applications.values()
    assert (out / "application.json").read_bytes() == application.document
    assert application.attachments["p2", "photo"] == b"photo of the child"

    assert "There are no decisions yet." in citizen.done(
        "kandas", "fetch", application.id, "--iin", IIN, "-o", str(out)
    )
    assert application.id in citizen.done("officer", "queue")
    assert json.loads(citizen.done("officer", "show", application.id))["status"] == "checked"
    fetched = citizen.done("officer", "attachments", application.id, "-o", str(tmp_path / "seen"))
    assert "2 files" in fetched
    assert (tmp_path / "seen" / "p2-photo.jpg").read_bytes() == b"photo of the child"
    citizen.done("officer", "return", application.id, "p2/photo")
    assert "Still to attach: photograph, member p2." in citizen.done("kandas", "status", application.id, "--iin", IIN)
    citizen.done("kandas", "attach", application.id, "p2", "photo", str(tmp_path / "me.jpg"), "--iin", IIN)
    citizen.done("kandas", "sign", application.id, "--p12", store, "--iin", IIN, "-o", str(out), "--yes")
    citizen.done("officer", "decide", application.id, "p1", "granted")
    citizen.done("officer", "decide", application.id, "p2", "refused", "--reason", "refusal.false_data")

    status = citizen.done("kandas", "status", application.id, "--iin", IIN)
    assert "The data are false." in status
    assert application.id in citizen.done("kandas", "status", "--iin", IIN)
    citizen.done("kandas", "fetch", application.id, "--iin", IIN, "-o", str(out))
    assert (out / "kandas-p1.pdf").read_bytes() == b"%PDF-1.7 p1"
    assert stat.S_IMODE((out / "kandas-p1.pdf").stat().st_mode) == 0o600


def _kandas_files(folder: Path, authority: Authority) -> tuple[str, str, Path]:
    person = {"surname": "Тестова", "given_name": "Айгуль", "birth_date": "1983-07-17", "citizenship": "CN"}
    person |= {"origin_country": "CN", "document_number": "E12345678"}
    child = {**person, "given_name": "Дана", "relation": "child", "attachments": {"photo": "child.jpg"}}
    applicant = {**person, "iin": IIN, "attachments": {"photo": "me.jpg"}}
    form = {"service": "grant", "region": "almaty", "applicant": applicant, "family": [child]}
    (folder / "form.json").write_text(json.dumps(form, ensure_ascii=False), "utf-8")
    (folder / "me.jpg").write_bytes(b"photo of the applicant")
    (folder / "child.jpg").write_bytes(b"photo of the child")
    (folder / "sign.p12").write_bytes(pack(authority.entry(), PASSWORD, rounds=1000))
    return str(folder / "sign.p12"), str(folder / "form.json"), folder / "kandas"


def test_what_the_person_does_not_confirm_is_not_signed(served: Served, authority: Authority, tmp_path: Path) -> None:
    store, form, out = _kandas_files(tmp_path, authority)
    result = served.citizen("kandas", "apply", form, "--p12", store, "--iin", IIN, "-o", str(out), typed="n\n")
    assert result.exit_code == 1
    [application] = served.stub.kandas.applications.values()
    assert application.status == "draft"
    served.citizen.done("kandas", "sign", application.id, "--p12", store, "--iin", IIN, "-o", str(out), "--yes")
    assert application.status == "checked"


def test_a_clerk_judges_a_face_check(served: Served, captures: list[str], tmp_path: Path) -> None:
    served.stub.face[:] = ["review"]
    out = str(tmp_path / "eds")
    command = ("eds", "-o", out, "--iin", IIN, "--phone", PHONE, "--dev-inbox", *captures)
    waiting = subprocess.Popen(  # a process of its own: the runner can't run two commands at once
        [sys.executable, "-m", "libs.citizen", *command],
        env={**os.environ, **SECRETS, **served.citizen.environment},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        while not (listed := served.citizen.done("clerk", "reviews")):
            time.sleep(0.05)
        journey_id = json.loads(listed)["journey_id"]
        served.citizen.done("clerk", "pictures", journey_id, "-o", str(tmp_path / "review"))
        assert (tmp_path / "review" / "selfie").read_bytes() == b"picture selfie"
        served.citizen.done("clerk", "decide", json.loads(listed)["journey_id"], "--match", "--reason", "same_person")
        assert waiting.wait(90) == 0
    finally:
        waiting.kill()
        waiting.wait()
    assert len(served.stub.issued) == 2


def _listed(serial: str, profile: Profile = "SIGN", *, days: int = 100, revoked: bool = False) -> CabinetCertificate:
    until = datetime.now(UTC) + timedelta(days=days)
    return CabinetCertificate(serial=serial, profile=profile, not_after=until, revoked=revoked)


def test_who_lost_the_keys_chooses_from_the_good_certificates(served: Served) -> None:
    served.stub.cabinet_certificates = [
        _listed("0a01"), _listed("0a02", revoked=True), _listed("0a03", days=-1), _listed("0a04", "AUTH"),
    ]  # fmt: skip
    shown = served.citizen.done("eds", "revoke", "--iin", IIN, typed=f"3\n2\ny\n{CODE}\n")
    assert re.search(r"1 +to sign documents .* 0a01", shown)
    assert re.search(r"2 +to sign in .* 0a04", shown)
    assert not {"0a02", "0a03"} & set(shown.split())
    assert "Type a number from 1 to 2." in shown
    assert "Revoke the certificate 0a04? It can't be undone." in shown
    assert served.stub.revoked == {"0a04"}


def test_nothing_is_revoked_without_a_yes(served: Served, authority: Authority, tmp_path: Path) -> None:
    served.stub.cabinet_certificates = [_listed("0a01")]
    store = str(write_entry(tmp_path, entry := authority.entry(), PASSWORD, rounds=1000))
    for by in (("--iin", IIN), ("--p12", store)):
        for typed in ("n\n", "\n", ""):
            assert served.citizen("eds", "revoke", *by, typed=typed).exit_code == 1
    assert served.stub.revoked == set()
    shown = served.citizen.done("eds", "revoke", "--p12", store, typed="y\n")
    serial = serial_text(certificate_of(entry).serial_number)
    assert re.search(rf"to sign documents .* {serial}", shown)
    assert served.stub.revoked == {serial}


def test_scripts_revoke_without_a_question(served: Served, authority: Authority, tmp_path: Path) -> None:
    store = str(write_entry(tmp_path, authority.entry(), PASSWORD, rounds=1000))
    served.citizen.done("eds", "revoke", "--p12", store, "--serial", "0b01", "--yes")
    served.stub.cabinet_certificates = [_listed("0a01"), _listed("0a04", "AUTH")]
    served.citizen.done("eds", "revoke", "--iin", IIN, "--serial", "0a01", "--yes", "--dev-inbox")
    assert served.stub.revoked == {"0b01", "0a01"}


def test_who_has_no_good_certificate_is_told_so(served: Served) -> None:
    served.stub.cabinet_certificates = [_listed("0a01", revoked=True)]
    result = served.citizen("eds", "revoke", "--iin", IIN)
    assert result.exit_code == Exit.HERE
    assert "revoke.none_good" in result.stderr


# What goes wrong: the exit status tells its kind, stderr what happened, what it means, what to do


def test_a_refusal_exits_with_1_and_explains(served: Served, captures: list[str], tmp_path: Path) -> None:
    out = str(tmp_path / "eds")
    result = served.citizen("eds", "-o", out, "--iin", "061211600012", "--phone", PHONE, *captures)
    assert result.exit_code == 1
    for part in ("Error code: iin.unknown", "Not Found", "The register does not know this IIN."):
        assert part in result.stderr


@pytest.mark.parametrize("command", ["eds", "kandas status 1", "eds revoke"])
@pytest.mark.parametrize("iin", ["061211600011", "12345", "O61211600012"])
def test_a_wrong_iin_is_said_before_anything_else_is_asked(alone: Terminal, command: str, iin: str) -> None:
    """The last digit follows from the others (decree 853). Exit 2: the command line is wrong."""
    nothing = {"CITIZEN_PIN": None, "CITIZEN_P12_PASSWORD": None}
    result = alone(*command.split(), "--iin", iin, environment=nothing)
    assert result.exit_code == 2
    assert "This is not an IIN." in result.stderr
    assert "Compare it with your identity card" in " ".join(result.stderr.replace("│", "").split())
    assert "assword" not in result.output


def test_a_wrong_iin_at_the_keyboard_is_asked_for_again(served: Served, captures: list[str], tmp_path: Path) -> None:
    typed = f"061211600011\n{IIN}\n{CODE}\n"
    shown = served.citizen.done("eds", "-o", str(tmp_path / "eds"), "--phone", PHONE, *captures, typed=typed)
    assert shown.index("This is not an IIN.") < shown.index("To sign: ")
    assert len(served.stub.journeys) == 1


def test_where_it_is_too_soon_for_another_code_the_last_one_is_asked_for(
    served: Served, captures: list[str], tmp_path: Path
) -> None:
    served.stub.too_soon = True
    command = ("eds", "-o", str(tmp_path / "eds"), "--iin", IIN, "--phone", PHONE, *captures)
    shown = served.citizen.done(*command, typed=f"\n{CODE}\n")
    assert "Wait for the SMS a little longer." in shown


def test_what_stops_a_journey_that_can_go_on_names_the_way(served: Served, captures: list[str], tmp_path: Path) -> None:
    begin = ("--iin", IIN, "--phone", PHONE, *captures)
    refused = served.citizen("eds", "-o", str(tmp_path / "eds"), *begin, typed="111111\n" * 3)
    assert f"kept in the folder {tmp_path / 'eds'}" in " ".join(refused.stderr.replace("│", "").split())
    assert "--resume" in refused.stderr
    served.stub.face = ["rejected"]
    ended = served.citizen("eds", "-o", str(tmp_path / "other"), *begin, typed=f"{CODE}\n")
    assert ended.exit_code == Exit.ENDED
    assert "--resume" not in ended.stderr


def test_used_up_codes_tell_when_to_come_back(served: Served, captures: list[str], tmp_path: Path) -> None:
    out = str(tmp_path / "eds")
    result = served.citizen("eds", "-o", out, "--iin", IIN, "--phone", PHONE, *captures, typed="111111\n" * 3)
    assert result.exit_code == Exit.REFUSED
    assert "Tries left: 1." in result.output
    assert "No code is taken before 09:45." in result.stderr


def test_a_wrong_role_exits_with_1(served: Served) -> None:
    result = served.citizen("officer", "queue", environment={"CITIZEN_STAFF_TOKEN": "a citizen's"})
    assert result.exit_code == Exit.REFUSED
    assert "token.wrong_role" in result.stderr


def test_a_wrong_command_line_exits_with_2(alone: Terminal, tmp_path: Path) -> None:
    assert alone("sign", str(tmp_path / "nothing.txt"), "--p12", str(tmp_path / "nothing.p12")).exit_code == 2
    assert alone("officer", "decide", "1", "p1", "maybe").exit_code == 2


@pytest.mark.parametrize(
    "page", ["portal.example", "https://portal.example/sign", "https://*", "https://a@b", "file:///page.html"]
)
def test_a_page_that_no_browser_would_name_so_is_not_allowed_but_explained(
    page: str, alone: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "key.p12").write_bytes(b"")
    result = alone("agent", "--p12", str(tmp_path / "key.p12"), "--allow", page)
    assert result.exit_code == 2
    assert "such as https://portal.example" in " ".join(re.findall(r"[^\s│]+", result.stderr))


def test_a_service_that_is_away_exits_with_3(alone: Terminal) -> None:
    result = alone("officer", "queue", environment={"CITIZEN_PATIENCE_SECONDS": "0.3"})
    assert result.exit_code == 3
    assert "Nothing you have done so far is lost." in result.stderr


@pytest.mark.parametrize(("password", "key"), [("Құпия-сөз-42-дала", "password.not_ascii"), ("Ab1!", "too_short")])
def test_a_refused_password_exits_with_4_before_anything_is_sent(
    served: Served, captures: list[str], tmp_path: Path, password: str, key: str
) -> None:
    result = served.citizen(
        "eds", "-o", str(tmp_path / "eds"), "--iin", IIN, "--phone", PHONE, *captures,
        environment={"CITIZEN_P12_PASSWORD": password},
    )  # fmt: skip
    assert result.exit_code == 4
    assert key in result.stderr
    assert password not in result.output
    assert served.stub.received == []


def test_an_ended_journey_exits_with_5(served: Served, captures: list[str], tmp_path: Path) -> None:
    served.stub.face[:] = ["rejected"]
    command = ("eds", "-o", str(tmp_path / "eds"), "--iin", IIN, "--phone", PHONE, "--dev-inbox", *captures)
    result = served.citizen(*command)
    assert result.exit_code == 5
    assert "Go to a public service centre" in result.stderr


def test_a_key_store_is_shown_without_its_key(alone: Terminal, authority: Authority, tmp_path: Path) -> None:
    entry = authority.entry()
    (tmp_path / "sign.p12").write_bytes(pack(entry, PASSWORD, rounds=1000))
    shown = alone.done("inspect", str(tmp_path / "sign.p12"))
    for part in ("ТЕСТОВА АЙГУЛЬ", "to sign documents", "elliptic curve, 256 bits", entry.key_id, "Test issuing"):
        assert part in shown


def test_a_wrong_password_exits_with_4(alone: Terminal, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "sign.p12").write_bytes(pack(authority.entry(), PASSWORD, rounds=1000))
    (tmp_path / "password").write_text("something else\n")
    result = alone("inspect", str(tmp_path / "sign.p12"), "--password-file", str(tmp_path / "password"))
    assert result.exit_code == Exit.HERE
    assert "Caps Lock" in result.stderr


def test_the_certificate_for_signing_in_signs_nothing(alone: Terminal, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "auth.p12").write_bytes(pack(authority.entry("AUTH"), PASSWORD, rounds=1000))
    (tmp_path / "letter.txt").write_text("letter")
    result = alone("sign", str(tmp_path / "letter.txt"), "--p12", str(tmp_path / "auth.p12"))
    assert result.exit_code == Exit.HERE
    assert not (tmp_path / "letter.txt.p7s").exists()


def test_a_folder_that_cannot_be_written_exits_with_4(alone: Terminal, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "sign.p12").write_bytes(pack(authority.entry(), PASSWORD, rounds=1000))
    (tmp_path / "letter.txt").write_text("letter")
    nowhere = str(tmp_path / "no" / "such" / "folder.p7s")
    command = ("sign", str(tmp_path / "letter.txt"), "--p12", str(tmp_path / "sign.p12"), "--signature", nowhere)
    result = alone(*command)
    assert result.exit_code == Exit.HERE
    assert "No such file or directory" in result.stderr


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"applicant": 5}',
        '{"applicant": {}, "family": [1]}',
        '{"applicant": {"surnam": "x"}}',
        "\udce9",
    ],
)
def test_a_form_that_is_none_exits_with_4_and_names_the_trouble(
    alone: Terminal, authority: Authority, tmp_path: Path, content: str
) -> None:
    store, form, _ = _kandas_files(tmp_path, authority)
    Path(form).write_bytes(content.encode("utf-8", "surrogateescape"))
    result = alone("kandas", "apply", form, "--p12", store, "--iin", IIN)
    assert result.exit_code == Exit.HERE
    assert re.search("form.invalid|form.not_an_application", result.stderr)


def test_a_missing_attachment_exits_with_4_and_is_named(served: Served, authority: Authority, tmp_path: Path) -> None:
    store, form, out = _kandas_files(tmp_path, authority)
    (tmp_path / "child.jpg").unlink()
    result = served.citizen("kandas", "apply", form, "--p12", store, "--iin", IIN, "-o", str(out), "--yes")
    assert result.exit_code == Exit.HERE
    assert re.search(r"photograph of Тестова Дана.*child\.jpg", result.stderr.replace("\n", " "))


def test_no_command_takes_a_secret_on_its_command_line(alone: Terminal) -> None:
    """What stands on a command line is seen by every user of the machine and kept in the shell's history."""
    commands = [[], ["kandas"], ["officer"], ["clerk"]]
    names = {" ".join(group): re.findall(r"│ (\w+) ", alone.done(*group, "--help")) for group in commands}
    for group, commands_of in names.items():
        for command in commands_of:
            shown = alone.done(*group.split(), command, "--help")
            assert not re.search(r"--(pin|password|token|code|secret)\b(?!-file)", shown)


# Languages


@pytest.mark.parametrize(
    ("options", "locale", "word"),
    [
        ((), {"LANGUAGE": "ru"}, "Владелец"),
        ((), {"LANGUAGE": "", "LC_ALL": "", "LANG": "kk_KZ.UTF-8"}, "Иесі"),
        ((), {"LANGUAGE": "", "LC_ALL": "C.UTF-8"}, "Иесі"),
        (("--lang", "en"), {"LANGUAGE": "ru"}, "Holder"),
        (("--lang=KK-latn",), {}, "İesı"),
        (("--lang", "kk-Arab"), {}, "يەسى"),
    ],
)
def test_each_command_follows_the_locale_and_its_own_option(
    *,
    options: tuple[str, ...],
    locale: dict[str, str],
    word: str,
    alone: Terminal,
    authority: Authority,
    tmp_path: Path,
) -> None:
    (tmp_path / "sign.p12").write_bytes(pack(authority.entry(), PASSWORD, rounds=1000))
    result = alone("inspect", str(tmp_path / "sign.p12"), *options, environment=locale)
    assert result.exit_code == 0, result.output
    assert word in result.output


def test_a_language_that_is_none_is_a_wrong_command_line(alone: Terminal) -> None:
    assert alone("clerk", "reviews", "--lang", "fr").exit_code == 2


def test_help_and_errors_are_in_the_language_and_services_are_asked_for_it(served: Served, tmp_path: Path) -> None:
    assert "Получить ЭЦП" in served.citizen.done("eds", "--help", "--lang", "ru")
    assert "Показать эту справку." in served.citizen.done("--lang", "ru", "kandas", "apply", "--help")
    result = served.citizen("status", "-o", str(tmp_path), "--lang", "ru")
    assert "нет начатой заявки" in result.stderr
    served.citizen("kandas", "status", "--iin", IIN, "--lang", "kk-Arab")
    assert b"(b'accept-language', b'kk-Arab')" in served.stub.received[-1]
