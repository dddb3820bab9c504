"""`TaskTransport` with the real LangChain, and tasks' questions as interrupts of the real LangGraph."""

from __future__ import annotations

import asyncio
import json
import signal
import warnings
from pathlib import Path
from typing import Any, TypedDict

import fastmcp
import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from pydantic import Field

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # `langchain.mcp` says that it is in beta.
    from langchain.mcp import MCPAdapter

from mcptasks import BY_HAND, Client
from mcptasks.contrib import langgraph as interrupts
from mcptasks.contrib.fastmcp import TaskTransport
from mcptasks.store import Store
from mcptasks.testing import Complete, NeedInput, TaskServer, elicit
from tests.frameworks.common import (
    ERAS,
    LIMIT,
    examples,
    is_cancelled,
    next_task,
    run_example,
    serving,
    timed_out,
    timed_out_by_itself,
)
from tests.frameworks.programs import Forks, each_ending

pytestmark = pytest.mark.anyio
each_era = pytest.mark.parametrize("era", ERAS)


@pytest.fixture
def anyio_backend() -> str:
    """The framework runs on asyncio."""
    return "asyncio"


class Script(BaseChatModel):
    """A model that calls one tool, and repeats what the tool has answered."""

    tool: str
    arguments: dict[str, Any] = Field(default_factory=lambda: {"topic": "bees"})

    @property
    def _llm_type(self) -> str:
        return "script"

    def bind_tools(self, *_: Any, **__: Any) -> Any:
        """Tools make no difference."""
        return self

    def _generate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
        answers = [message for message in messages if isinstance(message, ToolMessage)]
        call = {"name": self.tool, "args": self.arguments, "id": "1"}
        message = AIMessage(str(answers[-1].content)) if answers else AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=message)])


def ask(text: str) -> Any:
    """The input of an agent."""
    return {"messages": [{"role": "user", "content": text}]}


# --- LangChain ----------------------------------------------------------------------------------------------------


@each_era
async def test_a_task_is_driven_to_its_end(era: str) -> None:
    """A tool call of an agent becomes a task, and its result reaches the model."""
    with serving(era) as (server, url):
        async with MCPAdapter(TaskTransport(url)) as adapter:
            agent = create_agent(Script(tool="research"), await adapter.list_tools())
            result = await agent.ainvoke(ask("bees?"))
        assert "they dance" in str(result["messages"][-1].content)
        assert len(server.tasks) == 1


@each_era
async def test_input_requests(era: str) -> None:
    """The handler of a client of the program answers what a task asks."""
    with serving(era) as (_, url):
        async with (
            Client(url, elicitation_handler=lambda _, __: {"seat": "3A"}) as client,
            MCPAdapter(TaskTransport(client)) as adapter,
        ):
            agent = create_agent(Script(tool="book", arguments={}), await adapter.list_tools())
            assert "booked" in str((await agent.ainvoke(ask("book")))["messages"][-1].content)


@each_era
async def test_the_handler_of_fastmcps_client(era: str) -> None:
    """A handler that is given to fastmcp's client answers too."""

    async def answer(*_: Any) -> dict[str, str]:
        return {"seat": "3A"}

    with serving(era) as (_, url):
        async with MCPAdapter(fastmcp.Client(TaskTransport(url), elicitation_handler=answer)) as adapter:
            agent = create_agent(Script(tool="book", arguments={}), await adapter.list_tools())
            assert "booked" in str((await agent.ainvoke(ask("book")))["messages"][-1].content)


@each_era
async def test_a_cancelled_run_leaves_no_task(era: str) -> None:
    """A cancelled run asks the server to cancel the task."""
    with serving(era) as (server, url):
        async with MCPAdapter(TaskTransport(url)) as adapter:
            agent = create_agent(Script(tool="work"), await adapter.list_tools())
            run = asyncio.create_task(agent.ainvoke(ask("go")))
            task = await next_task(server)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            assert await is_cancelled(task)


@each_era
async def test_a_timeout_leaves_no_task(era: str) -> None:
    """A run that times out asks the server to cancel the task."""
    with serving(era) as (server, url):
        async with MCPAdapter(TaskTransport(url)) as adapter:
            agent = create_agent(Script(tool="work"), await adapter.list_tools())

            async def run(limit: float) -> None:
                agent.step_timeout = limit
                with pytest.raises(TimeoutError):
                    await agent.ainvoke(ask("go"))

            assert await is_cancelled(await timed_out_by_itself(run, server))


PROGRAM = """
from tests.frameworks.in_langchain import MCPAdapter, Script, TaskTransport, ask, create_agent
async def main():
    async with MCPAdapter(TaskTransport({url!r})) as adapter:
        await create_agent(Script(tool="work"), await adapter.list_tools()).ainvoke(ask("go"))
"""


