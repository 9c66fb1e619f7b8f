"""States that are made from others: what is carried over, and what mypy refuses (`libs.common.core.evolve_plugin`)."""

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from libs.common.core.model import Model, evolve

ROOT = Path(__file__).parents[4]


class Sent(Model):
    kind: Literal["sent"] = "sent"
    phone: str
    tries_left: int = Field(3, ge=0)


class Blocked(Model):
    kind: Literal["blocked"] = "blocked"
    phone: str
    reason: str


def test_shared_fields_are_carried_over_but_never_the_discriminator() -> None:
    assert evolve(Sent(phone="1"), Blocked, reason="expired") == Blocked(phone="1", reason="expired")


def test_the_same_state_with_another_value_is_validated() -> None:
    assert evolve(Sent(phone="1"), Sent, tries_left=2) == Sent(phone="1", tries_left=2)
    with pytest.raises(ValidationError):
        evolve(Sent(phone="1"), Sent, tries_left=-1)


def test_a_change_that_is_no_field_is_refused_at_run_time_too() -> None:
    changes = {"tries": 2}
    with pytest.raises(TypeError, match="has no field tries"):
        evolve(Sent(phone="1"), Sent, **changes)  # type: ignore[arg-type]  # what mypy cannot see through


HEAD = """
from tests.unit.common.core.test_model import Blocked, Sent
from libs.common.core.model import evolve

def change(state: Sent, either: Sent | Blocked) -> None:
    """
FAULTS = {
    "evolve(state, Sent, tries_lefd=2)": 'Unexpected keyword argument "tries_lefd"',
    'evolve(state, Sent, tries_left="two")': 'Argument "tries_left" to "evolve" has incompatible type "str"',
    "evolve(state, Blocked)": 'Missing named argument "reason"',
    'evolve(state, Sent, kind="blocked")': 'Unexpected keyword argument "kind"',
    'evolve(either, type(either), reason="late")': 'Unexpected keyword argument "reason"',
    "evolve(either, Blocked)": 'Missing named argument "reason"',
}
RIGHT = (
    "evolve(state, Sent, tries_left=2)",
    'evolve(either, type(either), phone="2")',
    'evolve(state, Blocked, reason="x")',
)


def test_mypy_refuses_changes_that_are_misspelt_wrongly_typed_or_missing(tmp_path: Path) -> None:
    lines = [*FAULTS, *RIGHT]
    code = tmp_path / "changes.py"
    code.write_text(HEAD + "\n    ".join(lines) + "\n")
    first = HEAD.count("\n") + 1
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", str(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line.split("changes.py:", 1)[1] for line in checked.stdout.splitlines() if ": error: " in line]
    for place, (call, expected) in enumerate(FAULTS.items(), start=first):
        assert any(line.startswith(f"{place}: error: ") and expected in line for line in errors), (call, errors)
    assert len(errors) == len(FAULTS), errors
