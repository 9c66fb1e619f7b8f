"""What anybody may read: by GET, and by HEAD as RFC 9110, 9.1 asks of every server."""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Response

Answer = TypeVar("Answer", bound=Callable[..., Any])


def get_and_head(router: APIRouter, path: str) -> Callable[[Answer], Answer]:
    """Make a route for both methods. The server leaves the body out of an answer to HEAD; the description names GET."""

    def add(answer: Answer) -> Answer:
        router.add_api_route(path, answer, methods=["GET"], response_class=Response)
        router.add_api_route(path, answer, methods=["HEAD"], response_class=Response, include_in_schema=False)
        return answer

    return add
