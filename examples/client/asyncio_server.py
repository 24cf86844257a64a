"""A server of your own that asks RED Align how many frames show a face: ``nc -N 127.0.0.1 9000 < clip.mp4``."""

import asyncio
import sys

import red_align


async def _serve(server: str = "127.0.0.1:8081", port: str = "9000") -> None:
    async with red_align.AsyncClient(server) as client:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found = (await client.align(await reader.read())).track_ids[:, 0] >= 0
            writer.write(f"{found.sum()} of {len(found)} frames\n".encode())
            writer.close()

        await (await asyncio.start_server(answer, "127.0.0.1", int(port))).serve_forever()


asyncio.run(_serve(*sys.argv[1:]))
