# SPDX-License-Identifier: MPL-2.0
"""The journey of an assistant with the official client: makes an identity, hosts an agent, publishes it, and calls it
from another node.

    client.py http UPSTREAM FIRST_API SECOND_API
    client.py stdio UPSTREAM SECOND_API COMMAND...

Prints "done" at the end. The client itself checks results against the schemas of their tools.
"""

import asyncio
import sys

from mcp import Client, StdioServerParameters


async def call(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, (tool, result.content)
    assert result.content[0].text, tool
    return result.structured_content


async def journey(host, caller, upstream):
    tools = (await host.list_tools()).tools
    assert len(tools) == 19, len(tools)
    assert all(tool.title and tool.annotations for tool in tools)
    aid = (await call(host, "a2al_identity_generate"))["aid"]
    await call(host, "a2al_agent_register", aid=aid, service_tcp=upstream)
    published = await call(host, "a2al_agent_publish", aid=aid)
    assert published["ok"]
    found = await call(caller, "a2al_resolve", aid=aid)
    assert found["address"] == aid, found
    fetched = await call(caller, "a2al_fetch", remote_aid=aid, path="/name")
    assert fetched["untrusted"]["text"] == "remote", fetched
    await call(host, "a2al_service_register", aid=aid, services=["test." + aid], name="Remote", brief="Says its name")
    found = await call(caller, "a2al_discover", services=["test." + aid])
    assert [(entry["aid"], entry["untrusted"]["name"]) for entry in found["entries"]] == [(aid, "Remote")], found
    fetched = await call(caller, "a2al_fetch", service="test." + aid, path="/name")
    assert (fetched["untrusted"]["sender"], fetched["untrusted"]["text"]) == (aid, "remote"), fetched
    writer = (await call(caller, "a2al_identity_generate"))["aid"]
    await call(caller, "a2al_agent_register", aid=writer)
    await call(caller, "a2al_mailbox_send", aid=writer, recipient=aid, text="Grüße")
    status = await call(host, "a2al_status")
    assert status["pending"][aid]["mailbox"] == 1, status
    notes = await call(host, "a2al_mailbox_poll", aid=aid)
    assert [note["untrusted"]["text"] for note in notes["messages"]] == ["Grüße"], notes
    assert notes["messages"][0]["untrusted"]["sender"] == writer, notes
    listed = await call(host, "a2al_agents_list")
    assert aid in [agent["aid"] for agent in listed["agents"]], listed
    wrong = await host.call_tool("a2al_agent_get", {"aid": "nonsense"})
    assert wrong.is_error and wrong.structured_content["argument"] == "aid", wrong


async def main():
    transport, upstream, *rest = sys.argv[1:]
    if transport == "http":
        first, second = rest
        for mode in "auto", "legacy":
            async with Client(first + "/mcp", mode=mode) as host, Client(second + "/mcp/", mode=mode) as caller:
                await journey(host, caller, upstream)
    else:
        second, command, *args = rest
        for mode in "auto", "legacy":
            server = StdioServerParameters(command=command, args=args)
            async with Client(server, mode=mode) as host, Client(second + "/mcp") as caller:
                await journey(host, caller, upstream)
    print("done")


asyncio.run(main())
