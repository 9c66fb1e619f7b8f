"""What must hold over all records of all journeys, whatever was repeated, reordered, lost or killed.

Looks at records alone, with none of the services' code: the numbers are those of the list of invariants that the
design promises. Give it the records after the topics have come to rest, for a consumer of many topics sees causes
and effects in any order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from tests.journey.records import Record

DECISIONS = ("kandas.granted", "kandas.extended", "kandas.refused")
PROOFS = ("otp.verified", "face.matched", "digital_id.created")


class Facts:
    """The facts of one installation, each once, though it may have been published more than once."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = [record for record in records if record.is_fact]
        first: dict[str, Record] = {}
        for record in self.records:
            first.setdefault(record.id, record)
        self._by_topic: dict[str, list[Record]] = defaultdict(list)
        for record in sorted(first.values(), key=lambda record: record.time):
            self._by_topic[record.topic].append(record)

    def all(self, *topics: str) -> list[Record]:
        """Give the facts of these topics."""
        return [record for topic in topics for record in self._by_topic[topic]]

    def of(self, subject: str, *topics: str) -> list[Record]:
        """Give the facts of these topics about one journey or application."""
        return [record for record in self.all(*topics) if record.subject == subject]

    @property
    def unfinished_journeys(self) -> set[str]:
        """The journeys that began and did not end."""
        return {each.subject for each in self.all("journey.started")} - {
            each.subject for each in self.all("journey.closed")
        }

    @property
    def unfinished_applications(self) -> set[str]:
        """The applications that were submitted and are not decided about everybody."""
        submitted = {each.subject: set(each.value["persons"]) for each in self.all("kandas.submitted")}
        return {
            application
            for application, persons in submitted.items()
            if persons - {each.value["person"] for each in self.of(application, *DECISIONS)}
        }


def violations(records: Sequence[Record]) -> list[str]:
    """Give a sentence for everything that must not be; none if all is well."""
    facts = Facts(records)
    return [
        *_well_formed(facts),
        *_issued_with_proof(facts),
        *_one_of_each(facts),
        *_signed(facts),
        *_decided_once(facts),
    ]


def _well_formed(facts: Facts) -> Iterator[str]:
    """One fact is the same however often it is published, stands under its subject, and in the order of its subject."""
    seen: dict[str, Record] = {}
    for record in facts.records:
        if record.key != record.subject:
            yield f"{record.place} is keyed {record.key}, and about {record.subject}"
        before = seen.setdefault(record.id, record)
        if (before.topic, before.subject, before.value) != (record.topic, record.subject, record.value):
            yield f"{record.place} and {before.place} have one id, and tell different facts"


def _issued_with_proof(facts: Facts) -> Iterator[str]:
    """1. No certificate without phone, face and Digital ID proven in the same journey, and before it.

    A renewal proves the phone again, and rests on an older certificate of the citizen, which signed the request.
    """
    for issued in facts.all("cert.issued"):
        renewal = any(each.value.get("purpose") == "renewal" for each in facts.of(issued.subject, "journey.started"))
        if renewal and not any(_older(issued, each) for each in facts.all("cert.issued")):
            yield f"1: certificates were renewed in journey {issued.subject} by a citizen who had none"
        for proof in PROOFS[:1] if renewal else PROOFS:
            if not any(each.time <= issued.time for each in facts.of(issued.subject, proof)):
                yield f"1: a certificate was issued in journey {issued.subject} before {proof}"
        if issued.correlation != issued.subject:
            yield f"1: a certificate of journey {issued.subject} is correlated with {issued.correlation}"


def _older(issued: Record, other: Record) -> bool:
    of_same = other.value["citizen_id"] == issued.value["citizen_id"]
    return of_same and other.subject != issued.subject and other.time <= issued.time


def _one_of_each(facts: Facts) -> Iterator[str]:
    """2. At most one live SIGN and AUTH certificate a journey; and a citizen's older ones give way to newer ones."""
    revoked = {each.value["serial"] for each in facts.all("cert.revoked")}
    live = Counter(
        (each.subject, each.value["profile"])
        for each in facts.all("cert.issued")
        if each.value["serial"] not in revoked
    )
    for (journey, profile), number in live.items():
        if number > 1:
            yield f"2: journey {journey} has {number} live {profile} certificates"
    serials = Counter(each.value["serial"] for each in facts.all("cert.issued"))
    for serial, number in serials.items():
        if number > 1:
            yield f"2: the serial number {serial} was issued {number} times"
    closed = Counter(each.subject for each in facts.all("journey.closed"))
    for journey, number in closed.items():
        if number > 1:
            yield f"5: journey {journey} was closed {number} times"


def _signed(facts: Facts) -> Iterator[str]:
    """3. No decision without a signature by the applicant's own certificate, which was live when they signed."""
    issued = {each.value["serial"]: each for each in facts.all("cert.issued")}
    revoked = {each.value["serial"]: _moment(each.value, "revoked_at") for each in facts.all("cert.revoked")}
    for submitted in facts.all("kandas.submitted"):
        serial = submitted.value["certificate_serial"]
        certificate = issued.get(serial)
        if certificate is None or certificate.value["profile"] != "SIGN":
            yield f"3: application {submitted.subject} is signed with {serial}, which is no certificate for signing"
        elif certificate.value["citizen_id"] != submitted.value["citizen_id"]:
            yield f"3: application {submitted.subject} is signed with somebody else's certificate"
        elif serial in revoked and revoked[serial] < submitted.time:
            yield f"3: application {submitted.subject} is signed with a certificate that was revoked before"
    for decided in facts.all(*DECISIONS):
        if not any(each.time <= decided.time for each in facts.of(decided.subject, "kandas.submitted")):
            yield f"3: application {decided.subject} was decided before it was signed"


def _decided_once(facts: Facts) -> Iterator[str]:
    """4. Exactly one final decision a person, and only about persons of the application."""
    made = Counter((each.subject, each.value["person"]) for each in facts.all(*DECISIONS))
    for (application, person), number in made.items():
        if number > 1:
            yield f"4: about {person} of application {application} it was decided {number} times"
        if not any(person in each.value["persons"] for each in facts.of(application, "kandas.submitted")):
            yield f"4: application {application} was decided about {person}, who is not in it"


def _moment(value: Mapping[str, str], name: str) -> datetime:
    return datetime.fromisoformat(value[name])
