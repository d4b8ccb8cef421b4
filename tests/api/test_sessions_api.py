"""REST: sessions."""

from __future__ import annotations

import base64

import pytest

from tests.fakes.control import NoSuchAdapter
from tests.fakes.http_api import Api
from tetherd.control import Recovering
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import Approval, ApprovalKind
from tetherd.domain.ids import ApprovalId, Role, RunId, SessionId
from tetherd.errors import Unavailable


async def test_readme_session_is_created_and_has_a_token_of_its_own() -> None:
    api = Api()
    answer = await api.call("POST", "/api/sessions", {"name": "My Task", "agent_type": "custom"})
    assert answer.status == 201
    made = answer.json
    assert (made["name"], made["agent_type"], made["adapter"]) == ("My Task", "custom", "external")
    assert (made["state"], made["mode"], made["id"]) == ("created", "ask", made["session_id"])
    principal = api.tokens.authenticate(made["token"])
    assert principal is not None
    assert (principal.role, principal.session_id) == (Role.AGENT, made["session_id"])


async def test_readme_event_starts_the_session_and_is_stored() -> None:
    api = Api()
    path = f"/api/sessions/{(await api.session())['session_id']}"
    answer = await api.call("POST", f"{path}/events", {"type": "output", "data": {"text": "hello"}})
    assert answer.status == 200
    assert answer.json["request_id"] is None
    assert answer.json["seq"] == answer.json["seqs"][-1]
    assert (await api.call("GET", path)).json["state"] == "running"
    stored = api.control.entries[-1]
    assert stored.seq == answer.json["seq"]
    event = stored.event()
    assert isinstance(event, ev.MessageWritten)
    assert event.text == "hello"


async def test_readme_poll_brings_what_a_person_sent() -> None:
    api = Api()
    path = f"/api/sessions/{(await api.session())['session_id']}"
    await api.call("POST", f"{path}/input", {"text": "and now the tests"})
    answer = await api.call("GET", f"{path}/events/poll?since_seq=0")
    assert answer.status == 200
    assert [(e["type"], e["data"]) for e in answer.json["events"]] == [("user_input", {"text": "and now the tests"})]
    assert answer.json["next_seq"] >= answer.json["events"][0]["seq"]


async def test_unknown_keys_are_named() -> None:
    answer = await Api().call("POST", "/api/sessions", {"name": "x", "colour": "red", "shape": 1})
    assert answer.status == 422
    assert answer.is_problem
    assert {error["where"] for error in answer.json["errors"]} == {"colour", "shape"}
    assert "colour: unknown key" in answer.json["detail"]


async def test_default_adapter_is_taken_unless_an_agent_type_says_external() -> None:
    api = Api()
    answer = await api.call("POST", "/api/sessions", {"name": "x", "directory": "/srv"})
    assert answer.json["adapter"] == "demo"
    assert answer.json["state"] == "created"
    both = await api.call(
        "POST", "/api/sessions", {"name": "x", "directory": "/srv", "agent_type": "c", "adapter": "demo"}
    )
    assert (both.json["adapter"], both.json["agent_type"]) == ("demo", "c")


async def test_prompt_and_start_begin_a_session() -> None:
    api = Api()
    started = await api.call("POST", "/api/sessions", {"name": "x", "directory": "/srv", "start": True})
    assert started.json["state"] == "starting"
    prompted = await api.call("POST", "/api/sessions", {"name": "x", "directory": "/srv", "prompt": "go"})
    assert prompted.json["state"] == "starting"
    assert len(prompted.json["queued"]) == 1
    external = await api.session(prompt="go", start=True)
    assert external["state"] == "awaiting_input"
    assert len(external["queued"]) == 1