@each_era
@each_ending
async def test_a_stopped_program_leaves_no_task(era: str, forks: Forks, ending: int) -> None:
    """A program that is stopped in mid-run asks the server to cancel the task on its way out."""
    with serving(era) as (server, url):
        task = await asyncio.to_thread(forks.stopped, PROGRAM.format(url=url), server, ending)
        assert await is_cancelled(task)


# --- LangGraph ----------------------------------------------------------------------------------------------------


class State(TypedDict, total=False):
    """What the graph knows."""

    said: str


def graph_of(client: Client, tool: str, saver: InMemorySaver) -> Any:
    """A graph with one node, which calls a tool."""

    async def node(_: State) -> State:
        return {"said": (await interrupts.call_tool(client, tool, {})).text}

    graph: Any = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph.compile(checkpointer=saver)


THREAD: Any = {"configurable": {"thread_id": "t1"}}


def opened(url: str, store: Store) -> Client:
    """The client of one program."""
    return Client(url, store=store, elicitation_handler=BY_HAND)


async def test_a_person_answers_hours_later(tmp_path: Any) -> None:
    """A question ends the run and the program; the next program resumes the graph with the answer. The tool is called
    once, and each question is put once."""
    seat, meal = elicit("Which seat?", {"seat": {"type": "string"}}), elicit("Meal?", {"meal": {"type": "string"}})
    saver, store = InMemorySaver(), Store(tmp_path / "tasks.db")
    with serving("modern") as (server, url):
        server.add_tool("fly", [NeedInput({"seat": seat}), NeedInput({"meal": meal}), Complete("booked")])
        async with opened(url, store) as client:
            stopped = await graph_of(client, "fly", saver).ainvoke({}, THREAD)
        (question,) = stopped["__interrupt__"]
        assert question.value["type"] == interrupts.INTERRUPT_TYPE
        assert question.value["requests"]["seat"]["params"]["message"] == "Which seat?"
        async with opened(url, store) as client:
            stopped = await graph_of(client, "fly", saver).ainvoke(Command(resume={"seat": {"seat": "3A"}}), THREAD)
        (question,) = stopped["__interrupt__"]
        assert set(question.value["requests"]) == {"meal"}
        async with opened(url, store) as client:
            graph = graph_of(client, "fly", saver)
            stopped = await graph.ainvoke(Command(resume={"meal": {"meal": 7}}), THREAD)
            (question,) = stopped["__interrupt__"]
            assert "meal" in question.value["problem"]
            done = await graph.ainvoke(Command(resume={"meal": {"meal": "soup"}}), THREAD)
        assert done["said"] == "booked"
        assert server.requests.count("tools/call") == 1
        (task,) = server.tasks.values()
        assert not task.cancel_requested


ANSWERING = """
import asyncio, json, pathlib, time
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from tests.frameworks.in_langchain import THREAD, Command, Store, graph_of, opened
async def main():
    async with AsyncSqliteSaver.from_conn_string({graph!r}) as saver, opened({url!r}, Store({tasks!r})) as client:
        state = await graph_of(client, "fly", saver).ainvoke({given}, THREAD)
        found = state["__interrupt__"][0].value["requests"] if "__interrupt__" in state else state["said"]
        pathlib.Path({draft!r}).write_text(json.dumps(found), encoding="utf-8")
        pathlib.Path({draft!r}).rename({found!r})
        await asyncio.sleep({rest})
asyncio.run(main())
"""


async def test_each_answer_comes_in_another_process(tmp_path: Path, forks: Forks) -> None:
    """The first program is killed when its graph is interrupted, and the next one ends by itself. Each finds the graph
    in its file and the task in the store. The tool is called once, and each question is put once."""
    seat, meal = elicit("Which seat?", {"seat": {"type": "string"}}), elicit("Meal?", {"meal": {"type": "string"}})

    async def run(number: int, given: str, *, killed: bool) -> Any:
        found = tmp_path / f"found-{number}"
        places = {name: str(tmp_path / name) for name in ("graph", "tasks", "draft")}
        source = ANSWERING.format(url=url, given=given, found=str(found), rest=3600 if killed else 0, **places)
        with forks.started(source) as program:
            if killed:
                async with asyncio.timeout(LIMIT):
                    while not found.exists():  # noqa: ASYNC110 - another process makes it
                        await asyncio.sleep(0.01)
                program.stop(signal.SIGKILL)
            code = await asyncio.to_thread(program.code)
            assert code == (-signal.SIGKILL if killed else 0)
        return json.loads(found.read_text(encoding="utf-8"))

    with serving("modern") as (server, url):
        server.add_tool("fly", [NeedInput({"seat": seat}), NeedInput({"meal": meal}), Complete("booked")])
        asked = await run(1, "{}", killed=True)
        assert asked["seat"]["params"]["message"] == "Which seat?"
        asked = await run(2, "Command(resume={'seat': {'seat': '3A'}})", killed=False)
        assert set(asked) == {"meal"}
        assert await run(3, "Command(resume={'meal': {'meal': 'soup'}})", killed=False) == "booked"
        assert server.requests.count("tools/call") == 1


