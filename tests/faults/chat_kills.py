"""kill -9 of the daemon at random points of a conversation in Telegram.

No update is lost or acted upon twice, no decision doubled, no message missing; a message that is there twice says so,
and there is at most one for each kill. `python -m tests.faults.chat_kills [--rounds 200] [--seed N]`; exit code 1 when
anything was violated.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.daemon import Daemon, Json, idle_daemon, of_type, until
from tests.e2e.telegram import LiveTelegram, live_telegram
from tests.emulators.telegram import Message

REPEAT = "(may be a repeat: the connection broke off while this was being sent)"
LIFE_SECONDS = 1.5
"""Of a daemon that answers."""
CUT_SHORT = 0.25
"""So many lives end while they start."""
START_SECONDS = 0.8
DOWN_SECONDS = 0.4
PATIENCE = 300.0


@dataclass(slots=True)
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.violations.append(otherwise)


class Killer(threading.Thread):
    """Ends the daemon `rounds` times, each at a random moment, and starts it again."""

    def __init__(self, daemon: Daemon, rounds: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        self._daemon, self._rounds, self._random = daemon, rounds, random.Random(seed)

    def run(self) -> None:
        for _ in range(self._rounds):
            if self._random.random() < CUT_SHORT:
                time.sleep(START_SECONDS * self._random.random())
            else:
                self._daemon.first_answer("/api/status")
                time.sleep(LIFE_SECONDS * self._random.random())
            self._daemon.kill()
            self.kills += 1
            time.sleep(DOWN_SECONDS * self._random.random())
            self._daemon.spawn()


@dataclass(frozen=True, slots=True)
class Round:
    """One prompt with one request: what was said, and what was decided with which reason."""

    prompt: str
    echo: str
    decision: str
    reason: str

    @property
    def verdict(self) -> str:
        return f"verdict: {self.decision} {self.reason}".strip()


class Conversation:
    """Ada says something, is asked, answers with a button; again and again, whether the daemon lives or not."""

    def __init__(self, daemon: Daemon, chat: LiveTelegram, seed: int) -> None:
        self.daemon, self.chat = daemon, chat
        self.rounds: list[Round] = []
        self._random = random.Random(seed)
        self._asked: list[int] = []
        self.thread = 0

    def begin(self) -> None:
        chat = self.chat
        chat.do(lambda: chat.ada.say("/new demo", chat.group))
        until(lambda: chat.do(lambda: list(chat.group.topics)), "a topic")
        self.thread = chat.do(lambda: next(iter(chat.group.topics)))

    def once(self) -> None:
        chat, number = self.chat, len(self.rounds)
        words = f"{number}-" + "".join(self._random.choices("abcdefäß漢🙂", k=20))
        echo = f"echo {len(words)} {hashlib.sha256(words.encode()).hexdigest()}"
        decision = self._random.choice(("approve", "reject"))
        reason = f"reason {number}" if decision == "reject" and self._random.random() < 0.5 else ""
        this = Round(f"@echo {words}\n@hold", echo, decision, reason)
        self.rounds.append(this)
        chat.do(lambda: chat.ada.say(this.prompt, chat.group, self.thread))
        question = self._wait(lambda one: bool(one.keyboard) and one.message_id not in self._asked, "the question")
        if reason:
            chat.do(lambda: chat.ada.tap(question, "with reason"))
            before = self._asked[-1] if self._asked else 0
            self._wait(lambda one: one.asks and one.message_id > max(before, question.message_id), "the question why")
            chat.do(lambda: chat.ada.say(reason, chat.group, self.thread))
        else:
            chat.do(lambda: chat.ada.tap(question, decision.capitalize()))
        self._wait(lambda one: this.verdict in one.text and one.message_id > question.message_id, this.verdict)
        self._asked = chat.do(lambda: [one.message_id for one in chat.group.messages.values() if one.sender["is_bot"]])

    def _wait(self, look: object, what: str) -> Message:
        found: list[Message] = []

        def find() -> bool:
            messages = self.chat.group.messages.values()
            found[:] = [one for one in messages if one.sender["is_bot"] and look(one)]  # type: ignore[operator]
            return bool(found)

        until(lambda: self.chat.do(find), f"{what} in round {len(self.rounds)}", PATIENCE)
        return found[-1]


def run_chat_kills(rounds: int, seed: int, show: bool = False, keep_log: Path | None = None) -> Tally:
    tally = Tally()
    with live_telegram() as chat, idle_daemon() as daemon:
        chat.set_up(daemon)
        daemon.start()
        talk, killer = Conversation(daemon, chat, seed), Killer(daemon, rounds, seed)
        try:
            talk.begin()
            killer.start()
            while killer.is_alive():
                talk.once()
                if show:
                    print(f"\r{killer.kills} kills, {len(talk.rounds)} rounds", end="", flush=True)
            killer.join()
            daemon.first_answer("/api/status")
            talk.once()
            until(lambda: _all_is_shown(daemon), "all to be shown", PATIENCE)
            _check(daemon, chat, talk, killer.kills, tally)
        finally:
            killer.join(PATIENCE)
            if keep_log is not None:
                keep_log.write_text(daemon.log)
        tally.require("Traceback" not in daemon.log, "a traceback in the daemon's log")
        code, _ = daemon.stop()
        tally.require(code == 0, f"SIGTERM at the end: exit code {code}")
    return tally


def _all_is_shown(daemon: Daemon) -> bool:
    bridge: Json = daemon.get("/api/bridges")["bridges"][0]
    session: Json = daemon.get("/api/sessions")["sessions"][0]
    return bridge["lag"] == 0 and bridge["owed"] == 0 and not (session["turn_open"] or session["queued"])


def _check(daemon: Daemon, chat: LiveTelegram, talk: Conversation, kills: int, tally: Tally) -> None:
    events, rounds = daemon.events(), talk.rounds
    accepted = [one["data"]["text"] for one in of_type(events, "input_accepted")]
    tally.require(accepted == [one.prompt for one in rounds], "the inputs are not those that were sent, once each")
    asked = [one["data"]["approval"]["approval_id"] for one in of_type(events, "approval_requested")]
    resolved = {one["data"]["approval_id"]: one["data"] for one in of_type(events, "approval_resolved")}
    tally.require(
        len(of_type(events, "approval_resolved")) == len(resolved) == len(asked), "a decision doubled or lost"
    )
    decided = [(resolved[one]["answer"]["decision"], resolved[one]["answer"]["reason"] or "") for one in asked]
    tally.require(decided == [(one.decision, one.reason) for one in rounds], "a decision is not what was tapped")
    by_whom = {resolved[one]["by"]["actor"]["device"] for one in asked}
    tally.require(by_whom == {"11"}, f"decided by {by_whom}")
    shown = chat.do(lambda: [one for one in chat.group.messages.values() if one.sender["is_bot"]])
    _check_messages([one.text for one in shown], rounds, kills, tally)
    tally.require(not any(one.keyboard and "❓" in one.text for one in shown if REPEAT not in one.text and not _twin(one, shown)),
                  "a request that was answered still has its buttons")  # fmt: skip
    tally.require(chat.do(lambda: chat.server.unconfirmed) == [], "an update was never confirmed")
    tally.counts |= Counter({"kills": kills, "rounds": len(rounds), "messages": len(shown), "inputs": len(accepted)})
    tally.counts["decisions"] = len(resolved)


def _twin(message: Message, shown: list[Message]) -> bool:
    """Is it the older one of two, of which only the younger is known to the bridge?"""
    later = [one for one in shown if one.message_id > message.message_id and REPEAT in one.text]
    return bool(later)


def _check_messages(texts: list[str], rounds: list[Round], kills: int, tally: Tally) -> None:
    repeats = sum(REPEAT in text for text in texts)
    doubled = 0
    for one in rounds:
        found = [text for text in texts if one.echo in text]
        tally.require(bool(found), f"{one.echo} is missing")
        unmarked = sum(REPEAT not in text for text in found)
        tally.require(unmarked <= 1, f"{one.echo} is there {unmarked} times without a word")
        doubled += max(0, len(found) - 1)
    for verdict, count in Counter(one.verdict for one in rounds).items():
        found = [text for text in texts if text.split("\n(")[0] == verdict]
        unmarked = sum(REPEAT not in text for text in found)
        tally.require(len(found) >= count, f"{verdict}: {len(found)} of {count}")
        tally.require(unmarked <= count, f"{verdict}: {unmarked} unmarked of {count}")
    tally.require(repeats <= kills, f"{repeats} repeats for {kills} kills")
    order = [n for text in texts for n, one in enumerate(rounds) if one.echo in text and REPEAT not in text]
    tally.require(order == sorted(order), "the messages are not in order")
    tally.counts |= Counter({"messages marked as repeats": repeats, "of these, answers there twice": doubled})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chat_kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--log", type=Path, help="keep the daemon's log here")
    args = parser.parse_args()
    print(f"{args.rounds} kills in a chat, seed {args.seed}")
    begun = time.monotonic()
    tally = run_chat_kills(args.rounds, args.seed, show=True, keep_log=args.log)
    print(f"\n{'seconds':<34}{time.monotonic() - begun:>10.1f}")
    for name, count in tally.counts.items():
        print(f"{name:<34}{count:>10}")
    print(f"{'violations':<34}{len(tally.violations):>10}")
    for violation, times in Counter(tally.violations).most_common(20):
        print(f"  {times} x {violation}")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
