"""The interop server on fastmcp 2.14: tasks for tools, resources and prompts; no input in mid-task."""

from catalogue import add_resources_and_prompts, add_tools
from fastmcp import FastMCP
from fastmcp.server.tasks import TaskConfig
from serving import run

server = FastMCP("fastmcp2")
add_tools(server, optional=True, required=TaskConfig(mode="required"))
add_resources_and_prompts(server, task=True)

if __name__ == "__main__":
    run(server)
