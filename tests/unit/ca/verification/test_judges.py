"""Every outside judge on everything the authority signs: no error, and no remark that `docs/pki-findings.md` lacks."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from services.ca.model.profiles import AUTH, OCSP_RESPONDER, ORGANISATION_SEAL, SIGN, TSA
from tests.unit.ca.hierarchies import SEAL_PASSPHRASE, establish
from tests.unit.ca.judges import EXPLAINED, lint_certificate, lint_crl, lint_ocsp, run
from tests.unit.ca.signing import DATA, OurStamps, Signer
from tests.unit.ca.verification.exhibits import CERTIFICATES, KINDS, PASSWORD, REVOKED, Exhibit, Exhibits

LISTS = ("root", "issuing", "issuing-rsa")
AUTHORITIES = ("root", "issuing", "issuing-rsa")
NSS_USES = {SIGN.name: "S", AUTH.name: "C", ORGANISATION_SEAL.name: "S", OCSP_RESPONDER.name: "O"}
"""certutil's words for e-mail signer, client, status responder; it knows none for time-stamps."""
OPENSSL_PURPOSES = {TSA.name: ("-purpose", "timestampsign"), OCSP_RESPONDER.name: ("-purpose", "ocsphelper")}


@pytest.fixture(scope="module")
def exhibits(tmp_path_factory: pytest.TempPathFactory) -> Exhibits:
    return Exhibits(tmp_path_factory.mktemp("exhibits"))


@pytest.fixture(scope="module")
def nss(exhibits: Exhibits) -> Path:
    """A database of NSS with the authorities, as a browser or mail program keeps them."""
    folder = exhibits.folder / "nss"
    folder.mkdir()
    run("certutil", "-N", "-d", f"sql:{folder}", "--empty-password")
    run("certutil", "-A", "-d", f"sql:{folder}", "-n", "root", "-t", "CT,C,C", "-i", exhibits.root)
    for label in LISTS[1:]:
        run("certutil", "-A", "-d", f"sql:{folder}", "-n", label, "-t", ",,", "-i", exhibits.folder / f"{label}.pem")
    return folder


@pytest.fixture(scope="module")
def java(exhibits: Exhibits) -> dict[tuple[str, str], str]:
    """What Java says of each certificate, once by lists and once by the responder: one start for all."""
    run("javac", "-Xlint:all", "-Werror", "-d", exhibits.folder, Path(__file__).with_name("ChainJudge.java"))
    lines = [
        "\t".join(map(str, (f"{each.name} {by}", by, int(exhibits.now.timestamp() * 1000) + 1000, each.policy or "-",
                            exhibits.root, each.issuing, each.pem, *evidence)))
        for each in exhibits.certificates.values()
        for by, evidence in (("crl", [exhibits.folder / f"{label}.crl" for label in LISTS]), ("ocsp", [each.ocsp]))
    ]  # fmt: skip
    (exhibits.folder / "java.tsv").write_text("\n".join(lines) + "\n")
    said = run("java", "-cp", exhibits.folder, "ChainJudge", exhibits.folder / "java.tsv")
    judgements = (line.partition("\t") for line in said.splitlines())
    return {(name.split()[0], name.split()[1]): verdict for name, _, verdict in judgements}


def remarks(said: str) -> set[str]:
    """Whatever a program calls a warning."""
    return {line.strip() for line in said.splitlines() if re.search(r"\bwarning\b", line, re.IGNORECASE)}


def by_pkilint(each: Exhibit, _: Exhibits) -> set[str]:
    return set(lint_certificate(each.certificate.public_bytes(Encoding.DER)))


def by_openssl_and_lists(each: Exhibit, all_: Exhibits) -> set[str]:
    policy = ("-policy_check", "-explicit_policy", "-policy", each.policy) if each.policy else ()
    purpose = OPENSSL_PURPOSES.get(each.profile.name, ())
    said = run("openssl", "verify", "-x509_strict", "-crl_check_all", "-CRLfile", all_.lists, "-CAfile",
               all_.root, "-untrusted", each.issuing, *policy, *purpose, each.pem, refused=each.revoked)  # fmt: skip
    assert ("certificate revoked" in said) is each.revoked
    return remarks(said)


def by_openssl_and_responder(each: Exhibit, all_: Exhibits) -> set[str]:
    said = run("openssl", "ocsp", "-respin", each.ocsp, "-issuer", each.issuing, "-cert", each.pem,
               "-CAfile", all_.root, "-verify_other", each.issuing, "-no_nonce")  # fmt: skip
    assert "Response verify OK" in said
    assert f"{each.pem}: {'revoked' if each.revoked else 'good'}" in said
    return remarks(said)


