"""Whatever stands in an application has words in every language, and no key is shown bare."""

from itertools import chain

import pytest

from libs.common.contracts.kandas import DocumentKind, RefusalGround
from libs.common.texts.languages import Language
from services.kandas.application import domain
from services.kandas.application.schemas import view
from services.kandas.application.states import ClosedApplication, Decided, KandasApplication
from services.kandas.texts import TEXTS
from tests.unit.kandas.factories import SERIAL, Given

PARTS = (
    *(f"document_kind.{kind}" for kind in DocumentKind),
    *(f"role.{role}" for role in ("applicant", "spouse", "child", "parent", "sibling", "other")),
    *(f"decision.{outcome}" for outcome in ("open", "granted", "extended", "refused")),
    *RefusalGround,
)


@pytest.mark.parametrize("key", PARTS)
@pytest.mark.parametrize("language", Language)
def test_a_part_has_words_in_every_language(key: str, language: Language) -> None:
    assert TEXTS.text(key, language)


@pytest.mark.parametrize("language", Language)
def test_no_line_of_a_timeline_shows_a_key_or_the_id_of_a_person(given: Given, language: Language) -> None:
    decided = given.decided("p1", "p2", "p3")
    assert isinstance(decided, Decided)
    over = domain.tick(decided, given.law, decided.documents_until)
    back = domain.certificate_revoked(given.decided("p1"), SERIAL, given.law, decided.opened_at)
    assert over is not None
    assert back is not None
    assert isinstance(over.state, ClosedApplication)
    lines = chain.from_iterable(view(state, language).timeline for state in (decided, over.state, back.state))
    for line in lines:
        assert line.text
        assert "p1" not in line.text
        assert line.key not in line.text
    assert view(over.state, language).reason_text
    assert isinstance(back.state, KandasApplication)