async def test_session_that_could_not_begin_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api()
    submit = api.control.submit

    async def refuse_start(command: cmd.Command | cmd.CreateSession) -> object:
        if isinstance(command, cmd.StartSession):
            raise NoSuchAdapter("this agent cannot work in this mode")
        return await submit(command)

    api.control.submit = refuse_start
    answer = await api.call("POST", "/api/sessions", {"name": "x", "directory": "/srv", "start": True})
    assert (answer.status, answer.json["code"]) == (422, "no_such_adapter")
    assert api.control.views == {}


async def test_token_that_could_not_be_made_is_made_when_asked_again() -> None:
    api = Api()
    api.tokens.raises = Unavailable("the disk is full")
    assert (await api.call("POST", "/api/sessions", {"name": "x", "agent_type": "c"})).status == 503


async def test_sessions_are_listed_newest_first_in_pages() -> None:
    api = Api()
    names = [f"task {number}" for number in range(5)]
    for name in names:
        await api.session(name=name)
    first = (await api.call("GET", "/api/sessions?limit=3")).json
    assert [s["name"] for s in first["sessions"]] == ["task 4", "task 3", "task 2"]
    rest = (await api.call("GET", f"/api/sessions?limit=3&before={first['next_before']}")).json
    assert [s["name"] for s in rest["sessions"]] == ["task 1", "task 0"]
    assert rest["next_before"] is None


async def test_sessions_are_found_by_state_and_words() -> None:
    api = Api()
    await api.session(name="alpha")
    running = await api.session(name="beta")
    await api.call("POST", f"/api/sessions/{running['session_id']}/start")
    by_state = (await api.call("GET", "/api/sessions?state=awaiting_input,running")).json["sessions"]
    assert [s["name"] for s in by_state] == ["beta"]
    by_words = (await api.call("GET", "/api/sessions?search=ALPH")).json["sessions"]
    assert [s["name"] for s in by_words] == ["alpha"]


async def test_unchanged_list_is_answered_304() -> None:
    api = Api()
    made = await api.session()
    first = await api.call("GET", "/api/sessions")
    etag = first.headers["ETag"]
    same = await api.call("GET", "/api/sessions", headers={"If-None-Match": etag})
    assert (same.status, same.raw) == (304, b"")
    await api.call("PATCH", f"/api/sessions/{made['session_id']}", {"name": "other"})
    changed = await api.call("GET", "/api/sessions", headers={"If-None-Match": etag})
    assert changed.status == 200
    assert changed.headers["ETag"] != etag


async def test_session_is_renamed_and_its_mode_set() -> None:
    api = Api()
    path = f"/api/sessions/{(await api.session())['session_id']}"
    changed = await api.call("PATCH", path, {"name": " Better ", "approval_mode": "edits"})
    assert changed.status == 200
    assert (changed.json["name"], changed.json["mode"]) == ("Better", "edits")


async def test_approver_may_rename_but_a_wider_mode_changes_nothing() -> None:
    api = Api()
    path = f"/api/sessions/{(await api.session())['session_id']}"
    token = api.token(Role.APPROVER)
    answer = await api.call("PATCH", path, {"name": "other", "approval_mode": "auto"}, token=token)
    assert answer.status == 403
    assert (await api.call("GET", path)).json["name"] == "My Task"


async def test_session_goes_through_its_life() -> None:
    api = Api()
    path = f"/api/sessions/{(await api.session())['session_id']}"
    assert (await api.call("POST", f"{path}/start")).json["session"]["state"] == "awaiting_input"
    again = await api.call("POST", f"{path}/start", {})
    assert (again.status, again.json["code"], again.json["state"]) == (409, "wrong_state", "awaiting_input")
    assert (await api.call("POST", f"{path}/interrupt")).status == 409
    await api.call("POST", f"{path}/events", {"type": "thinking", "data": {"text": "hm"}})
    assert (await api.call("POST", f"{path}/interrupt")).json["session"]["state"] == "interrupting"
    live = await api.call("DELETE", path)
    assert (live.status, live.json["hint"]) == (409, "stop it first")
    assert (await api.call("POST", f"{path}/stop", {"grace_seconds": 1})).json["session"]["state"] == "ended"
    assert (await api.call("POST", f"{path}/resume")).json["session"]["state"] == "awaiting_input"
    await api.call("POST", f"{path}/stop")
    gone = await api.call("DELETE", path)
    assert (gone.status, gone.raw) == (204, b"")
    assert (await api.call("GET", path)).status == 404


