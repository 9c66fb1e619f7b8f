"""What an independent consumer saw on the topics."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from libs.common.contracts.topics import is_dead_letter_topic, is_retry_topic


@dataclass(frozen=True)
class Record:
    """One Kafka record. Headers and value are what any subscriber reads."""

    topic: str
    partition: int
    offset: int
    key: str | None
    headers: Mapping[str, str | None]
    value: Any = field(repr=False)

    @property
    def place(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset

    @property
    def is_fact(self) -> bool:
        """Whether it stands on a topic of facts, and is not parked."""
        return not is_retry_topic(self.topic) and not is_dead_letter_topic(self.topic)

    @property
    def id(self) -> str:
        return self._header("ce_id")

    @property
    def subject(self) -> str:
        return self._header("ce_subject")

    @property
    def correlation(self) -> str:
        return self._header("ce_correlationid")

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self._header("ce_time"))

    def _header(self, name: str) -> str:
        value = self.headers[name]
        assert value is not None, f"{self.place} has an empty header {name}"
        return value


def read(file: Path) -> Sequence[Record]:
    """Give every record that the observer wrote down, in the order in which it saw them."""
    return [Record(**json.loads(line)) for line in Growing(file).lines()]


@dataclass
class Growing:
    """A file of lines that others append to."""

    file: Path
    _read: int = 0

    def lines(self) -> Sequence[str]:
        """Give the whole lines that came since the last time."""
        with self.file.open("rb") as raw:
            raw.seek(self._read)
            new = raw.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode(errors="replace").split("\n")[:-1]
