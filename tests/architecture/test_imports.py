"""Who may import what (docs/architecture.md). Each rule is also shown a violation, so that it can fail."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.arrows import arrows, room_of_common
from tests.architecture.source_tree import ROOT, TREES, Module, Modules, Rule, modules_of, violations, within

ROOMS = ("core", "media", "texts", "storage", "contracts", "delivery", "pki", "web", "testing")
"""The rooms of libs/common. Each imports only itself and those before it."""

MOTOR_AT_HOME = {"libs.common.storage.mongo", "libs.common.storage.blobs"}
BROKER_AT_HOME = {"libs.common.delivery.kafka"}
MACHINERY = (
    *("core.background", "core.health", "core.logging", "core.metrics", "core.settings", "storage", "web"),
    *(f"delivery.{module}" for module in ("aggregates", "consumption", "engine", "kafka", "mongo_documents")),
    *(f"delivery.{module}" for module in ("outbox", "timers")),
)
INPUT_OUTPUT = {
    *("faststream", "fastapi", "starlette", "uvicorn", "motor", "pymongo", "aiokafka", "httpx"),
    *("structlog", "logging", "prometheus_client", "asyncio", "socket", "subprocess"),
    *(f"libs.common.{module}" for module in MACHINERY),
}
CHANCE = {"random", "secrets"}
CLOCK_AND_CHANCE_CALLS = {
    *("now", "utcnow", "today", "fromtimestamp"),
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "uuid1", "uuid4", "urandom"),
}
CLOCK_MODULES = {"time", "uuid", "os"}
CLOCK_OWNERS = {*CLOCK_MODULES, "datetime", "date"}


def services_know_themselves_and_common_only(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    if module.service is None:
        return
    for name, line in module.imports:
        foreign = name.split(".")[0] in TREES and not any(
            within(name, allowed) for allowed in (module.service, "libs.common")
        )
        if foreign and name not in {"services", "libs"}:
            yield line, f"a service imports {name}"


def common_stands_on_nothing_of_ours(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    if within(module.name, "libs.common"):
        for name, line in module.imports:
            if name.split(".")[0] in TREES and name != "libs" and not within(name, "libs.common"):
                yield line, f"libs.common imports {name}"


def a_room_imports_only_earlier_rooms(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    here = room_of_common(module.name)
    if here not in ROOMS:
        return
    for name, line in module.imports:
        there = room_of_common(name)
        if there in ROOMS and ROOMS.index(there) > ROOMS.index(here):
            yield line, f"{here} imports {name}"


def nothing_that_runs_needs_what_tests_use(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    if module.name.split(".")[0] == "services" or within(module.name, "libs.citizen"):
        for name, line in module.imports:
            if within(name, "libs.common.testing"):
                yield line, f"imports {name}"


def the_citizens_side_knows_no_service(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    if within(module.name, "libs.citizen"):
        for name, line in module.imports:
            if any(within(name, other) for other in ("services", "deploy", "tests")):
                yield line, f"libs.citizen imports {name}"


def collections_are_declared_in_one_file_a_service(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    if module.service is None or module.name == f"{module.service}.collections":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and names_a_collection(node):
            yield node.lineno, f"names a collection: {ast.unparse(node)[:60]}"


def only_tests_and_the_demo_act_for_citizens(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    if not any(within(module.name, allowed) for allowed in ("libs.citizen", "tests", "deploy")):
        for name, line in module.imports:
            if within(name, "libs.citizen"):
                yield line, f"imports {name}"


def motor_stays_behind_two_modules(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    if module.name not in MOTOR_AT_HOME:
        for name, line in module.imports:
            if within(name, "motor"):
                yield line, f"imports {name}"


def brokers_are_built_in_one_place(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    if module.name in BROKER_AT_HOME or within(module.name, "tests"):
        return
    for name, line in module.imports:
        if name.split(".")[-1] == "KafkaBroker":
            yield line, f"imports {name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr == "KafkaBroker":
            yield node.lineno, "reaches for KafkaBroker"


def nothing_is_imported_by_a_computed_name(module: Module, _: Modules) -> Iterator[tuple[int, str]]:
    if module.name.split(".")[0] not in {"libs", "services"}:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and called(node) in {"importlib.import_module", "import_module", "__import__"}:
            yield node.lineno, f"calls {called(node)}, which hides an import from these rules"


def decisions_do_no_input_or_output(module: Module, modules: Modules) -> Iterator[tuple[int, str]]:
    if not is_domain(module):
        return
    for part in reached(module, modules):
        for name, line in part.imports:
            if any(within(name, library) for library in INPUT_OUTPUT):
                yield line if part is module else 1, f"reaches {name} by {part.name}"


def decisions_are_given_time_and_chance(module: Module, modules: Modules) -> Iterator[tuple[int, str]]:
    if not is_domain(module):
        return
    for part in reached(module, modules):
        for name, line in part.imports:
            owner, _, member = name.partition(".")
            if owner in CHANCE or (owner in CLOCK_MODULES and member in CLOCK_AND_CHANCE_CALLS):
                yield line if part is module else 1, f"imports {name} in {part.name}"
        for node in ast.walk(part.tree):
            if isinstance(node, ast.Attribute) and asks_clock_or_chance(node):
                yield node.lineno if part is module else 1, f"asks {ast.unparse(node)} in {part.name}"


RULES: tuple[Rule, ...] = (
    services_know_themselves_and_common_only,
    common_stands_on_nothing_of_ours,
    a_room_imports_only_earlier_rooms,
    nothing_that_runs_needs_what_tests_use,
    collections_are_declared_in_one_file_a_service,
    the_citizens_side_knows_no_service,
    only_tests_and_the_demo_act_for_citizens,
    motor_stays_behind_two_modules,
    brokers_are_built_in_one_place,
    nothing_is_imported_by_a_computed_name,
    decisions_do_no_input_or_output,
    decisions_are_given_time_and_chance,
)


def is_domain(module: Module) -> bool:
    return module.service is not None and module.name.endswith(".domain")


def names_a_collection(node: ast.Call) -> bool:
    """Return whether a call opens or declares a collection whose name stands in the call."""
    function = node.func.value if isinstance(node.func, ast.Subscript) else node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    place = {"records": 0, "chain": 0, "documents": 0, "kind": 1, "Kind": 0}.get(str(name))
    if place is None or len(node.args) <= place:
        return False
    text = node.args[place]
    return isinstance(text, ast.Constant) and isinstance(text.value, str)


def asks_clock_or_chance(node: ast.Attribute) -> bool:
    """`datetime.now`, `dt.datetime.now`, `time.time`, `uuid.uuid4` and their kin, called or handed on."""
    owner = ast.unparse(node.value).split(".")[-1]
    return node.attr in CLOCK_AND_CHANCE_CALLS and (owner in CLOCK_OWNERS or node.attr in {"utcnow", "uuid4", "uuid1"})


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def reached(module: Module, modules: Modules) -> list[Module]:
    """The module and everything of its own service that importing it brings in."""
    found, queue = {module.name: module}, [module]
    while queue:
        for name, _ in queue.pop().imports:
            part = modules.get(name)
            if part is not None and name not in found and part.service == module.service:
                found[name] = part
                queue.append(part)
    return list(found.values())


def test_every_service_is_looked_at(repository: Modules) -> None:
    assert {module.service for module in repository.values()} >= {
        f"services.{name}" for name in ("identity", "otp", "biometrics", "ca", "kandas")
    }
    assert {*MOTOR_AT_HOME, *BROKER_AT_HOME} <= repository.keys()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_the_rule(rule: Rule, repository: Modules) -> None:
    assert violations(rule, repository) == []


def test_the_architecture_page_shows_which_room_imports_which(repository: Modules) -> None:
    shown = re.findall(r"^(\w+) +-> (.+)$", (ROOT / "docs" / "architecture.md").read_text("utf-8"), re.MULTILINE)
    found: dict[str, set[str]] = {}
    for here, there in arrows(repository, room_of_common):
        found.setdefault(here, set()).add(there)
    assert {here: set(there.split(", ")) for here, there in shown} == found


PLANTED = [
    (
        services_know_themselves_and_common_only,
        "services/otp/service.py",
        "from services.ca.keys.store import KeyStore",
    ),
    (services_know_themselves_and_common_only, "services/otp/service.py", "import services.ca.keys.store as keys"),
    (services_know_themselves_and_common_only, "services/otp/service.py", "from services import ca"),
    (services_know_themselves_and_common_only, "services/otp/service.py", "from ..ca import keys"),
    (services_know_themselves_and_common_only, "services/otp/service.py", "def f():\n    import services.ca"),
    (
        services_know_themselves_and_common_only,
        "services/otp/service.py",
        "from libs.citizen.keys.private_keys import make",
    ),
    (services_know_themselves_and_common_only, "services/otp/service.py", "from deploy.embedded import stack"),
    (common_stands_on_nothing_of_ours, "libs/common/web/http.py", "from services.ca.keys.store import KeyStore"),
    (common_stands_on_nothing_of_ours, "libs/common/web/http.py", "from libs import citizen"),
    (a_room_imports_only_earlier_rooms, "libs/common/core/health.py", "from libs.common.storage.mongo import Database"),
    (a_room_imports_only_earlier_rooms, "libs/common/pki/cms.py", "from libs.common.web import problems"),
    (a_room_imports_only_earlier_rooms, "libs/common/web/http.py", "import libs.common.testing.memory as memory"),
    (
        nothing_that_runs_needs_what_tests_use,
        "services/otp/app.py",
        "from libs.common.testing.backend import MemoryBackend",
    ),
    *(
        (collections_are_declared_in_one_file_a_service, "services/kandas/app.py", code)
        for code in (
            'base.engine.kind(Codes, "codes")',
            'base.backend.records("pages")',
            'Kind[State]("codes", State)',
            'base.backend.chain("ledger")',
        )
    ),
    (the_citizens_side_knows_no_service, "libs/citizen/api/ca.py", "from services.ca.keys.store import KeyStore"),
    (only_tests_and_the_demo_act_for_citizens, "libs/common/web/http.py", "import libs.citizen.api.ca"),
    (
        motor_stays_behind_two_modules,
        "libs/common/delivery/outbox.py",
        "from motor.motor_asyncio import AsyncIOMotorClient",
    ),
    (motor_stays_behind_two_modules, "tests/unit/test_x.py", "import motor.motor_asyncio as m"),
    (brokers_are_built_in_one_place, "services/otp/app.py", "from faststream.kafka import KafkaBroker as Broker"),
    (brokers_are_built_in_one_place, "services/otp/app.py", "import faststream.kafka as k\nb = k.KafkaBroker()"),
    (nothing_is_imported_by_a_computed_name, "services/otp/app.py", "import importlib\nimportlib.import_module('x')"),
    *(
        (decisions_do_no_input_or_output, "services/otp/domain.py", f"import {library}")
        for library in ("faststream", "fastapi", "motor", "structlog", "prometheus_client", "asyncio")
    ),
    (decisions_do_no_input_or_output, "services/otp/domain.py", "from libs.common.storage.mongo import Store"),
    (decisions_do_no_input_or_output, "services/otp/domain.py", "from services.otp.sms import Gateway"),
    *(
        (decisions_are_given_time_and_chance, "services/otp/domain.py", code)
        for code in (
            "from datetime import datetime\nnow = datetime.now()",
            "import datetime as dt\nnow = dt.datetime.utcnow()",
            "from datetime import date\nclock = date.today",
            "import time\nnow = time.time()",
            "from time import monotonic",
            "from uuid import uuid4",
            "import uuid as u\nx = u.uuid4()",
            "import random",
            "from secrets import token_hex",
            "import os\nx = os.urandom(8)",
            "from services.otp.codes import fresh",
        )
    ),
]
AROUND = {
    "libs/common/storage/mongo.py": "from motor.motor_asyncio import AsyncIOMotorClient",
    "services/otp/sms.py": "import httpx",
    "services/otp/codes.py": "import secrets\ndef fresh(): return secrets.randbelow(10)",
}


@pytest.mark.parametrize(("rule", "path", "code"), PLANTED)
def test_a_planted_violation_is_found(rule: Rule, path: str, code: str) -> None:
    (found,) = {line.split(":")[0] for line in violations(rule, modules_of({**AROUND, path: code}))}
    assert found == path.removesuffix(".py").replace("/", ".")


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, _, _ in PLANTED} == set(RULES)


ALLOWED = {
    "services/otp/service.py": "import asyncio\nfrom datetime import datetime\nfrom services.otp.domain import decide\n"
    "from libs.common.storage.mongo import Store\nnow = datetime.now()",
    "services/otp/domain.py": "from datetime import datetime, time\nfrom libs.common import events",
    "libs/common/delivery/kafka.py": "from faststream.kafka import KafkaBroker",
    "libs/common/contracts/events.py": "from uuid import uuid4",
    "libs/citizen/api/ca.py": "import httpx\nfrom libs.common import events",
    "deploy/embedded/demo.py": "from libs.citizen import client\nfrom services.otp.app import build",
    "services/otp/collections.py": 'from libs.common.delivery.engine import Kind\nCODES = Kind("codes", int)',
    "libs/common/web/service.py": "from libs.common.delivery.engine import Engine",
    "tests/journey/test_a.py": "from services.otp import app\nfrom services.ca import keys\nfrom libs.citizen import x",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_what_the_design_allows_is_let_through(rule: Rule) -> None:
    assert violations(rule, modules_of({**AROUND, **ALLOWED})) == []
