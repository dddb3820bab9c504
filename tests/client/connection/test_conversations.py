"""Whatever becomes of one answer on its way, the client says the right thing or raises an error of ours, in time.

A program uses a client in every way there is, against a raw server of which one answer (or that one and all later ones)
is spoilt: fields, ids, sizes, encodings, pieces, framings. Everything runs in virtual time, in one thread, on loopback.
The rules are in `conversing_client.py`, the ways of spoiling in `spoiling.py` and the
two modules that it imports.
"""

from __future__ import annotations

import gc

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.helpers.conversing_client import Case, run
from tests.helpers.spoiling import CUTS, Mutation
from tests.helpers.spoilt_http import BAD_FORMS, FORMS, LEGACY_FORMS
from tests.helpers.spoilt_words import BAD_TEXTS, OPS, TEXTS, VALUES, WORDS, Field, Words
from tests.helpers.support import Era

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("backend", ["asyncio", "trio"]),
    pytest.mark.parametrize("era", ["modern", "legacy"]),
]

TARGETS: dict[Era, tuple[str, ...]] = {
    "modern": ("server/discover", "tools/list", "tools/call", "tasks/get", "tasks/cancel", "subscriptions/listen"),
    "legacy": (
        "server/discover",
        "initialize",
        "tools/list",
        "tools/call",
        "tasks/get",
        "tasks/result",
        "tasks/cancel",
        "tasks/list",
        "GET",
    ),
}
"""Each answer of a conversation; GET and `subscriptions/listen` stand for the pushes on their streams."""

# Nothing is gained by shrinking: a case is small, says itself how to repeat it (`run(case)`), and takes 0.2 s.
quickly = settings(max_examples=14, phases=(Phase.explicit, Phase.reuse, Phase.generate))
texts = st.sampled_from(sorted(TEXTS))
forms = st.sampled_from(sorted(FORMS))
cuts = st.sampled_from(CUTS)
fields = st.builds(Field, pick=st.integers(0, 40), op=st.sampled_from(OPS), value=st.sampled_from(VALUES))
words = st.builds(Words, st.sampled_from(sorted(WORDS)))
other_words = st.builds(Mutation, words=fields | words, text=texts, form=forms, cut=cuts)
other_texts = st.builds(Mutation, text=st.sampled_from(sorted(BAD_TEXTS)), form=forms, cut=cuts)
other_forms = st.builds(Mutation, text=texts, form=st.sampled_from(sorted({**BAD_FORMS, **LEGACY_FORMS})), cut=cuts)
right = st.builds(Mutation, text=texts, form=forms, cut=cuts)


@pytest.fixture(autouse=True, scope="module")
def few_objects_to_search() -> None:
    """Each example collects garbage, to see what it left; what was there before need not be searched.

    Nothing is unfrozen afterwards: the thousands of tests that tests/conftest.py has frozen would be, too, and each
    `gc.collect()` of a later test would take half a second."""
    gc.collect()
    gc.freeze()


def check(era: Era, backend: str, data: st.DataObject, mutation: Mutation) -> None:
    """Run one conversation, spoilt in that way at some place."""
    target = data.draw(st.sampled_from(TARGETS[era]), "target")
    nth, always = data.draw(st.sampled_from((1, 1, 2)), "nth"), data.draw(st.booleans(), "always")
    case = Case(era, backend, target, mutation, nth, always)
    problems = run(case).problems
    assert not problems, "\n".join([str(case), *problems])


@quickly
@given(data=st.data(), mutation=right)
def test_an_answer_that_reads_the_same(era: Era, backend: str, data: st.DataObject, mutation: Mutation) -> None:
    """Every right way to write and to send an answer is understood: each step has the right value."""
    check(era, backend, data, mutation)


@quickly
@given(data=st.data(), mutation=other_words)
def test_other_words(era: Era, backend: str, data: st.DataObject, mutation: Mutation) -> None:
    """Other fields, ids and messages: the right value or an error of ours, and nobody else is disturbed."""
    check(era, backend, data, mutation)


@quickly
@given(data=st.data(), mutation=other_texts | other_forms)
def test_other_bytes(era: Era, backend: str, data: st.DataObject, mutation: Mutation) -> None:
    """Other encodings, statuses and framings: the same."""
    check(era, backend, data, mutation)
