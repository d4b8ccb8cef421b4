"""The emulated Telegram where its judges cannot look: time, and two who poll at once."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.emulators.telegram import DAY_SECONDS, Json, Telegram
from tests.emulators.telegram_html import Unparsable, parse
from tests.emulators.telegram_people import Person

TOKEN = "123456789:" + "A" * 35


async def asked(server: Telegram, method: str, **given: object) -> Json:
    answer = await server.call(TOKEN, method, given, is_form=False)
    assert answer is not None
    return answer[1]


async def test_the_older_of_two_polls_is_turned_away(autojump_clock: trio.testing.MockClock) -> None:
    server, answers = Telegram(TOKEN), dict[str, Json]()

    async def poll(name: str) -> None:
        answers[name] = await asked(server, "getUpdates", timeout=50)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(poll, "first")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(poll, "second")
    assert answers["first"]["error_code"] == 409 and "other getUpdates request" in answers["first"]["description"]
    assert answers["second"] == {"ok": True, "result": []}


async def test_a_long_poll_returns_when_something_comes(autojump_clock: trio.testing.MockClock) -> None:
    server = Telegram(TOKEN)
    ada = Person(server, 11)
    async with trio.open_nursery() as nursery:

        async def later() -> None:
            await trio.sleep(20)
            ada.say("hello")

        nursery.start_soon(later)
        began = trio.current_time()
        (update,) = (await asked(server, "getUpdates", timeout=50))["result"]
        assert trio.current_time() - began == pytest.approx(20)
    again = await asked(server, "getUpdates", timeout=0)
    assert again["result"] == [update], "not confirmed yet"
    confirmed = await asked(server, "getUpdates", timeout=0, offset=update["update_id"] + 1)
    assert confirmed["result"] == []


async def test_updates_live_for_a_day(autojump_clock: trio.testing.MockClock) -> None:
    server = Telegram(TOKEN)
    Person(server, 11).say("old")
    await trio.sleep(DAY_SECONDS + 1)
    assert (await asked(server, "getUpdates", timeout=0))["result"] == []


async def test_twenty_a_minute_and_a_deleted_topic(autojump_clock: trio.testing.MockClock) -> None:
    server = Telegram(TOKEN)
    group = server.forum()
    topic = (await asked(server, "createForumTopic", chat_id=group.chat_id, name="one"))["result"]["message_thread_id"]
    for n in range(19):
        assert (await asked(server, "sendMessage", chat_id=group.chat_id, text=f"{n}"))["ok"]
    refused = await asked(server, "sendMessage", chat_id=group.chat_id, text="x")
    assert refused["error_code"] == 429 and refused["parameters"]["retry_after"] == 61
    await trio.sleep(61)
    group.topics[topic].is_deleted = True
    gone = await asked(server, "sendMessage", chat_id=group.chat_id, text="x", message_thread_id=topic)
    assert gone["description"] == "Bad Request: message thread not found"


async def test_what_the_schema_does_not_have_is_refused() -> None:
    server = Telegram(TOKEN)
    server.forum()
    assert (
        "no parameter"
        in (await asked(server, "sendMessage", chat_id=-1001234567890, text="x", loud=True))["description"]
    )
    assert "no string" in (await asked(server, "sendMessage", chat_id=-1001234567890, text=5))["description"]
    assert "missing" in (await asked(server, "sendMessage", text="x"))["description"]
    server.put(message={"message_id": 1})
    assert server.violations == ["update.message: Message without date"]


@pytest.mark.parametrize(
    "source",
    ["<b>open", "<b><i>x</b></i>", "</b>", "<x>y</x>", "<b", "a < b", "<blockquote><blockquote>x</blockquote></blockquote>",
     "<code><b>x</b></code>", '<a href="http://localhost/x">x</a>', '<a href="file.py">x</a>'],
)  # fmt: skip
def test_bad_html_is_refused(source: str) -> None:
    with pytest.raises(Unparsable):
        parse(source)
