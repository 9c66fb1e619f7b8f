"""The demo's whole way on real face models, and outside judges over everything it leaves."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from rich.console import Console

from deploy.embedded.demo import Demo
from services.biometrics.models.files import verify
from tests.journey import invariants
from tests.journey.harness import logged, make_broker
from tests.journey.invariants import DECISIONS, Facts
from tests.journey.records import read
from tests.unit.ca.judges import run

MODELS = Path("var/models").resolve()
FILES = {
    "root.pem",
    "issuing.pem",
    "sign.pem",
    "auth.pem",
    "sign.p12",
    "auth.p12",
    "password.txt",
    "application.json",
    "application.p7s",
    "crl.pem",
    "events.jsonl",
    "timeline.txt",
    "services.log",
}


def judge(tool: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is missing: install {package}")


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where every process of the demo puts temporary files."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        yield folder


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(broker_kind: str, tmp_path_factory: pytest.TempPathFactory, temporary: Path) -> Demo:  # noqa: ARG001 - it is to be set before the demo's processes start
    """One citizen's whole way, gone once for all tests of this file."""
    verify(MODELS)  # what is missing, and how to make it, is told at once and not by a service that ends
    out = tmp_path_factory.mktemp("demo")
    with (out / "screen.txt").open("w", encoding="utf-8") as screen, logged(out / "services.log"):
        demo = Demo(
            out,
            MODELS,
            Console(file=screen, width=120),
            broker=lambda folder: make_broker(broker_kind, folder),
            idempotence=broker_kind == "kafka",
        )
        await demo.run()
    return demo


def test_the_whole_way_leaves_every_file_that_it_promises(demo: Demo) -> None:
    names = {path.name for path in demo.out.iterdir()}
    assert names >= FILES
    assert len([name for name in names if name.startswith("kandas-") and name.endswith(".pdf")]) == 3


def test_every_invariant_holds_over_what_an_independent_consumer_saw(demo: Demo) -> None:
    facts = Facts(read(demo.out / "events.jsonl"))
    assert invariants.violations(facts.records) == []
    assert not facts.unfinished_journeys
    assert not facts.unfinished_applications
    assert len(facts.all("cert.issued")) == 2
    assert len(facts.all(*DECISIONS)) == 3


def test_the_face_was_matched_by_a_real_model(demo: Demo) -> None:
    (matched,) = Facts(read(demo.out / "events.jsonl")).all("face.matched")
    assert matched.value["model"] not in {"", "stub"}
    assert matched.value["reviewed"] is False


def test_nothing_personal_stands_in_events_logs_or_the_stores_own_log(demo: Demo) -> None:
    for file in (demo.out / "events.jsonl", demo.out / "services.log", *(demo.out / ".run").glob("*.log")):
        text = file.read_text(encoding="utf-8", errors="replace")
        assert [kind for kind, value in enumerate(demo.citizen.planted) if value in text] == [], file.name


def test_nothing_is_left_in_temporary_files(demo: Demo, temporary: Path) -> None:
    assert demo.out.is_dir()
    assert [str(path) for path in temporary.rglob("*") if path.is_file()] == []


def test_what_the_citizen_was_shown_begins_with_the_journey_and_ends_with_three_decisions(demo: Demo) -> None:
    keys = [line.split("  ")[1] for line in (demo.out / "timeline.txt").read_text().splitlines()]
    assert keys.index("journey.started") < keys.index("digital_id.created") < keys.index("journey.completed")
    assert keys.count("kandas.granted") == 3


@judge("openssl", "openssl")
def test_openssl_accepts_both_certificates_under_the_root(demo: Demo) -> None:
    for name in ("sign.pem", "auth.pem"):
        run("openssl", "verify", "-x509_strict", "-CAfile", demo.out / "root.pem",
            "-untrusted", demo.out / "issuing.pem", demo.out / name)  # fmt: skip


@judge("openssl", "openssl")
def test_openssl_accepts_the_revocation_list_and_finds_neither_certificate_on_it(demo: Demo) -> None:
    listed = run("openssl", "crl", "-in", demo.out / "crl.pem", "-CAfile", demo.out / "issuing.pem", "-noout", "-text")
    assert "verify OK" in listed
    for name in ("sign.pem", "auth.pem"):
        certificate = x509.load_pem_x509_certificate((demo.out / name).read_bytes())
        assert f"{certificate.serial_number:X}" not in listed


@judge("openssl", "openssl")
def test_openssl_accepts_the_signature_over_the_application_and_no_other(demo: Demo, tmp_path: Path) -> None:
    def verify_over(document: Path, *, refused: bool = False) -> None:
        run("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", demo.out / "application.p7s",
            "-content", document, "-CAfile", demo.out / "root.pem", "-certfile", demo.out / "issuing.pem",
            "-purpose", "any", "-out", tmp_path / "signed", refused=refused)  # fmt: skip

    verify_over(demo.out / "application.json")
    changed = tmp_path / "changed.json"
    changed.write_bytes((demo.out / "application.json").read_bytes().replace(b"KZ-75", b"KZ-71"))
    verify_over(changed, refused=True)


@judge("keytool", "default-jre-headless")
def test_keytool_opens_both_key_stores_with_the_password_that_was_told(demo: Demo) -> None:
    password = (demo.out / "password.txt").read_text().strip()
    for name in ("sign.p12", "auth.p12"):
        listed = run("keytool", "-list", "-v", "-keystore", demo.out / name, "-storepass", password)
        assert "PrivateKeyEntry" in listed
        assert "Certificate chain length: 3" in listed


@judge("pdfsig", "poppler-utils")
def test_pdfsig_finds_one_valid_seal_over_each_whole_document(demo: Demo) -> None:
    documents = sorted(demo.out.glob("kandas-*.pdf"))
    assert len(documents) == 3
    for document in documents:
        found = run("pdfsig", "-nocert", document)
        assert found.count("Signature is Valid.") == 1
        assert "Total document signed" in found


def test_the_documents_are_those_whose_hashes_the_decisions_tell(demo: Demo) -> None:
    facts = Facts(read(demo.out / "events.jsonl"))
    hashes = {each.value["person"]: each.value["document_sha256"] for each in facts.all(*DECISIONS)}
    found = {
        path.stem.removeprefix("kandas-"): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in demo.out.glob("kandas-*.pdf")
    }
    assert found == hashes


def test_the_application_that_was_signed_is_the_one_that_was_submitted(demo: Demo) -> None:
    (submitted,) = Facts(read(demo.out / "events.jsonl")).all("kandas.submitted")
    document = (demo.out / "application.json").read_bytes()
    assert submitted.value["document_sha256"] == hashlib.sha256(document).hexdigest()
