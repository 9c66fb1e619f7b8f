"""One target under Atheris (libFuzzer): `python -m tests.fuzz.harness cms -max_total_time=60`; `all` takes turns.

libFuzzer's own mutations know nothing of DER, so half of the time one of `tests.fuzz.der_tree` is made instead.
"""

import asyncio
import logging
import random
import resource
import sys
import tempfile
import warnings
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # it ships no types
import structlog

with atheris.instrument_imports(include=["libs.common", "services.ca"]):
    from tests.fuzz.der_tree import CHANGES, mutated
    from tests.fuzz.targets import Target, service_and_targets
    from tests.unit.ca.hierarchies import establish

_MAX_OCTETS = 20_000
_MORE_MB = 512
"""What the parsers may take beyond what is there at the start."""


def _mutate(data: bytes, max_size: int, seed: int) -> bytes:
    dice = random.Random(seed)  # noqa: S311 - reproducible on purpose
    if dice.random() < 0.5:
        return bytes(atheris.Mutate(data, max_size))
    changed = mutated(data[1:], dice.choice([*CHANGES, "truncate", "swap"]), dice.getrandbits(16), dice.getrandbits(16))
    return (data[:1] + changed)[:max_size]


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer's limits are reached. A finding ends the process with a status of its own."""
    name, *options = arguments
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    warnings.simplefilter("error")
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    runner = asyncio.Runner()
    _, targets = service_and_targets(establish(folder / "authority"), folder, runner)
    chosen = list(targets.values()) if name == "all" else [targets[name]]
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, target in enumerate(chosen):
        for index, example in enumerate(target.examples):
            (corpus / f"{target.name}-{index}").write_bytes(bytes((number,)) + example)

    def one_input(data: bytes) -> None:
        if data:
            runner.run(_of(chosen, data[0]).send(data[1:]))

    limits = [
        f"-max_len={_MAX_OCTETS}",
        f"-rss_limit_mb={_peak_mb() + _MORE_MB}",
        "-timeout=10",
        f"-artifact_prefix={folder}/",
    ]
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], one_input, custom_mutator=_mutate)
    atheris.Fuzz()


def _peak_mb() -> int:
    """Give this process's peak so far. Linux counts the peak of whoever started it too, which may be a whole suite."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _of(targets: list[Target], number: int) -> Target:
    return targets[number % len(targets)]


if __name__ == "__main__":
    main(sys.argv[1:])
