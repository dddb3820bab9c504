"""From what a program answers to what goes on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import attrs
import mcp_types as types
import pytest
from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr

from mcptasks import CreateMessageResult, ElicitResult, InputContext, TaskProtocolError
from mcptasks._engine.input.answers import Answerer, formed
from mcptasks.testing import elicit, sample

FORM = elicit("Who?", {"name": {"type": "string"}, "born": {"type": "string", "format": "date"}}, ["name"])
URL = {
    "method": "elicitation/create",
    "params": {"mode": "url", "message": "Pay", "url": "https://example.com/pay", "elicitationId": "e-1"},
}
ROOTS = {"method": "roots/list"}
DAY = date(1815, 12, 10)
FULL = {"action": "accept", "content": {"name": "Ada", "born": "1815-12-10"}}


@dataclass
class AsDataclass:
    """A form's answer as a dataclass."""

    name: str
    born: date | None = None


@attrs.define
class AsAttrs:
    """The same by attrs."""

    name: str
    born: date | None = None


class AsModel(BaseModel):
    """The same by pydantic."""

    name: str
    born: date | None = None


@pytest.mark.parametrize("kind", [AsDataclass, AsAttrs, AsModel, dict])
def test_typed_answers(kind: Any) -> None:
    """A form is answered with a mapping or with an object of the program's own type; None leaves a field out."""
    assert formed(FORM, kind(name="Ada", born=DAY)) == FULL
    assert formed(FORM, kind(name="Ada", born=None)) == {"action": "accept", "content": {"name": "Ada"}}


SECRETS = elicit("Say it.", {"word": {"type": "string"}, "words": {"type": "array", "items": {"type": "string"}}})


@dataclass
class SecretDataclass:
    """Secrets in a dataclass."""

    word: SecretStr
    words: list[SecretBytes]


@attrs.define
class SecretAttrs:
    """The same by attrs."""

    word: SecretStr
    words: list[SecretBytes]


class SecretModel(BaseModel):
    """The same by pydantic, under names of the form's."""

    said: SecretStr = Field(alias="word")
    words: list[SecretBytes]


@pytest.mark.parametrize("kind", [SecretDataclass, SecretAttrs, SecretModel, dict])
def test_secrets(kind: Any) -> None:
    """The server gets what pydantic's secrets hold, and not the asterisks that they show; complaints do not."""
    answer = kind(word=SecretStr("open sesame"), words=[SecretBytes(b"abra"), SecretBytes(b"cadabra")])
    assert formed(SECRETS, answer)["content"] == {"word": "open sesame", "words": ["abra", "cadabra"]}
    with pytest.raises(ValueError, match="'word'") as caught:
        formed(elicit("Say it.", {"word": {"type": "string", "maxLength": 3}}), answer)
    assert "sesame" not in str(caught.value)


def test_one_secret_of_any_type() -> None:
    """The same goes for secrets of other types than text."""
    form = elicit("How much?", {"value": {"type": "integer"}})
    assert formed(form, {"value": Secret[int](7)})["content"] == {"value": 7}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, {"action": "decline"}),
        (ElicitResult(action="decline", content={"name": "x"}), {"action": "decline"}),
        (ElicitResult(action="cancel"), {"action": "cancel"}),
        (ElicitResult(action="accept", content={"name": "Ada", "born": "1815-12-10"}), FULL),
    ],
)
def test_explicit_answers(value: Any, told: dict[str, Any]) -> None:
    """None declines, and an `ElicitResult` accepts, declines or cancels."""
    assert formed(FORM, value) == told


def test_questions_by_url() -> None:
    """A question by URL is accepted without fields."""
    assert formed(URL, {}) == formed(URL, ElicitResult(action="accept")) == {"action": "accept"}
    assert formed(URL, None) == {"action": "decline"}
    with pytest.raises(ValueError, match="takes no fields, got 'name'"):
        formed(URL, {"name": "Ada"})


def test_sampling_and_roots() -> None:
    """Text is the assistant's; a result goes out as it is; roots are paths or URIs."""
    text = {"role": "assistant", "content": {"type": "text", "text": "yes"}, "model": "handler"}
    assert formed(sample("?"), "yes") == text
    content = types.TextContent(type="text", text="no")
    answer = CreateMessageResult(role="assistant", content=content, model="mine")
    assert formed(sample("?"), answer) == {**text, "content": {"type": "text", "text": "no"}, "model": "mine"}
    assert formed(ROOTS, ["/one"]) == {"roots": [{"uri": "file:///one"}]}


