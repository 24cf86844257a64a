"""Names that a request may use: others are refused, so that a slip of the pen does not become a default in silence."""

from __future__ import annotations

from starlette.requests import Request

from red_align.errors import InvalidRequest
from red_align.names import unknown


def query_names(request: Request) -> tuple[str, ...]:
    """Query parameters of the route that a request goes to."""
    return tuple(field.alias for field in request.scope["route"].dependant.query_params)


def check_query(request: Request) -> None:
    """Check the query parameters of a request; a dependency of routes.

    Args:
        request: The request.

    Raises:
        InvalidRequest: There is no such parameter, or it is there twice.
    """
    known, seen = query_names(request), set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            raise InvalidRequest(unknown("query parameter", name, known))
        if name in seen:
            raise InvalidRequest(f"the query parameter '{name}' is given more than once")
        seen.add(name)