async def test_deleting_a_session_revokes_its_tokens() -> None:
    api = Api()
    made = await api.session()
    assert (await api.call("DELETE", f"/api/sessions/{made['session_id']}")).status == 204
    assert api.tokens.authenticate(made["token"]) is None
    assert api.tokens.authenticate(api.owner) is not None


async def test_input_with_the_same_key_is_sent_once() -> None:
    api = Api()
    path = f"/api/sessions/{(await api.session())['session_id']}/input"
    key = {"Idempotency-Key": "one"}
    first = await api.call("POST", path, {"text": "go"}, headers=key)
    second = await api.call("POST", path, {"text": "go"}, headers=key)
    assert (first.json["repeated"], second.json["repeated"]) == (False, True)
    assert first.json["seqs"] == second.json["seqs"]
    events = api.control.events(SessionId(first.json["session"]["session_id"]))
    assert sum(isinstance(event, ev.InputAccepted) for event in events) == 1


async def test_the_same_key_of_another_caller_or_command_is_another_key() -> None:
    api = Api()
    path = f"/api/sessions/{(await api.session())['session_id']}"
    key = {"Idempotency-Key": "1"}
    await api.call("POST", f"{path}/input", {"text": "go"}, headers=key)
    other = await api.call("POST", f"{path}/input", {"text": "go"}, headers=key, token=api.token(Role.APPROVER))
    pushed = await api.call("POST", f"{path}/events", {"type": "output", "data": {"text": "x"}}, headers=key)
    assert other.json["repeated"] is False
    assert pushed.json["seq"] > other.json["seqs"][-1]


async def test_logs_are_read() -> None:
    api = Api()
    path = f"/api/sessions/{(await api.session())['session_id']}/logs"
    assert (await api.call("GET", path)).json == {"stderr": "warning: nothing\n", "unrecognised": ["?"]}


async def test_agent_sees_its_own_session_and_no_other() -> None:
    api = Api()
    mine, other = await api.session(name="mine"), await api.session(name="other")
    token = mine["token"]
    listed = (await api.call("GET", "/api/sessions", token=token)).json
    assert [s["name"] for s in listed["sessions"]] == ["mine"]
    theirs = f"/api/sessions/{other['session_id']}"
    refused = [
        await api.call("GET", theirs, token=token),
        await api.call("PATCH", theirs, {"name": "x"}, token=token),
        await api.call("DELETE", theirs, token=token),
        await api.call("POST", f"{theirs}/input", {"text": "x"}, token=token),
        await api.call("POST", f"{theirs}/events", {"type": "output", "data": {"text": "x"}}, token=token),
        await api.call("GET", f"{theirs}/events/poll", token=token),
        await api.call("GET", f"{theirs}/events", token=token),
        await api.call("GET", f"{theirs}/logs", token=token),
        await api.call("GET", f"{theirs}/items/1/output", token=token),
        await api.call("GET", f"/api/events?session={other['session_id']}", token=token),
        await api.call("GET", f"/api/approvals?session={other['session_id']}", token=token),
        await api.call("POST", f"{theirs}/permission", {"request_id": "x", "allow": True}, token=token),
    ]
    assert [answer.status for answer in refused] == [404] * len(refused)
    assert all(answer.is_problem for answer in refused)


