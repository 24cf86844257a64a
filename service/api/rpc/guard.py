"""Who may have a gRPC call under way: asked before any message is read, so that strangers cost next to nothing.

Calls with a key are counted for all and for their tenant. Those that anybody may make (health, and reflection where
pages are shown) have a few places and a time of their own, and take no room from the others.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc

from red_align.errors import FirstMessageTimeout, InvalidRequest, RedAlignError, Unauthenticated
from service.api.rpc.ending import Context, abort
from service.dataplane import DataPlane
from service.limits.admission import Admission
from service.limits.places import Places
from service.limits.tenants import OTHER_CALLS

Room = Callable[[Context], AbstractAsyncContextManager[None]]


class CallGuard(grpc.aio.ServerInterceptor):
    """Bounds all calls of a server.

    Args:
        dataplane: Knows keys, tenants and settings.
        service: Full name of the service that is for those with a key; all others are for anybody.
        on_known: Called with the peer of each call that showed a key, or where nobody is asked for one.
    """

    def __init__(self, dataplane: DataPlane, service: str, on_known: Callable[[str], None]) -> None:
        self._dataplane, self._prefix, self._on_known = dataplane, f"/{service}/", on_known
        settings = dataplane.settings
        self._calls = Admission("max_calls", settings.max_streams + settings.max_uploads + OTHER_CALLS)
        self._strangers = Places(settings.keyless_calls, settings.keyless_call_s)
        self._known = Places(OTHER_CALLS, settings.keyless_call_s)

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The method's handler, which begins once there is room for the call."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method: str = handler_call_details.method
        given = handler_call_details.invocation_metadata or ()
        metadata = {name: value for name, value in given if isinstance(value, str)}

        own = method.startswith(self._prefix)

        def room(context: Context) -> AbstractAsyncContextManager[None]:
            return self._own(context, metadata) if own else self._open(context, method, metadata)

        return _guarded(handler, room, self._dataplane, own=own)

    @asynccontextmanager
    async def _own(self, context: Context, metadata: Mapping[str, str]) -> AsyncIterator[None]:
        tenant = self._dataplane.auth.tenant(metadata)
        self._on_known(context.peer())
        with self._calls.acquire_slot(), self._dataplane.tenants.of(tenant) as share, share.calls.acquire_slot():
            yield

    @asynccontextmanager
    async def _open(self, context: Context, method: str, metadata: Mapping[str, str]) -> AsyncIterator[None]:
        asks, places = self._dataplane.auth.asks, self._strangers
        try:
            self._dataplane.auth.tenant(metadata)
        except Unauthenticated:
            if "reflection" in method and not self._dataplane.settings.shows_web:
                raise
        else:
            if asks:
                self._on_known(context.peer())
                places = self._known
        async with places.take():
            yield


def _guarded(handler: Any, room: Room, dataplane: DataPlane, *, own: bool) -> grpc.RpcMethodHandler[Any, Any]:
    """A handler that does the same within its room; one message is waited for as long as a first one."""
    coders = {"request_deserializer": handler.request_deserializer, "response_serializer": handler.response_serializer}
    behavior = handler.stream_stream or handler.stream_unary or handler.unary_stream or handler.unary_unary
    seconds = dataplane.settings.first_message_s

    async def run(requests: AsyncIterator[Any], context: Context) -> Any:
        try:
            if handler.response_streaming and not own:
                # Whose place is taken while the first answer carries these on their way could not be ended any more:
                # grpc would send them again, which its core refuses.
                await context.send_initial_metadata(())
            async with room(context):
                request = requests if handler.request_streaming else await _only(requests, seconds)
                answer = behavior(request, context)
                if not inspect.isasyncgen(answer):
                    return await answer
                async for each in answer:
                    await context.write(each)
        except RedAlignError as error:
            await abort(context, error, dataplane.metrics)

    if handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(run, **coders)
    return grpc.stream_unary_rpc_method_handler(run, **coders)


async def _only(requests: AsyncIterator[Any], seconds: float) -> Any:
    """The one message of a call: grpc itself would wait for it for ever."""
    try:
        async with asyncio.timeout(seconds):
            request = await anext(aiter(requests), None)
    except TimeoutError as error:
        why = f"no message came for {seconds:g} s, which is the limit first_message_s"
        raise FirstMessageTimeout(why, limit="first_message_s") from error
    if request is None:
        raise InvalidRequest("the call has no message")
    return request
