"""What it costs that events have an author: signing and verifying one, beside the bare operation of the key.

    python -m tests.bench.signatures

Rounds of both alternate, so that a machine that changes its speed changes it for both. Figures are CPU-microseconds.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Final

from libs.common.contracts.events import Meta, encode
from libs.common.contracts.identity import McbRegistered
from libs.common.contracts.signatures import HEADER, EventKeys, EventSigner
from libs.common.contracts.topics import PRODUCERS
from libs.common.core.sealing import Keyring
from libs.common.core.values import new_id, utc_now
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.kafka import authentic, signed
from libs.common.testing.broker import BrokerRecord
from libs.common.testing.event_keys import JWKS, KEYS

ROUNDS: Final = 15
TIMES: Final = 1_000
AIM_MS: Final = 0.15
OUT: Final = Path("out/bench/signatures.json")


def main() -> None:
    """Measure, print and write down."""
    signer = EventSigner(KEYS["identity"])
    event = _event()
    message = signed(event, signer)
    record = BrokerRecord(message.topic, 0, message.key, message.value, message.headers)
    octets = record.value or b""
    signature = signer.key.sign(octets)
    public = signer.key.public_key()
    works: dict[str, Callable[[], object]] = {
        "sign a record": partial(signed, event, signer),
        "verify a record": partial(authentic, EventKeys.parse(JWKS), PRODUCERS, record),
        "sign, the bare key": partial(signer.key.sign, octets),
        "verify, the bare key": partial(public.verify, signature, octets),
    }
    rounds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            rounds[name].append(_cost_us(work))
    figures = {name: round(median(costs), 1) for name, costs in rounds.items()}
    header = len(dict(record.headers)[HEADER] or b"")
    total_ms = (figures["sign a record"] + figures["verify a record"]) / 1000
    for name, cost in figures.items():
        print(f"{name:22} {cost:7.1f} us")  # noqa: T201 - a benchmark reports
    print(f"together {total_ms:.3f} CPU-ms an event (aim {AIM_MS}); the header has {header} octets")  # noqa: T201 - likewise
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"cpu_us": figures, "together_cpu_ms": total_ms, "header_octets": header}, indent=2))


def _cost_us(work: Callable[[], object]) -> float:
    began = process_time()
    for _ in range(TIMES):
        work()
    return (process_time() - began) / TIMES * 1e6


def _event() -> Outgoing:
    event, journey = McbRegistered(person_ref="0" * 32, phone_ref="1" * 32), new_id()
    meta = Meta(new_id(), event.type(), "identity", utc_now(), journey, journey, new_id())
    return Outgoing(event.topic, meta, encode(event, meta, Keyring({}, bytes(32))).decode())


if __name__ == "__main__":
    main()
