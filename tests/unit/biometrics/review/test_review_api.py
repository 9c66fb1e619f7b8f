"""What clerks are answered, with real tokens."""

import httpx

from tests.unit.biometrics.clients import URL, key_of, staff
from tests.unit.biometrics.factories import JOURNEY, MINUTE, RULES, WITH_CARD, picture, taken
from tests.unit.biometrics.harness import Harness, World


async def test_a_clerk_sees_the_queue_and_the_pictures_and_decides_once(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    world.analyser.band = "review"
    await harness.opened()
    await harness.tried()
    assert (await http.get(URL)).json()["state"] == "review"
    queue = (await http.get("/v1/reviews", headers=staff(world))).json()
    assert [(each["journey_id"], each["due_at"], each["model"]) for each in queue] == [
        (JOURNEY, "2026-03-03T12:00:00Z", "model-7")
    ]
    assert set(queue[0]["pictures"]) == set(WITH_CARD)
    case = (await http.get(f"/v1/reviews/{JOURNEY}", headers=staff(world))).json()
    assert case["bands"] == {"selfie-clip": "match", "selfie-document": "review", "clip-document": "match"}
    assert set(case["examined"]) == {"selfie", "clip", "document"}
    for link in case["links"]:
        shown = await http.get(link["url"], headers=staff(world))
        assert (shown.content, shown.headers["cache-control"]) == (taken(link["part"]), "no-store")
        assert shown.headers["content-type"] == ("video/webm" if link["part"] == "clip" else "image/jpeg")
    decision = {"match": True, "reason": "the same person"}
    url = f"/v1/reviews/{JOURNEY}/decision"
    assert (await http.post(url, json={"match": True, "reason": " "}, headers=staff(world))).status_code == 422
    decided = await http.post(url, json=decision, headers=staff(world))
    assert (decided.status_code, decided.json()) == (200, {"ended": True})
    assert key_of(await http.post(url, json=decision, headers=staff(world))) == (409, "review.not_waiting")
    assert (await http.get("/v1/reviews", headers=staff(world))).json() == []
    assert (await http.get(URL)).json()["state"] == "matched"


async def test_reviews_are_for_clerks_alone(world: World, harness: Harness, http: httpx.AsyncClient) -> None:
    world.analyser.band = "review"
    await harness.opened()
    await harness.tried()
    links = await harness.links("clerk-7")
    for headers in ({}, staff(world, "officer")):
        answers = [
            await http.get("/v1/reviews", headers=headers),
            await http.get(f"/v1/reviews/{JOURNEY}", headers=headers),
            await http.get(links["selfie"], headers=headers),
            await http.post(
                f"/v1/reviews/{JOURNEY}/decision", json={"match": True, "reason": "it is me"}, headers=headers
            ),
        ]
        assert [key_of(each) for each in answers] == [(403, "token.wrong_role")] * 4
    assert world.topics == ["face.review_requested"]


async def test_a_link_to_a_picture_works_for_its_clerk_for_minutes_and_for_that_capture_alone(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    world.analyser.band = "review"
    await harness.opened()
    await harness.tried()
    case = (await http.get(f"/v1/reviews/{JOURNEY}", headers=staff(world))).json()
    url = {link["part"]: link["url"] for link in case["links"]}["selfie"]
    assert all(secret not in url for secret in (JOURNEY, "selfie", "clerk"))
    assert key_of(await http.get(url, headers=staff(world, name="clerk-8"))) == (403, "review.link_of_another")
    last = [url[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if letter != url[-1]]
    for wrong in (*last, url[:-5], "/v1/reviews/pictures/x", "/v1/reviews/pictures/biometrics.1~AAAA"):
        assert key_of(await http.get(wrong, headers=staff(world))) == (404, "review.link_unknown")
    assert world.rows.rows[JOURNEY].state["views"] == [], "nobody has seen anything yet"
    assert (await http.get(url, headers=staff(world))).content == taken("selfie")
    world.now += 5 * MINUTE
    assert key_of(await http.get(url, headers=staff(world))) == (410, "review.link_expired")
    assert [(each["clerk"], each["part"], each["times"]) for each in world.rows.rows[JOURNEY].state["views"]] == [
        ("clerk-7", "selfie", 1)
    ]


async def test_a_link_shows_no_capture_of_a_later_try(world: World, harness: Harness, http: httpx.AsyncClient) -> None:
    world.analyser.band = "review"
    await harness.opened()
    await harness.tried()
    case = (await http.get(f"/v1/reviews/{JOURNEY}", headers=staff(world))).json()
    decision = {"match": False, "reason": "another person"}
    await http.post(f"/v1/reviews/{JOURNEY}/decision", json=decision, headers=staff(world))
    await harness.tried({"selfie": picture(b"a later one")})
    for link in case["links"]:
        assert key_of(await http.get(link["url"], headers=staff(world))) == (410, "review.link_expired")


async def test_the_queue_comes_page_by_page_the_most_urgent_first(
    world: World, harness: Harness, http: httpx.AsyncClient
) -> None:
    world.analyser.band = "review"
    journeys = [f"7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4{number:03x}" for number in range(7)]
    for number, journey in enumerate(reversed(journeys)):
        if number % 2:
            world.now += MINUTE
        await harness.opened(journey)
        await harness.tried(subject=journey)
    pages, url = [], "/v1/reviews?limit=3"
    while url:
        answer = await http.get(url, headers=staff(world))
        pages.append([(each["due_at"], each["journey_id"]) for each in answer.json()])
        url = answer.links.get("next", {}).get("url", "")
    assert [len(page) for page in pages] == [3, 3, 1]
    seen = [row for page in pages for row in page]
    assert seen == sorted(seen)
    assert {journey for _, journey in seen} == set(journeys)
    assert (await http.get("/v1/reviews?after=nonsense", headers=staff(world))).status_code == 422


async def test_under_the_two_person_rule_a_second_clerk_is_asked_for(world: World) -> None:
    harness = Harness(world, rules=RULES.model_copy(update={"reviewers": 2}))
    http = harness.http
    world.analyser.band = "review"
    await harness.opened()
    await harness.tried()
    url, decision = f"/v1/reviews/{JOURNEY}/decision", {"match": True, "reason": "the same person"}
    assert (await http.post(url, json=decision, headers=staff(world))).json() == {"ended": False}
    assert [each["decisions"] for each in (await http.get("/v1/reviews", headers=staff(world))).json()] == [1]
    assert key_of(await http.post(url, json=decision, headers=staff(world))) == (409, "review.another_clerk")
    second = await http.post(url, json=decision, headers=staff(world, name="clerk-8"))
    assert second.json() == {"ended": True}
