"""Adapters for other people's systems. Each needs its package, and nothing else of `mcptasks` imports any.

dask.py           Dask distributed: calls made here, waited for on the cluster
temporal.py       Temporal: an activity that heartbeats its task
airflow.py        Airflow: an operator that defers, and its trigger
background.py     work that an agent starts and is told of when it has ended; for any framework
blocking.py       the same for programs without an event loop
fastmcp.py        whatever takes a target of `fastmcp.Client`: pydantic-ai, LangChain
langgraph.py      a task's question as an interrupt of a LangGraph graph
openai_agents.py  a server for agents of the OpenAI Agents SDK
_packages.py      says which versions of a package an adapter works with
_starting.py      starts a task for a caller that may be cancelled meanwhile
"""
