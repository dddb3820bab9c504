"""Adapters for other systems. Each needs the system's package, and the rest of `mcptasks` imports no adapter.

dask.py, temporal.py and airflow.py call and wait by `_remote`, which connects and sends heartbeats.

dask.py           Dask distributed: calls made here, waited for on the cluster
temporal.py       Temporal: an activity that heartbeats its task
airflow.py        Airflow: an operator that defers, and its trigger
background.py     background work of an agent, which is told when the work has ended; for any framework
blocking.py       background.py for programs without an event loop
fastmcp.py        everything that takes a target of `fastmcp.Client`: pydantic-ai, LangChain
langgraph.py      a task's question as an interrupt of a LangGraph graph
openai_agents.py  a server for agents of the OpenAI Agents SDK
_packages.py      checks a package's version; each adapter says which versions it works with
_starting.py      starts a task for a caller that may be cancelled meanwhile
"""
