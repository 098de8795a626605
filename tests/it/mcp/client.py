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
from mcp.types import ElicitResult


async def call(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, (tool, result.content)
    assert result.content[0].text, tool
    return result.structured_content


class Pages:
    """The pages that a host was led to."""

    def __init__(self):
        self.urls = []

    async def __call__(self, context, question):
        assert question.mode == "url", question
        self.urls.append(question.url)
        return ElicitResult(action="accept")


async def journey(host, caller, upstream, pages):
    tools = (await host.list_tools()).tools
    assert len(tools) == 19, len(tools)
    assert all(tool.title and tool.annotations for tool in tools)
    made = await call(host, "a2al_identity_generate")
    aid = made["aid"]
    assert pages.urls == [made["backup_url"]], (pages.urls, made)
    assert made["backup_url"].endswith("/backup/" + aid), made
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
            pages = Pages()
            opening = Client(first + "/mcp", mode=mode, elicitation_callback=pages)
            async with opening as host, Client(second + "/mcp/", mode=mode) as caller:
                await journey(host, caller, upstream, pages)
    else:
        second, command, *args = rest
        for mode in "auto", "legacy":
            server = StdioServerParameters(command=command, args=args)
            pages = Pages()
            opening = Client(server, mode=mode, elicitation_callback=pages)
            async with opening as host, Client(second + "/mcp") as caller:
                await journey(host, caller, upstream, pages)
    print("done")


asyncio.run(main())
