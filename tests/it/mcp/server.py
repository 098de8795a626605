# SPDX-License-Identifier: MPL-2.0
"""A small MCP server, over HTTP at the port that it is told, or over stdin and stdout when told "stdio"."""

import os
import sys

import anyio
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

server = MCPServer("adder")


class Name(BaseModel):
    name: str


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def process() -> int:
    """Which process this is."""
    return os.getpid()


@server.tool()
async def greet(ctx: Context) -> str:
    """Asks the human for a name, and greets."""
    await ctx.report_progress(1, 2, "asking")
    answer = await ctx.elicit("Who are you?", Name)
    return "hello " + answer.data.name


@server.tool()
async def wait(ctx: Context) -> str:
    """Never answers."""
    await ctx.report_progress(1, 2, "waiting")
    await anyio.sleep_forever()


if sys.argv[1] == "stdio":
    print("serving", file=sys.stderr, flush=True)
    server.run(transport="stdio")
else:
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
