"""``make bench-ca``: the authority beside its peers, all in one run on this machine. Prints Markdown."""

import argparse
import asyncio
import sys
from statistics import median

from libs.citizen.keys import KeyKind
from tests.bench import ca_issuance
from tests.bench.ca_issuance import Issued

ROUNDS = 3
_KINDS = {KeyKind.EC_P256: (500, 4000), KeyKind.RSA_2048: (100, 400)}
"""How many citizens of ours, and how many requests to cfssl: about as long a time for each."""


async def issuance(rounds: int) -> str:
    """Compare issuance by kind of key: medians of the rounds, taken in turn."""
    lines = ["| who | certificates | a second | CPU-ms each | beside cfssl |", "|---|---|---|---|---|"]
    for kind, (citizens, requests) in _KINDS.items():
        runs: dict[str, list[Issued]] = {}
        for number in range(rounds):
            for issued in (
                await ca_issuance.cfssl(kind, requests),
                await ca_issuance.ours(kind, citizens, replicas=1),
                await ca_issuance.ours(kind, citizens, replicas=2),
            ):
                runs.setdefault(issued.who, []).append(issued)
            sys.stderr.write(f"issuance {kind}: round {number + 1} of {rounds}\n")
        middle = [sorted(each, key=lambda one: one.rate)[len(each) // 2] for each in runs.values()]
        beside = median(one.rate for one in runs[middle[0].who])
        lines += [f"| **{kind}** | | | | |", *(one.row(beside) for one in middle)]
    return "\n".join(lines)


async def main(rounds: int) -> None:
    """Measure and print."""
    print(f"### Issuance over HTTP, median of {rounds}\n\n{await issuance(rounds)}\n", flush=True)  # noqa: T201 - a report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asyncio.run(main(parser.parse_args().rounds))
