"""Names that a request may use: others are refused, so that a slip of the pen does not become a default in silence."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from starlette.requests import Request

from red_align.errors import InvalidRequest


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


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """What is wrong with a name, as a sentence that tells the nearest right one.

    Args:
        kind: What it should name, such as "query parameter".
        name: As it was given.
        known: The right ones.
    """
    shown = name if len(name) <= 40 else name[:40] + "..."
    near = nearest(name, known)
    hint = f"; did you mean '{near}'?" if near else f"; there are {', '.join(sorted(known))}"
    return f"there is no {kind} '{shown}'{hint}"


def nearest(name: str, known: Collection[str]) -> str:
    """The right name that a wrong one is like; "" where it is like none."""
    near = difflib.get_close_matches(name[:40].lower(), known, 1)
    return near[0] if near else ""
