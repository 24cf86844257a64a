"""``python -m tests.stress.flood ADDRESS KEY STREAMS``: frames as fast as they are taken, until it is killed."""

from __future__ import annotations

import asyncio
import sys

from red_align.v1 import face_landmarks_pb2 as pb
from tests.stress.clients import Client


async def main() -> None:
    """Flood."""
    address, key, streams = sys.argv[1:]
    clients = [Client(key=key, interval_s=0.0, flow=pb.FLOW_LATEST) for _ in range(int(streams))]
    await asyncio.gather(*(client.run(address, 10_000_000) for client in clients))


if __name__ == "__main__":
    asyncio.run(main())
