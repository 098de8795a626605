# SPDX-License-Identifier: MPL-2.0
"""A host with the official client, which starts COMMAND as its MCP server: the one in server.py, somewhere else.

    host.py one|each COMMAND...

"each": every session has a process of its own. Prints "done" at the end.
"""

import asyncio
import sys

from mcp import Client, StdioServerParameters, types


async def answered(context, params):
    assert params.message == "Who are you?", params
    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def call(client, tool, arguments, **options):
    result = await client.call_tool(tool, arguments, **options)
    assert not result.is_error, (tool, result.content)
    return result.structured_content["result"]


async def uses(client):
    tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == ["add", "process", "greet", "wait"], tools
    assert await call(client, "add", {"a": 2, "b": 40}) == 42
    sums = await asyncio.gather(*(call(client, "add", {"a": n, "b": 1}) for n in range(20)))
    assert sums == list(range(1, 21)), sums


async def is_asked(client):
    steps = []

    async def progress(done, total, message):
        steps.append((done, total, message))

    greeting = await call(client, "greet", {}, progress_callback=progress)
    assert greeting == "hello Ada", greeting
    assert steps == [(1, 2, "asking")], steps


async def main():
    processes, command, *args = sys.argv[1:]
    server = StdioServerParameters(command=command, args=args)

    def client(mode):
        return Client(server, mode=mode, elicitation_callback=answered)

    async with client("auto") as one, client("auto") as two:
        await asyncio.gather(uses(one), uses(two))
    async with client("legacy") as one, client("legacy") as two:
        await asyncio.gather(uses(one), uses(two))
        await asyncio.gather(is_asked(one), is_asked(two))
        first, second = await call(one, "process", {}), await call(two, "process", {})
        assert (first != second) == (processes == "each"), (first, second)
        assert await call(one, "process", {}) == first
    print("done")


asyncio.run(main())
