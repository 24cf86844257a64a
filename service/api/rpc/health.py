"""grpc.health.v1: whether the service serves, asked once or watched.

grpc-health-checking has a servicer too, whose watchers of one name share a condition that the first of them to leave
takes away: the others then hear nothing any more, and anybody may watch and leave.
"""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service.api.rpc.ending import Context

Status = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """The states of some names, which all change together.

    Args:
        names: Full names of services; the empty one is the server.
    """

    def __init__(self, *names: str) -> None:
        self._names = names
        self._state = Status.NOT_SERVING
        self._watchers: set[asyncio.Event] = set()

    def set_serving(self, serving: bool) -> None:
        """Tell all who watch.

        Args:
            serving: Whether calls are served from now on.
        """
        self._state = Status.SERVING if serving else Status.NOT_SERVING
        for changed in self._watchers:
            changed.set()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> health_pb2.HealthCheckResponse:
        """The state of a name; NOT_FOUND for one that is not known."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return Status(status=self._state)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """The state of a name, now and after each change."""
        changed, last = asyncio.Event(), None
        self._watchers.add(changed)
        try:
            while True:
                changed.clear()
                state = self._state if request.service in self._names else Status.SERVICE_UNKNOWN
                if state != last:
                    await context.write(Status(status=state))
                last = state
                await changed.wait()
        finally:
            self._watchers.discard(changed)