async def test_an_agents_tools_interrupt(tmp_path: Any) -> None:
    """Tools that are made by `load_tools` interrupt an agent."""
    with serving("modern") as (server, url):
        async with opened(url, Store(tmp_path / "tasks.db")) as client:
            tools = await interrupts.load_tools(client)
            agent = create_agent(Script(tool="book", arguments={}), tools, checkpointer=InMemorySaver())
            stopped = await agent.ainvoke(ask("book"), THREAD)
            assert set(stopped["__interrupt__"][0].value["requests"]) == {"seat"}
            done = await agent.ainvoke(Command(resume={"seat": {"seat": "3A"}}), THREAD)
            assert "booked" in str(done["messages"][-1].content)
        assert server.requests.count("tools/call") == 1


async def cancelled_graph(server: TaskServer, client: Client, early: bool) -> None:
    """Cancel a run, before its call is answered or after."""
    run = asyncio.create_task(graph_of(client, "work", InMemorySaver()).ainvoke({}, THREAD))
    task = await next_task(server)
    if not early:
        async with asyncio.timeout(LIMIT):
            while not await client.list_tasks():  # noqa: ASYNC110 - nobody is told when the client knows its task
                await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await is_cancelled(task)


@each_era
@pytest.mark.parametrize("early", [True, False], ids=["early", "late"])
async def test_a_cancelled_graph_leaves_no_task(era: str, early: bool, tmp_path: Any) -> None:
    """A cancelled run asks the server to cancel the task, also if the task's id comes only afterwards."""
    with serving(era) as (server, url):
        async with opened(url, Store(tmp_path / "tasks.db")) as client:
            await cancelled_graph(server, client, early)


@each_era
async def test_a_graph_that_times_out_leaves_no_task(era: str, tmp_path: Any) -> None:
    """A run whose time is up asks the server to cancel the task."""
    with serving(era) as (server, url):
        async with opened(url, Store(tmp_path / "tasks.db")) as client:
            run = graph_of(client, "work", InMemorySaver()).ainvoke({}, THREAD)
            assert await is_cancelled(await timed_out(run, server))


GRAPH_PROGRAM = """
from tests.frameworks.in_langchain import THREAD, InMemorySaver, Store, graph_of, opened
async def main():
    async with opened({url!r}, Store({path!r})) as client:
        await graph_of(client, "work", InMemorySaver()).ainvoke({{}}, THREAD)
"""


@each_era
@each_ending
async def test_a_stopped_graph_leaves_no_task(era: str, tmp_path: Any, forks: Forks, ending: int) -> None:
    """A program that is stopped in a graph's call asks the server to cancel the task on its way out."""
    with serving(era) as (server, url):
        program = GRAPH_PROGRAM.format(url=url, path=str(tmp_path / "tasks.db"))
        assert await is_cancelled(await asyncio.to_thread(forks.stopped, program, server, ending))


async def test_bad_input(tmp_path: Any) -> None:
    """Without a store, or without a checkpointer, nothing is sent, and one sentence says what is missing."""
    with serving("modern") as (server, url):
        async with Client(url) as client:
            with pytest.raises(ValueError, match="give store= to the client"):
                await graph_of(client, "work", InMemorySaver()).ainvoke({}, THREAD)
        async with opened(url, Store(tmp_path / "tasks.db")) as client:
            graph: Any = graph_of(client, "work", InMemorySaver())
            graph.checkpointer = None
            with pytest.raises(ValueError, match="needs a checkpointer"):
                await graph.ainvoke({})
        assert not server.requests.count("tools/call")


@each_era
@pytest.mark.parametrize("example", examples("langchain"), ids=lambda example: f"line-{example.line}")
async def test_page(era: str, example: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of the page run as they are printed."""
    monkeypatch.chdir(tmp_path)
    call = {"tool": "research", "arguments": {"topic": "bees"}}
    with serving(era) as (_, url):
        model = (
            Script(tool="start_work", arguments=call) if "BackgroundWork" in example.source else Script(tool="research")
        )
        await run_example(example, url, model=model)


@pytest.mark.parametrize("example", examples("langgraph"), ids=lambda example: f"line-{example.line}")
async def test_page_of_langgraph(example: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of interrupts run as they are printed. On 2025-11-25 another client cannot answer."""
    monkeypatch.chdir(tmp_path)
    with serving("modern") as (server, url):
        names = await run_example(example, url)
        assert names["state"]["booking"] == "booked"
        assert server.requests.count("tools/call") == 1