async def test_agent_may_push_to_its_session_but_not_steer_it() -> None:
    api = Api()
    made = await api.session()
    path, token = f"/api/sessions/{made['session_id']}", made["token"]
    pushed = await api.call("POST", f"{path}/events", {"type": "output", "data": {"text": "x"}}, token=token)
    assert pushed.status == 200
    for verb in ("start", "interrupt", "stop", "resume"):
        assert (await api.call("POST", f"{path}/{verb}", token=token)).status == 403
    assert (await api.call("POST", f"{path}/input", {"text": "x"}, token=token)).status == 403
    assert (await api.call("POST", "/api/sessions", {"name": "x", "agent_type": "c"}, token=token)).status == 403
    assert (await api.call("GET", "/api/status", token=token)).status == 403


async def test_observer_reads_and_does_nothing_else() -> None:
    api = Api()
    path = f"/api/sessions/{(await api.session())['session_id']}"
    token = api.token(Role.OBSERVER)
    assert (await api.call("GET", path, token=token)).status == 200
    assert (await api.call("POST", f"{path}/input", {"text": "x"}, token=token)).status == 403
    assert (await api.call("DELETE", path, token=token)).status == 403


async def test_recovering_daemon_says_come_again_and_is_healthy() -> None:
    api = Api()
    api.control.raises = Recovering("one moment")
    answer = await api.call("GET", "/api/sessions")
    assert (answer.status, answer.json["code"], answer.is_problem) == (503, "recovering", True)
    assert int(answer.headers["Retry-After"]) > 0
    assert (await api.call("GET", "/api/health", token=None)).json["status"] == "ok"


async def test_unavailable_keeps_its_own_status() -> None:
    class Full(Unavailable):
        code = "disk_full"
        status = 507

    api = Api()
    api.control.raises = Full("the disk is full")
    answer = await api.call("GET", "/api/sessions")
    assert (answer.status, answer.json["code"], answer.is_problem) == (507, "disk_full", True)


async def test_mistake_of_ours_is_logged_once_and_told_by_number(caplog: pytest.LogCaptureFixture) -> None:
    api = Api()
    api.control.raises = ZeroDivisionError("secret path")
    answer = await api.call("GET", "/api/sessions")
    assert (answer.status, answer.is_problem) == (500, True)
    assert b"secret" not in answer.raw
    assert b"Traceback" not in answer.raw
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert errors[0].exc_info is not None
    assert errors[0].fields["error_id"] == answer.json["error_id"]


async def test_command_that_takes_too_long_is_given_up(autojump_clock: object) -> None:
    import trio

    api = Api()

    async def never(command: object) -> object:
        return await trio.sleep_forever()

    api.control.submit = never
    answer = await api.call("POST", "/api/sessions", {"name": "x", "agent_type": "c"})
    assert (answer.status, answer.json["code"]) == (503, "too_slow")


async def test_whole_text_of_an_event_is_read() -> None:
    api = Api()
    session_id = (await api.session())["session_id"]
    path = f"/api/sessions/{session_id}"
    call = {"type": "tool_call", "data": {"tool": "Bash", "tool_call_id": "c1"}}
    result = {"type": "tool_result", "data": {"tool_call_id": "c1", "output": "long " * 1000}}
    seq = (await api.call("POST", f"{path}/events", {"events": [call, result]})).json["seq"]
    found = await api.call("GET", f"{path}/items/{seq}/output?field=output")
    assert found.json == {"seq": seq, "field": "output", "text": "long " * 1000}
    assert (await api.call("GET", f"{path}/items/{seq}/output?field=text")).status == 404
    assert (await api.call("GET", f"{path}/items/99999/output?field=output")).status == 404
    assert (await api.call("GET", f"{path}/items/{seq}/output?field=blobs")).status == 422


async def test_session_shows_what_it_waits_for() -> None:
    api = Api()
    session_id = SessionId((await api.session())["session_id"])
    await api.call("POST", f"/api/sessions/{session_id}/start")
    asked = Approval(
        approval_id=ApprovalId("a-000000000001"), run_id=RunId("r"), request_id="1", kind=ApprovalKind.PLAN, title="?"
    )
    api.control.say(session_id, ev.ApprovalRequested(approval=asked))
    found = (await api.call("GET", f"/api/sessions/{session_id}")).json
    assert found["state"] == "awaiting_approval"
    assert [approval["title"] for approval in found["open_approvals"]] == ["?"]


