"""The scripted model, heard by the vendor's own client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx
import pytest
import trio
from anthropic import AsyncAnthropic

from tests.emulators.anthropic_messages import SIGNATURE
from tests.emulators.model_api import ModelApi, open_model_api
from tests.emulators.script import prompt

BASH: Any = {"name": "Bash", "description": "", "input_schema": {"type": "object"}}
KEY = "sk-test-1"

# the client leaves its stream half read when it raises an error
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
async def api() -> AsyncIterator[ModelApi]:
    with trio.fail_after(60):
        async with open_model_api() as api:
            yield api


@pytest.fixture
async def client(api: ModelApi) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=api.url, api_key=KEY, max_retries=0) as client:
        yield client


def request(*messages: Any) -> Any:
    given = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
    return {"model": "model-1", "max_tokens": 100, "tools": [BASH], "messages": given}


async def heard(client: AsyncAnthropic, *messages: Any) -> Any:
    async with client.messages.stream(**request(*messages)) as stream:
        return await stream.get_final_message()


async def test_everything_a_step_says_arrives(client: AsyncAnthropic) -> None:
    calls = [{"tool": "Bash", "input": {"command": "echo 'ä'"}, "id": "toolu_1"}, {"tool": "Read", "input": {}}]
    script = prompt(
        {"think": "hm", "say": "héllo", "chunks": 3, "call": calls, "usage": {"input": 5, "output": 6, "cache_read": 7}}
    )
    for message in (await heard(client, script), await client.messages.create(**request(script))):
        think, say, bash, read = message.content
        assert (think.thinking, think.signature) == ("hm", SIGNATURE)
        assert say.text == "héllo"
        assert (bash.id, bash.name, bash.input) == ("toolu_1", "Bash", {"command": "echo 'ä'"})
        assert (read.name, read.input) == ("Read", {})
        assert bash.id != read.id
        assert message.stop_reason == "tool_use"
        usage = message.usage
        assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens) == (5, 6, 7)


async def test_say_is_streamed_in_pieces(client: AsyncAnthropic) -> None:
    async with client.messages.stream(**request(prompt({"say": "abcdefg", "chunks": 3}))) as stream:
        assert [text async for text in stream.text_stream] == ["abc", "def", "g"]


async def test_each_answer_since_the_prompt_is_one_step(client: AsyncAnthropic) -> None:
    script = prompt({"call": [{"tool": "Bash", "id": "toolu_1"}]}, {"say": "second"})
    called = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}]}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "script: [not a prompt"}
    aside = {"type": "text", "text": "<system-reminder>be good</system-reminder>"}
    returned = {"role": "user", "content": [result, aside]}
    spoken = {"role": "assistant", "content": "second"}
    assert (await heard(client, script, called, returned)).content[0].text == "second"
    # a program that goes on without a new prompt hears the rest of the same script
    event = {"role": "user", "content": "<system-reminder>a task has ended</system-reminder>"}
    assert "at its end" in (await heard(client, script, called, returned, spoken, event)).content[0].text
    following = [script, called, returned, spoken]
    assert (await heard(client, *following, "plain words")).content[0].text == "ok"
    assert (await heard(client, *following, prompt({"say": "anew"}))).content[0].text == "anew"


async def test_a_prompt_beside_tool_results_counts(client: AsyncAnthropic) -> None:
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}
    merged = {"role": "user", "content": [result, {"type": "text", "text": prompt({"say": "folded in"})}]}
    called = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}]}
    script = prompt({"call": [{"tool": "Bash", "id": "toolu_1"}]}, {"say": "never"})
    assert (await heard(client, script, called, merged)).content[0].text == "folded in"


async def test_merged_prompts_obey_the_last(client: AsyncAnthropic) -> None:
    texts = ["<system-reminder>x</system-reminder>", prompt({"say": "first"}), prompt({"say": "second"})]
    merged = {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}
    assert (await heard(client, merged)).content[0].text == "second"


@pytest.mark.parametrize(
    "status, error",
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (429, anthropic.RateLimitError),
        (529, anthropic.InternalServerError),
    ],
)
async def test_a_status_is_the_vendors_error(
    client: AsyncAnthropic, status: int, error: type[anthropic.APIStatusError]
) -> None:
    script = prompt({"status": status, "message": "so be it", "headers": {"retry-after": "7"}})
    for _ in range(2):
        with pytest.raises(error) as raised:
            await heard(client, script)
        assert raised.value.response.headers["retry-after"] == "7"
        assert "so be it" in str(raised.value)


async def test_failures_are_counted_and_then_it_answers(api: ModelApi) -> None:
    script = prompt({"status": 529, "times": 1}, {"status": 429, "times": 1}, {"say": "at last"})
    async with AsyncAnthropic(base_url=api.url, api_key=KEY, max_retries=2) as patient:
        assert (await heard(patient, script)).content[0].text == "at last"
    assert [turn.step.status for turn in api.turns if turn.step] == [529, 429, None]


async def test_failures_are_no_answers(client: AsyncAnthropic) -> None:
    script = prompt({"status": 529, "times": 1}, {"say": "first"}, {"status": 400, "times": 1}, {"say": "second"})
    further = [script, {"role": "assistant", "content": "first"}, "<system-reminder>go on</system-reminder>"]
    with pytest.raises(anthropic.BadRequestError):
        await heard(client, *further)
    assert (await heard(client, *further)).content[0].text == "second"


async def test_two_conversations_fail_for_themselves(client: AsyncAnthropic) -> None:
    for text in ("one", "two"):
        script = prompt({"status": 400, "times": 1}, {"say": "well"}, text=text)
        with pytest.raises(anthropic.BadRequestError):
            await heard(client, script)
        assert (await heard(client, script)).content[0].text == "well"


async def test_a_cut_stream_breaks_in_the_middle(api: ModelApi, client: AsyncAnthropic) -> None:
    texts = []
    with pytest.raises(Exception, match="incomplete chunked read"):
        async with client.messages.stream(**request(prompt({"say": "abcd", "chunks": 2, "cut": 1}))) as stream:
            async for text in stream.text_stream:
                texts.append(text)
    assert texts == ["ab"]
    assert api.turns[0].outcome == "cut"


async def test_an_error_in_mid_stream(client: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.APIStatusError, match="busy"):
        await heard(client, prompt({"say": "ab", "stream_error": "overloaded_error", "message": "busy"}))


async def test_a_gate_holds_the_stream(api: ModelApi, client: AsyncAnthropic) -> None:
    async with client.messages.stream(**request(prompt({"say": "abcd", "chunks": 2, "hold": "gate"}))) as stream:
        pieces = stream.text_stream
        assert await anext(pieces) == "ab"
        await api.held("gate")
        assert api.turns[0].outcome is None
        api.release("gate")
        assert [piece async for piece in pieces] == ["cd"]
    assert (await api.turn(lambda turn: turn.outcome is not None)).outcome == "answered"


async def test_a_client_that_hangs_up_is_noticed(api: ModelApi, client: AsyncAnthropic) -> None:
    async with client.messages.stream(**request(prompt({"say": "abcd", "hold": "gate"}))) as stream:
        await anext(stream.text_stream)
    assert (await api.turn(lambda turn: turn.outcome is not None)).outcome == "abandoned"


async def test_what_was_received_can_be_asked(api: ModelApi, client: AsyncAnthropic) -> None:
    results: list[Any] = [
        {
            "type": "tool_result",
            "tool_use_id": "toolu_1",
            "content": [{"type": "text", "text": 'not "now"'}],
            "is_error": True,
        },
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": "fine"},
    ]
    calls = [{"type": "tool_use", "id": f"toolu_{number}", "name": "Bash", "input": {}} for number in (1, 2)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            heard, client, "hello", {"role": "assistant", "content": calls}, {"role": "user", "content": results}
        )
        turn = await api.turn_with('not "now"')
    assert [(one.call_id, one.text, one.is_error) for one in turn.results] == [
        ("toolu_1", 'not "now"', True),
        ("toolu_2", "fine", False),
    ]
    assert turn.prompts == ["hello"]
    assert not turn.has("now and then")
    assert turn.key == KEY


async def test_a_key_can_be_revoked(api: ModelApi, client: AsyncAnthropic) -> None:
    api.accept_key = KEY
    assert (await heard(client, "hello")).content[0].text == "ok"
    api.accept_key = "another"
    with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
        await heard(client, "hello")


async def test_side_questions_leave_the_script_alone(api: ModelApi, client: AsyncAnthropic) -> None:
    title = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    given: Any = request(f"a title for: {prompt({'say': 'no'})}") | {"tools": []}
    message = await client.messages.create(**given, output_config={"format": {"type": "json_schema", "schema": title}})
    assert json.loads(message.content[0].text) == {"title": "ok"}
    assert (await client.messages.create(**given)).content[0].text == "ok"
    assert api.turns == []
    assert (await client.messages.count_tokens(model="model-1", messages=request("x")["messages"])).input_tokens > 0


@pytest.mark.parametrize(
    "script",
    [
        "script: [",
        'script: [{"sya": "hello"}]',
        'script: [{"say": "x", "times": 1}]',
        "script: {}",
        "script:" + "[" * 100_000,
    ],
)
async def test_a_script_that_is_none_is_refused(client: AsyncAnthropic, script: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match="no script"):
        await heard(client, script)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"{}", b'{"messages":[{"role":"user"}],"tools":[1]}', b'{"messages":5,"tools":[1]}']
)
async def test_nonsense_gets_an_error(api: ModelApi, body: bytes) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{api.url}/v1/messages", content=body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
        assert (await http.get(f"{api.url}/v1/nothing")).status_code == 404


async def test_a_call_may_want_what_only_the_program_knows(client: AsyncAnthropic) -> None:
    script = prompt({"call": [{"tool": "Write", "input": {"path": "found:/plans/[a-z]+", "content": "x"}}]})
    given = [{"type": "text", "text": text} for text in ("<system-reminder>at /plans/abc.</system-reminder>", script)]
    assert (await heard(client, {"role": "user", "content": given})).content[0].input == {
        "path": "/plans/abc",
        "content": "x",
    }
    with pytest.raises(anthropic.BadRequestError, match="nothing in the request"):
        await heard(client, script)


async def test_many_sessions_at_once(client: AsyncAnthropic) -> None:
    async def session(number: int) -> None:
        script = prompt(*[{"say": f"{number}-{turn}", "chunks": 4} for turn in range(3)])
        messages: list[Any] = [script]
        for turn in range(3):
            said = (await heard(client, *messages)).content[0].text
            assert said == f"{number}-{turn}"
            messages += [{"role": "assistant", "content": said}, "<system-reminder>go on</system-reminder>"]

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(session, number)
