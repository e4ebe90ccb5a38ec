"""What a client of this SDK sees of a Strongroom, told as one JSON object.

Over HTTP when STRONGROOM_URL is set, with STRONGROOM_KEY; or else it starts the program that its arguments name and talks to it
on standard input and output. STRONGROOM_MODE is how the revision is found: `auto` or `legacy`. The last call is cancelled when
a line comes on this program's own standard input.
"""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client


async def server(stack: AsyncExitStack) -> Any:
    url = os.environ.get("STRONGROOM_URL")
    if url is None:
        return StdioServerParameters(command=sys.argv[1], args=sys.argv[2:])
    headers = {"Authorization": f"Bearer {os.environ['STRONGROOM_KEY']}"}
    http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=60))
    return streamable_http_client(url, http_client=http)


async def main() -> None:
    seen: dict[str, Any] = {}

    async def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        # What writes is done once under this key, however often it is sent. Without one the host derives it.
        result = await client.call_tool(name, arguments, meta={"strongroom/idempotency-key": str(uuid4())})
        return {"failed": result.is_error, "content": result.structured_content}

    async def progress(done: float, total: float | None, _message: str | None) -> None:
        seen["progress"].append([done, total])

    async with AsyncExitStack() as stack:
        mode = os.environ["STRONGROOM_MODE"]
        client = await stack.enter_async_context(Client(await server(stack), mode=mode))
        seen["revision"] = client.protocol_version
        seen["tools"] = [tool.name for tool in (await client.list_tools()).tools]
        seen["read"] = await call("files.read", {"path": "notes.txt"})
        seen["written"] = await call("files.write", {"path": "new.txt", "text": "by a client", "mode": "create"})
        seen["missing"] = await call("files.read", {"path": "nothing.txt"})
        seen["denied"] = await call("files.search", {"pattern": "x"})
        seen["progress"] = []
        worked = await client.call_tool("mcp.work", {}, progress_callback=progress)
        seen["worked"] = worked.structured_content

        waiting = asyncio.create_task(client.call_tool("orders.get", {"id": "918"}))
        await asyncio.to_thread(sys.stdin.readline)
        waiting.cancel()
        try:
            await waiting
            seen["cancelled"] = False
        except asyncio.CancelledError:
            seen["cancelled"] = True
        seen["after"] = await call("files.read", {"path": "notes.txt"})
    print(json.dumps(seen))


asyncio.run(main())