def by_gnutls_and_lists(each: Exhibit, all_: Exhibits) -> set[str]:
    chain = each.pem.with_suffix(".chain")
    chain.write_bytes(each.pem.read_bytes() + each.issuing.read_bytes())
    said = run("certtool", "--verify", "--load-ca-certificate", all_.root, "--load-crl", all_.lists,
               "--infile", chain, refused=each.revoked)  # fmt: skip
    assert ("Chain verification output: Verified." in said) is not each.revoked
    return remarks(said)


def by_gnutls_and_responder(each: Exhibit, _: Exhibits) -> set[str]:
    said = run("ocsptool", "--verify-response", "--load-response", each.ocsp, "--load-trust", each.issuing)
    assert "Verifying OCSP Response: Success." in said
    shown = run("ocsptool", "--response-info", "--load-response", each.ocsp)
    assert f"Certificate Status: {'revoked' if each.revoked else 'good'}" in shown
    return remarks(said + shown)


JUDGES: dict[str, Callable[[Exhibit, Exhibits], set[str]]] = {
    "pkilint": by_pkilint,
    "openssl verify": by_openssl_and_lists,
    "openssl ocsp": by_openssl_and_responder,
    "certtool": by_gnutls_and_lists,
    "ocsptool": by_gnutls_and_responder,
}


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_is_judged(exhibits: Exhibits, name: str, judge: str) -> None:
    """A revoked one is refused by whoever looks at revocation."""
    assert JUDGES[judge](exhibits.certificates[name], exhibits) <= EXPLAINED


def test_keytool_reads_every_certificate(exhibits: Exhibits) -> None:
    """In one run, since starting Java is what takes the time."""
    bundle = exhibits.folder / "all.pem"
    bundle.write_bytes(b"".join(each.pem.read_bytes() for each in exhibits.certificates.values()))

    said = run("keytool", "-printcert", "-file", bundle)

    assert said.count("Signature algorithm name: SHA256with") == len(CERTIFICATES)
    assert remarks(said) <= EXPLAINED


@pytest.mark.parametrize("by", ["crl", "ocsp"])
@pytest.mark.parametrize("name", CERTIFICATES)
def test_java_validates_the_path_and_refuses_what_was_revoked(
    java: dict[tuple[str, str], str], name: str, by: str
) -> None:
    if name.startswith(REVOKED):
        assert "reason: SUPERSEDED" in java[name, by]
    else:
        assert java[name, by] == "valid"


@pytest.mark.parametrize("name", [name for name in CERTIFICATES if not name.startswith(TSA.name)])
def test_nss_validates_the_certificate(exhibits: Exhibits, nss: Path, name: str) -> None:
    """Whether it was revoked, NSS asks the responder alone (see `docs/pki-findings.md`), over the network."""
    each = exhibits.certificates[name]
    use = NSS_USES.get(each.profile.name, "S")
    run("certutil", "-A", "-d", f"sql:{nss}", "-n", name, "-t", ",,", "-i", each.pem)
    said = run("certutil", "-V", "-e", "-d", f"sql:{nss}", "-n", name, "-u", use)

    assert "certificate is valid" in said
    assert remarks(said) <= EXPLAINED


@pytest.mark.parametrize("label", AUTHORITIES)
def test_an_authoritys_certificate_is_judged(exhibits: Exhibits, nss: Path, label: str) -> None:
    path = exhibits.folder / f"{label}.pem"
    root = exhibits.authority.hierarchy.root
    certificate = root if label == "root" else exhibits.authority.hierarchy.generation(label).certificate
    said = run("openssl", "verify", "-x509_strict", "-CAfile", exhibits.root, "-CRLfile", exhibits.lists,
               "-crl_check_all", path)  # fmt: skip
    said += run("certutil", "-V", "-e", "-d", f"sql:{nss}", "-n", label, "-u", "A")
    said += run("certtool", "--verify", "--load-ca-certificate", exhibits.root, "--infile", path)
    said += run("keytool", "-printcert", "-file", path)

    assert set(lint_certificate(certificate.public_bytes(Encoding.DER))) | remarks(said) <= EXPLAINED


@pytest.mark.parametrize("label", LISTS)
def test_a_revocation_list_is_judged(exhibits: Exhibits, nss: Path, label: str) -> None:
    path, issuer = exhibits.folder / f"{label}.crl", exhibits.folder / f"{label}.pem"
    said = run("openssl", "crl", "-inform", "DER", "-in", path, "-CAfile", issuer, "-noout")
    assert "verify OK" in said
    gnutls = run(
        "certtool", "--verify-crl", "--load-ca-certificate", issuer, "--infile", exhibits.folder / f"{label}.crl.pem"
    )
    assert "Verified." in gnutls
    store = ("-keystore", path.with_suffix(".jks"), "-storepass", PASSWORD)
    run("keytool", "-importcert", "-noprompt", "-alias", label, "-file", issuer, *store)
    java = run("keytool", "-printcrl", "-file", path, *store)
    assert f"Verified by {label} in keystore" in java
    nss_said = run("crlutil", "-I", "-d", f"sql:{nss}", "-i", path, refused=label != "root")
    nss_remarks = set(re.findall(r"SEC_ERROR_[A-Z_]+", nss_said))

    assert {*lint_crl(path.read_bytes()), *nss_remarks} | remarks(said + gnutls + java) <= EXPLAINED


