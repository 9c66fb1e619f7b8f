"""The brokers' users and what each may do, from the one table of topics.

`python -m deploy.users` writes deploy/k8s/overlays/production/users.yaml, for Strimzi. With `commands` behind it, it
prints the arguments of `kafka-acls.sh` that do the same elsewhere, a line each.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deploy.topics import CLUSTER
from libs.common.contracts.grants import Grant, grants

FILE: Final = Path(__file__).parent / "k8s" / "overlays" / "production" / "users.yaml"
HEAD: Final = "# Written by `make generate` from libs/common/contracts/topics.py.\n"
USER: Final = """\
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaUser
metadata:
  name: {user}
  labels:
    strimzi.io/cluster: {cluster}
spec:
  authentication:
    type: scram-sha-512
  authorization:
    type: simple
    acls:
{rules}
"""


def manifest() -> str:
    """Return a Strimzi user for each program, with its access rules."""
    return HEAD + "".join(
        USER.format(user=user, cluster=CLUSTER, rules="\n".join(map(_rule, of))) for user, of in grants().items()
    )


def commands() -> Iterator[list[str]]:
    """Return the arguments of one `kafka-acls.sh` a user and set of operations; add `--bootstrap-server` and so on."""
    for user, of in grants().items():
        alike: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
        for grant in of:
            alike[grant.resource, grant.operations].append(grant.name)
        for (resource, operations), names in alike.items():
            places = ["--cluster"] if resource == "cluster" else [a for name in names for a in (f"--{resource}", name)]
            allowed = [argument for operation in operations for argument in ("--operation", operation)]
            yield ["--add", "--force", "--allow-principal", f"User:{user}", *allowed, *places]


def _rule(grant: Grant) -> str:
    name = "" if grant.resource == "cluster" else f', name: "{grant.name}", patternType: literal'
    return f"      - resource: {{ type: {grant.resource}{name} }}\n        operations: [{', '.join(grant.operations)}]"


if __name__ == "__main__":
    if sys.argv[1:] == ["commands"]:
        print("\n".join(" ".join(command) for command in commands()))  # noqa: T201 - that is what was asked for
    else:
        FILE.write_text(manifest())
