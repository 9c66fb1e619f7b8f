"""`make fuzz` runs longer. Here every parser of captures is shown to be under the fuzzer, and to stand a short run."""

import re
import subprocess
import sys

import pytest

from tests.fuzz.__main__ import MEDIA

RUNS = {"reader": 8}


@pytest.mark.parametrize("parser", MEDIA)
def test_a_short_run_of_the_fuzzer_finds_nothing(parser: str) -> None:
    runs = RUNS.get(parser, 200)
    command = [sys.executable, "-m", "tests.fuzz.media", parser, f"-runs={runs}", "-seed=7", "-print_final_stats=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, errors="replace")
    ran = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert ran is not None
    assert int(ran[1]) >= runs