@pytest.mark.parametrize(
    ("request_", "value", "error", "words"),
    [
        (FORM, 7, TypeError, "mapping"),
        (FORM, "Ada", TypeError, "mapping"),
        (FORM, AsDataclass, TypeError, "mapping"),
        (FORM, {1: "secret"}, TypeError, "^answer has a key of type int"),
        (FORM, {"name": object()}, TypeError, r'^answer\["name"\] is of type object, which JSON cannot hold'),
        (FORM, {"name": "Ada", "born": float("nan")}, ValueError, r'^answer\["born"\] must be a finite number'),
        (FORM, {"name": "Ada", "more": {"a": 1}}, TypeError, "'more'"),
        (FORM, {}, ValueError, "'name'"),
        (FORM, ElicitResult(action="accept"), ValueError, "'name'"),
        (FORM, {"name": "Ada", "born": "secret"}, ValueError, "'born'"),
        (sample("?"), None, TypeError, "CreateMessageResult"),
        (sample("?"), {"text": "yes"}, TypeError, "CreateMessageResult"),
        (ROOTS, "/one", TypeError, "roots"),
        (ROOTS, [7], TypeError, "roots"),
    ],
)
def test_what_is_no_answer(request_: Any, value: Any, error: type[Exception], words: str) -> None:
    """What cannot be sent is refused, with words on what would be right and without the value of a field."""
    with pytest.raises(error, match=words) as caught:
        formed(request_, value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "request_",
    [
        None,
        7,
        {},
        {"method": 7},
        {"method": "tools/call", "params": {}},
        {"method": "elicitation/create"},
        {"method": "elicitation/create", "params": {"message": 7}},
        {"method": "sampling/createMessage", "params": {"messages": "no"}},
    ],
)
def test_questions_without_sense(request_: Any) -> None:
    """Whatever a server sends for a question, it is an error of ours that says what was wrong."""
    with pytest.raises(TaskProtocolError, match="server"):
        formed(request_, {})


def test_defaults_that_their_fields_do_not_allow() -> None:
    """A form's default that is null, or nothing that its own field may be, is left out and blamed on nobody."""
    form = elicit(
        "Who?",
        {
            "name": {"type": "string"},
            "nick": {"type": "string", "default": None},
            "age": {"type": "integer", "default": "x"},
        },
    )
    assert formed(form, {"name": "Ada"})["content"] == {"name": "Ada"}


@pytest.mark.parametrize("request_", [elicit("Who?"), sample("A word?")], ids=["form", "sampling"])
def test_what_cannot_be_sent(request_: Any) -> None:
    """Half a character cannot be written as UTF-8: an error before it is sent, since it would end the connection. The
    same holds for bytes that are no text. The message does not tell the answer."""
    text = "secret" + chr(0xD800)
    with pytest.raises(ValueError, match="cannot be sent") as caught:
        formed(request_, text if request_["method"].startswith("sampling") else {"value": text})
    assert "secret" not in str(caught.value)
    with pytest.raises(TypeError):
        formed(request_, {"value": bytes([0xFF])})


@pytest.mark.anyio
async def test_handlers_may_change_what_they_get() -> None:
    """What a handler does to the schema that it gets changes neither the question nor the check of its answer."""

    async def handler(_context: Any, params: Any) -> Any:
        params.requested_schema["properties"]["value"]["type"] = "integer"
        return {"value": 5}

    request = elicit("Who?")
    with pytest.raises(ValueError, match="must be a text"):
        await Answerer(handler, make_context=InputContext).answer(request, InputContext())
    assert request == elicit("Who?")


@pytest.mark.parametrize("mode", ["voice", 7, None, ["form"], chr(27) + "x" * 5_000])
def test_unknown_modes(mode: Any) -> None:
    """An elicitation in a mode that is not known is the server's breach; the error says which are, in short."""
    request = {"method": "elicitation/create", "params": {"mode": mode, "message": "Say it."}}
    with pytest.raises(TaskProtocolError, match="known are form and url") as caught:
        formed(request, {})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200
