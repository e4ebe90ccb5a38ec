import asyncio
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main() -> None:
    headers = {"Authorization": f"Bearer {os.environ['STRONGROOM_KEY']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        async with Client(streamable_http_client(os.environ["STRONGROOM_URL"], http_client=http)) as client:
            print([tool.name for tool in (await client.list_tools()).tools])
            result = await client.call_tool("files.read", {"path": "notes.txt"})
            if result.is_error:
                print("refused:", result.structured_content["reason_code"])
            else:
                print(result.structured_content["text"])


asyncio.run(main())