@pytest.mark.parametrize("name", [f"{SIGN.name}-{kind}" for kind in KINDS] + [f"{REVOKED}-{kind}" for kind in KINDS])
def test_an_answer_about_a_certificate_is_judged(exhibits: Exhibits, name: str) -> None:
    assert set(lint_ocsp(exhibits.certificates[name].ocsp.read_bytes())) <= EXPLAINED


@pytest.mark.parametrize("kind", KINDS)
async def test_a_signature_and_its_time_stamp_are_judged(exhibits: Exhibits, tmp_path: Path, kind: str) -> None:
    each = exhibits.certificates[f"{SIGN.name}-{kind}"]
    signer = Signer(each.certificate, each.key, tmp_path)
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "signature").write_bytes(await signer.stamped(OurStamps(exhibits.authority, exhibits.now)))
    query, reply = tmp_path / "query", tmp_path / "reply"
    run("openssl", "ts", "-query", "-data", tmp_path / "data", "-sha256", "-cert", "-out", query)
    reply.write_bytes(OurStamps(exhibits.authority, exhibits.now).answer(query.read_bytes()))

    said = run("openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", tmp_path / "signature",
               "-content", tmp_path / "data", "-CAfile", exhibits.chain, "-out", "/dev/null")  # fmt: skip
    said += run("openssl", "ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", exhibits.root,
                "-untrusted", exhibits.chain)  # fmt: skip
    assert "Verification: OK" in said
    assert remarks(said) <= EXPLAINED


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_document_in_xml_is_judged(exhibits: Exhibits, tmp_path: Path, kind: str) -> None:
    each = exhibits.certificates[f"{SIGN.name}-{kind}"]
    Signer(each.certificate, each.key, tmp_path).xml("<a>5</a>")
    trusted = ("--trusted-pem", exhibits.root, "--untrusted-pem", each.issuing)

    said = run("xmlsec1", "--verify", "--enabled-key-data", "x509", *trusted, tmp_path / "signed.xml")
    assert remarks(said) <= EXPLAINED


@pytest.mark.parametrize("kind", KINDS)
def test_a_citizens_key_store_is_judged(exhibits: Exhibits, kind: str) -> None:
    name = f"{SIGN.name}-{kind}"
    judged_key_store(exhibits.key_store(name), PASSWORD, exhibits.certificates[name].certificate.serial_number)


def test_the_seals_key_store_is_judged(exhibits: Exhibits) -> None:
    seal = exhibits.authority.hierarchy.seal
    judged_key_store(exhibits.authority.directory / "seal.p12", SEAL_PASSPHRASE, seal.serial_number)


def judged_key_store(path: Path, password: str, serial_number: int) -> None:
    said = run("openssl", "pkcs12", "-in", path, "-passin", f"pass:{password}", "-nokeys", "-info")
    java = run("keytool", "-list", "-v", "-storetype", "PKCS12", "-keystore", path, "-storepass", password)
    assert f"{serial_number:x}" in java
    nss = run("pk12util", "-l", path, "-W", password)
    assert "Key(shrouded)" in nss
    gnutls = run("certtool", "--p12-info", "--inder", "--infile", path, "--password", password)
    assert "END ENCRYPTED PRIVATE KEY" in gnutls
    assert remarks(said + java + nss + gnutls) <= EXPLAINED


def test_java_tells_a_certificate_of_a_strangers_authority(
    exhibits: Exhibits, java: dict[tuple[str, str], str]
) -> None:
    """The judge judges: the same chain, under another root of the very same names."""
    assert java
    other = establish(exhibits.folder / "other", exhibits.now)
    each = exhibits.certificates[f"{SIGN.name}-P-256"]
    line = (
        "x ocsp",
        "ocsp",
        int(exhibits.now.timestamp() * 1000) + 1000,
        "-",
        other.directory / "root.pem",
        each.issuing,
        each.pem,
        each.ocsp,
    )
    (exhibits.folder / "other.tsv").write_text("\t".join(map(str, line)) + "\n")

    said = run("java", "-cp", exhibits.folder, "ChainJudge", exhibits.folder / "other.tsv")

    assert "CertPathValidatorException" in said