PIXEL = {"media_type": "image/png", "data": base64.b64encode(b"\x89PNG not really").decode()}


async def test_images_go_with_the_input_and_are_named_in_the_log() -> None:
    api = Api()
    made = await api.session()
    path = f"/api/sessions/{made['session_id']}/input"
    assert (await api.call("POST", path, {"text": "look", "images": [PIXEL, PIXEL]})).status == 200
    accepted = next(e for e in api.control.events(made["session_id"]) if isinstance(e, ev.InputAccepted))
    assert [(image.media_type, image.size) for image in accepted.images] == [("image/png", 15)] * 2


async def test_input_may_steer() -> None:
    api = Api()
    made = await api.session()
    path = f"/api/sessions/{made['session_id']}/input"
    assert (await api.call("POST", path, {"text": "rather so", "steer": True})).status == 200
    assert (await api.call("POST", path, {"text": "rather so", "steer": "perhaps"})).status == 422


WRONG_IMAGES = [
    [{"media_type": "image/svg+xml", "data": PIXEL["data"]}],
    [{"media_type": "image/png", "data": "not base64!"}],
    [{"media_type": "image/png", "data": ""}],
    [{"media_type": "image/png", "data": base64.b64encode(bytes(10 * 1024 * 1024 + 1)).decode()}],
    [PIXEL] * 11,
    [PIXEL["data"]],
    PIXEL,
    "x",
]


@pytest.mark.parametrize("images", WRONG_IMAGES, ids=range(len(WRONG_IMAGES)))
async def test_what_is_no_image_is_refused(images: object) -> None:
    api = Api()
    made = await api.session()
    answer = await api.call("POST", f"/api/sessions/{made['session_id']}/input", {"text": "look", "images": images})
    assert (answer.status, answer.is_problem) == (422, True)
    assert not [e for e in api.control.events(made["session_id"]) if isinstance(e, ev.InputAccepted)]


async def test_an_image_of_ten_megabytes_passes_and_a_text_of_two_does_not() -> None:
    api = Api()
    made = await api.session()
    path = f"/api/sessions/{made['session_id']}/input"
    large = {"media_type": "image/webp", "data": base64.b64encode(bytes(10 * 1024 * 1024)).decode()}
    assert (await api.call("POST", path, {"text": "look", "images": [large]})).status == 200
    assert (await api.call("POST", path, {"text": "x" * 2_000_000})).json["code"] == "text_too_long"
    elsewhere = await api.call("PATCH", f"/api/sessions/{made['session_id']}", {"name": "x", "images": [large]})
    assert elsewhere.status == 413


async def test_a_fork_takes_over_agent_and_directory_and_needs_a_conversation() -> None:
    api = Api()
    origin = (await api.call("POST", "/api/sessions", {"name": "x", "directory": "/srv", "adapter": "demo"})).json
    early = await api.call("POST", "/api/sessions", {"name": "f", "fork_of": origin["session_id"]})
    assert (early.status, early.json["code"]) == (409, "nothing_to_fork")
    await api.call("POST", f"/api/sessions/{origin['session_id']}/start", {})
    api.control.say(origin["session_id"], ev.AgentReady(vendor_session_id="v-1"))
    fork = (await api.call("POST", "/api/sessions", {"name": "f", "fork_of": origin["session_id"]})).json
    assert (fork["adapter"], fork["directory"], fork["fork_of"]) == ("demo", "/srv", "v-1")
    assert fork["vendor_session_id"] is None
    unknown = await api.call("POST", "/api/sessions", {"name": "f", "fork_of": "s-000000000000"})
    assert unknown.status == 404
    both = {"name": "f", "fork_of": origin["session_id"], "vendor_session_id": "v-2"}
    assert (await api.call("POST", "/api/sessions", both)).status == 422
