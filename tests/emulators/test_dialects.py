"""The same script and the same conversation in every dialect. Anthropic Messages: see also its own tests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio

from tests.emulators.conversation import Answer, Human, ToolResult
from tests.emulators.model_api import ModelApi, open_model_api
from tests.emulators.script import prompt

Json = dict[str, Any]

SCRIPT = prompt(
    {"call": [{"tool": "sh", "id": "c1"}, {"tool": "sh", "id": "c2"}]},
    {"think": "hm", "say": "second", "chunks": 3},
    text="go",
)

PATHS = {
    "anthropic": "/v1/messages",
    "responses": "/v1/responses",
    "chat": "/v1/chat/completions",
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
}


def anthropic(text: str, *, answered: bool) -> Json:
    calls = [{"type": "tool_use", "id": name, "name": "sh", "input": {}} for name in ("c1", "c2")]
    results = [{"type": "tool_result", "tool_use_id": name, "content": f"of {name}"} for name in ("c1", "c2")]
    turns = [{"role": "user", "content": text}]
    turns += [{"role": "assistant", "content": calls}, {"role": "user", "content": results}] if answered else []
    return {"stream": True, "tools": [{}], "messages": turns}


def responses(text: str, *, answered: bool) -> Json:
    say = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    items = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "script: none of yours"}]},
        say,
    ]
    if answered:
        items += [{"type": "reasoning", "summary": []}]
        items += [{"type": "function_call", "call_id": name, "name": "sh", "arguments": "{}"} for name in ("c1", "c2")]
        items += [{"type": "function_call_output", "call_id": name, "output": f"of {name}"} for name in ("c1", "c2")]
    return {"stream": True, "tools": [{}], "input": items}


def chat(text: str, *, answered: bool) -> Json:
    messages: list[Json] = [{"role": "system", "content": "script: none of yours"}]
    messages += [{"role": "user", "content": [{"type": "text", "text": text}]}]
    if answered:
        calls = [
            {"id": name, "type": "function", "function": {"name": "sh", "arguments": "{}"}} for name in ("c1", "c2")
        ]
        messages += [{"role": "assistant", "content": None, "tool_calls": calls}]
        messages += [{"role": "tool", "tool_call_id": name, "content": f"of {name}"} for name in ("c1", "c2")]
    return {"stream": True, "stream_options": {"include_usage": True}, "tools": [{}], "messages": messages}


def gemini(text: str, *, answered: bool) -> Json:
    contents: list[Json] = [{"role": "user", "parts": [{"text": text}]}]
    if answered:
        contents += [
            {"role": "model", "parts": [{"functionCall": {"name": "sh", "args": {}, "id": name}}]}
            for name in ("c1", "c2")
        ]
        results = [
            {"functionResponse": {"id": name, "name": "sh", "response": {"output": f"of {name}"}}}
            for name in ("c1", "c2")
        ]
        contents += [{"role": "user", "parts": results}]
    return {"tools": [{}], "contents": contents}


REQUESTS = {"anthropic": anthropic, "responses": responses, "chat": chat, "gemini": gemini}

dialects = pytest.mark.parametrize("dialect", PATHS)


@pytest.fixture
async def api() -> AsyncIterator[ModelApi]:
    with trio.fail_after(60):
        async with open_model_api() as api:
            yield api


@pytest.fixture
async def http(api: ModelApi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api.url) as http:
        yield http


async def events(http: httpx.AsyncClient, dialect: str, body: Json) -> list[Json]:
    answer = await http.post(PATHS[dialect], json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream"
    found = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(data) for data in found if data != "[DONE]"]


def pieces(dialect: str, stream: list[Json]) -> list[str]:
    match dialect:
        case "anthropic":
            return [one["delta"]["text"] for one in stream if one.get("delta", {}).get("type") == "text_delta"]
        case "responses":
            return [one["delta"] for one in stream if one["type"] == "response.output_text.delta"]
        case "chat":
            deltas = [one["choices"][0]["delta"] for one in stream if one["choices"]]
            return [delta["content"] for delta in deltas if delta.get("content")]
        case _:
            parts = [part for one in stream for part in one["candidates"][0]["content"]["parts"]]
            return [part["text"] for part in parts if part.get("text") and not part.get("thought")]


def usage(dialect: str, stream: list[Json]) -> tuple[int, int, int]:
    """All that was asked, what of it came from the cache, what was answered."""
    match dialect:
        case "anthropic":
            asked = stream[0]["message"]["usage"]
            told = next(one["usage"] for one in stream if one["type"] == "message_delta")
            cached = asked["cache_read_input_tokens"]
            return asked["input_tokens"] + cached, cached, told["output_tokens"]
        case "responses":
            told = stream[-1]["response"]["usage"]
            return told["input_tokens"], told["input_tokens_details"]["cached_tokens"], told["output_tokens"]
        case "chat":
            told = stream[-1]["usage"]
            return told["prompt_tokens"], told["prompt_tokens_details"]["cached_tokens"], told["completion_tokens"]
        case _:
            told = stream[-1]["usageMetadata"]
            return told["promptTokenCount"], told["cachedContentTokenCount"], told["candidatesTokenCount"]


@dialects
async def test_the_conversation_is_read_alike(api: ModelApi, http: httpx.AsyncClient, dialect: str) -> None:
    stream = await events(http, dialect, REQUESTS[dialect](SCRIPT, answered=True))
    assert pieces(dialect, stream) == ["se", "co", "nd"]
    human, answer, *results = api.turns[0].entries
    assert isinstance(answer, Answer) and len(answer.calls) == 2
    assert human == Human(SCRIPT)
    assert results == [ToolResult("c1", "of c1"), ToolResult("c2", "of c2")]


@dialects
async def test_calls_come_whole(http: httpx.AsyncClient, dialect: str) -> None:
    script = prompt({"call": [{"tool": "sh", "input": {"command": "echo ä"}, "id": "c1"}, {"tool": "look"}]})
    stream = await events(http, dialect, REQUESTS[dialect](script, answered=False))
    said = json.dumps(stream)
    assert said.count("echo \\\\u00e4") + said.count("echo \\\\\\\\u00e4") + said.count("echo \\u00e4") >= 1
    assert '"sh"' in said and '"look"' in said and '"c1"' in said


@dialects
async def test_usage_is_told(http: httpx.AsyncClient, dialect: str) -> None:
    script = prompt({"say": "x", "usage": {"input": 10, "cache_read": 5, "output": 3}})
    assert usage(dialect, await events(http, dialect, REQUESTS[dialect](script, answered=False))) == (15, 5, 3)


@dialects
@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
async def test_a_status_is_an_error(http: httpx.AsyncClient, dialect: str, status: int) -> None:
    script = prompt(
        {"status": status, "message": "so be it", "headers": {"retry-after": "3"}, "times": 1}, {"say": "well"}
    )
    body = REQUESTS[dialect](script, answered=False)
    answer = await http.post(PATHS[dialect], json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "3")
    assert answer.json()["error"]["message"] == "so be it"
    assert pieces(dialect, await events(http, dialect, body)) == ["well"]


@dialects
async def test_only_the_accepted_key_is_taken(api: ModelApi, http: httpx.AsyncClient, dialect: str) -> None:
    api.accept_key = "right"
    header = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(dialect, "authorization")
    before = "Bearer " if header == "authorization" else ""
    for key, status in (("right", 200), ("wrong", 401)):
        body = REQUESTS[dialect]("hello", answered=False)
        answer = await http.post(PATHS[dialect], json=body, headers={header: before + key})
        assert answer.status_code == status
    assert (await http.post(PATHS[dialect], json=body)).status_code == 401


@dialects
async def test_without_tools_it_is_a_side_question(api: ModelApi, http: httpx.AsyncClient, dialect: str) -> None:
    body = REQUESTS[dialect](prompt({"say": "no"}), answered=False)
    del body["tools"]
    assert pieces(dialect, await events(http, dialect, body)) == ["ok"]
    assert api.turns == []


@dialects
async def test_a_cut_and_an_error_in_mid_stream(api: ModelApi, http: httpx.AsyncClient, dialect: str) -> None:
    script = prompt({"say": "ab", "cut": 1, "times": 1}, {"say": "ab", "stream_error": "busy", "message": "so be it"})
    body = REQUESTS[dialect](script, answered=False)
    with pytest.raises(httpx.RemoteProtocolError):
        await http.post(PATHS[dialect], json=body)
    stream = await events(http, dialect, body)
    assert "so be it" in json.dumps(stream[-1])


@pytest.mark.parametrize("dialect", ["responses", "chat", "gemini"])
async def test_an_answer_in_one_piece(http: httpx.AsyncClient, dialect: str) -> None:
    script = prompt({"think": "hm", "say": "all of it", "call": [{"tool": "sh", "id": "c1", "input": {"a": 1}}]})
    body = REQUESTS[dialect](script, answered=False) | {"stream": False}
    answer = (await http.post(PATHS[dialect].replace("streamG", "g"), json=body)).json()
    match dialect:
        case "responses":
            think, say, call = answer["output"]
            assert (think["summary"][0]["text"], say["content"][0]["text"]) == ("hm", "all of it")
            assert (call["call_id"], call["name"], json.loads(call["arguments"])) == ("c1", "sh", {"a": 1})
        case "chat":
            message = answer["choices"][0]["message"]
            assert (message["reasoning_content"], message["content"]) == ("hm", "all of it")
            assert message["tool_calls"][0]["function"] == {"name": "sh", "arguments": '{"a": 1}'}
        case _:
            think, say, call = answer["candidates"][0]["content"]["parts"]
            assert (think["text"], say["text"], call["functionCall"]["args"]) == ("hm", "all of it", {"a": 1})


async def test_codex_may_put_a_result_between_the_calls_of_one_answer(api: ModelApi, http: httpx.AsyncClient) -> None:
    """Known by the ids we make up ourselves: the same answer, so it is counted once."""
    one, two, three = ("call_aaaaaaaaaaaa_0", "call_aaaaaaaaaaaa_1", "call_bbbbbbbbbbbb_0")
    body = responses(prompt({"say": "first"}, {"say": "second"}, {"say": "third"}), answered=False)
    for name in (one, two, three):
        body["input"] += [{"type": "function_call", "call_id": name, "name": "sh", "arguments": "{}"}]
        body["input"] += [
            {"type": "function_call_output", "call_id": name, "output": [{"type": "input_text", "text": name}]}
        ]
    assert pieces("responses", await events(http, "responses", body)) == ["third"]
    assert [result.text for result in api.turns[0].results] == [one, two, three]


async def test_a_tool_that_takes_text(http: httpx.AsyncClient) -> None:
    body = responses(prompt({"call": [{"tool": "apply_patch", "text": "*** Begin"}]}), answered=False)
    item = next(
        one["item"] for one in await events(http, "responses", body) if one["type"] == "response.output_item.done"
    )
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", "*** Begin")
