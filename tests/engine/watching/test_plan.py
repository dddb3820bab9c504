"""The plan of looks: the latest entry of a task counts, and old ones take no room."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from mcptasks._engine.watching.plan import Plan
from mcptasks._engine.watching.watch import Watch


def tasks(*names: str) -> list[Watch]:
    """Tasks of these names."""
    return [Watch(name, 0.0) for name in names]


def test_what_is_due() -> None:
    """What is due by now is taken out once, the earliest first, and in the order of planning where it is the same."""
    plan = Plan()
    a, b, c, d = tasks("a", "b", "c", "d")
    for watch, due in ((a, 3.0), (b, 1.0), (c, 3.0), (d, 5.0)):
        plan.put(watch, due)
    assert plan.until == 1.0
    assert list(plan.due(0.9)) == []
    assert list(plan.due(3.0)) == [b, a, c]
    assert list(plan.due(3.0)) == []
    assert plan.until == 5.0
    assert (a.polling.entry, d.polling.entry != 0) == (0, True)
    assert list(plan.due(9.0)) == [d]
    assert plan.until == math.inf


def test_the_latest_entry_counts() -> None:
    """A task that is planned anew, earlier or later, is looked at then and at no other time."""
    plan = Plan()
    a, b = tasks("a", "b")
    plan.put(a, 1.0)
    plan.put(b, 2.0)
    plan.put(a, 4.0)
    assert list(plan.due(2.0)) == [b]
    plan.put(a, 3.0)
    assert list(plan.due(3.5)) == [a]
    assert list(plan.due(9.0)) == []


def test_whether_it_is_the_next_of_all() -> None:
    """Who plans a look is told whether anything is planned before it."""
    plan = Plan()
    a, b, c = tasks("a", "b", "c")
    assert plan.put(a, 3.0)
    assert not plan.put(b, 4.0)
    assert plan.put(c, 1.0)
    assert plan.put(c, 0.5)


def test_dropped() -> None:
    """A task that is dropped is not looked at; dropping it again, or one that was never planned, does nothing."""
    plan = Plan()
    a, b = tasks("a", "b")
    plan.put(a, 1.0)
    plan.put(b, 2.0)
    plan.drop(a)
    plan.drop(a)
    assert list(plan.due(1.5)) == []
    assert plan.until == 2.0
    plan.put(a, 3.0)
    assert list(plan.due(5.0)) == [b, a]


def test_old_entries_take_no_room() -> None:
    """However often tasks are planned anew, there are hardly more entries than twice as many as tasks."""
    plan = Plan()
    watches = tasks(*(f"{number}" for number in range(100)))
    for time in range(1000):
        for watch in watches:
            plan.put(watch, float(time))
        assert len(plan._heap) <= 2 * len(watches) + 65
    assert sorted(watch.task_id for watch in plan.due(1e9)) == sorted(watch.task_id for watch in watches)
    assert plan._heap == []


def test_a_task_that_changes_its_mind_takes_no_room() -> None:
    """Also where there is one task, or none is left, old entries do not pile up."""
    plan = Plan()
    (a,) = tasks("a")
    for number in range(10_000):
        plan.put(a, 1e6 - number)
    assert len(plan._heap) <= 67
    plan.drop(a)
    assert list(plan.due(1e9)) == []
    assert plan._heap == []


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 4), st.integers(0, 20)),
        st.tuples(st.just("drop"), st.integers(0, 4), st.just(0)),
        st.tuples(st.just("due"), st.just(0), st.integers(0, 20)),
    ),
    max_size=300,
)


@given(steps)
def test_like_a_dictionary(taken: list[tuple[str, int, int]]) -> None:
    """Whatever is done in whichever order, the plan is what a dictionary of times would be."""
    plan = Plan()
    watches = tasks("a", "b", "c", "d", "e")
    model: dict[str, int] = {}
    for what, which, time in taken:
        watch = watches[which]
        if what == "put":
            plan.put(watch, float(time))
            model[watch.task_id] = time
        elif what == "drop":
            plan.drop(watch)
            model.pop(watch.task_id, None)
        else:
            found = [each.task_id for each in plan.due(float(time))]
            assert [model[name] for name in found] == sorted(model[name] for name in found)
            assert set(found) == {name for name, due in model.items() if due <= time}
            for name in found:
                del model[name]
        assert plan._valid == len(model)
        assert {each.task_id for each in watches if each.polling.entry} == set(model)
