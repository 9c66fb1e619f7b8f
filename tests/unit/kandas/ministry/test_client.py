import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from libs.common.contracts.kandas import RefusalGround
from services.kandas.application.states import Candidate
from services.kandas.ministry.client import DevelopmentMinistry, HttpMinistry, MinistryAway
from tests.unit.kandas.factories import Given


@dataclass
class Ministry:
    """A ministry on this machine: what it answers, and what it was asked."""

    status: int = 200
    answer: bytes = b"[]"
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


@pytest.fixture
def ministry() -> Iterator[tuple[Ministry, str]]:
    known = Ministry()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            known.keys.append(self.headers["Idempotency-Key"])
            known.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(known.status)
            self.send_header("Content-Length", str(len(known.answer)))
            self.end_headers()
            self.wfile.write(known.answer)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield known, f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def people(given: Given) -> tuple[Candidate, ...]:
    return given.draft().persons


@pytest.mark.parametrize("none", [[], [""], "", None])
async def test_it_is_asked_about_each_person_under_an_idempotency_key(
    given: Given, ministry: tuple[Ministry, str], none: object
) -> None:
    known, url = ministry
    known.answer = json.dumps(
        [
            {"person": "p1", "clear": True, "extra": "ignored"},
            {"person": "p2", "clear": False, "reasons": ["refusal.already_citizen"]},
            {"person": "p3", "clear": True, "reasons": none},
        ]
    ).encode()
    async with httpx.AsyncClient(base_url=url) as client:
        answers = await HttpMinistry(client).check("grant", people(given), "key-1")

    assert known.keys == ["key-1"]
    assert [person["surname"] for person in known.asked[0]["persons"]] == ["Сейтжанұлы", "Қайратқызы", "Қайратқызы"]
    assert [(answer.person, answer.clear, answer.reasons) for answer in answers] == [
        ("p1", True, ()),
        ("p2", False, ("refusal.already_citizen",)),
        ("p3", True, ()),
    ]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (503, b"[]"),
        (200, b"<html>"),
        (200, b'[{"person": "p1", "clear": true}]'),
        (200, b'[{"person": "p1", "clear": false, "reasons": ["because"]}]'),
    ],
)
async def test_what_is_no_answer_about_everybody_is_asked_for_again_later(
    given: Given, ministry: tuple[Ministry, str], status: int, answer: bytes
) -> None:
    known, url = ministry
    known.status, known.answer = status, answer
    async with httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(MinistryAway):
            await HttpMinistry(client).check("grant", people(given), "key-1")


async def test_a_ministry_that_is_away_is_asked_again_later(given: Given) -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9/") as client:
        with pytest.raises(MinistryAway):
            await HttpMinistry(client).check("grant", people(given), "key-1")


async def test_the_stand_in_answers_by_the_document_number(given: Given) -> None:
    persons = people(given)
    marked = persons[1].form.value.model_copy(update={"document_number": "G1234-0001"})
    asked = (persons[0], persons[1].model_copy(update={"form": type(persons[1].form)(marked)}), persons[2])

    answers = await DevelopmentMinistry().check("grant", asked, "key-1")

    assert [answer.clear for answer in answers] == [True, False, True]
    assert answers[1].reasons == (RefusalGround.ALREADY_CITIZEN,)
