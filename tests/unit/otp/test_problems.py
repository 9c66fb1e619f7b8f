"""Each reason to refuse has a status and words in every language."""

import pytest

from libs.common.texts.languages import WRITTEN
from services.otp.problems import PROBLEMS, TEXTS
from services.otp.refusals import Refusal


@pytest.mark.parametrize("reason", Refusal)
def test_a_refusal_has_a_status_and_says_what_happened_and_what_to_do(reason: Refusal) -> None:
    assert 400 <= PROBLEMS[reason] < 500
    for language in WRITTEN:
        written = {message.id: message.string for message in TEXTS.catalogs[language]}
        assert written[f"problem.{reason}.happened"]
        assert written[f"problem.{reason}.remedy"]
