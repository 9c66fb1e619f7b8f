"""Who calls over HTTP: a citizen, clerks and auditors, with real tokens."""

import httpx

from tests.unit.biometrics.factories import JOURNEY
from tests.unit.biometrics.harness import World

URL = f"/v1/journeys/{JOURNEY}/capture"


def staff(world: World, role: str = "clerk", name: str = "clerk-7") -> dict[str, str]:
    return world.staff(role, name)


async def put(http: httpx.AsyncClient, part: str, content: bytes, nonce: str = "n-1") -> httpx.Response:
    headers = {"X-Capture-Nonce": nonce, "Content-Type": "image/jpeg"}
    return await http.put(f"{URL}/{part}", content=content, headers=headers)


def key_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["key"]
