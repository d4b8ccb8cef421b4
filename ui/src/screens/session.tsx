// One session: its transcript, what it asks, and where you write to it.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { call, post } from "../api/client.ts";
import type { ApprovalBody, SessionBody } from "../api/types.gen.ts";
import { Ask } from "../parts/ask.tsx";
import { Composer } from "../parts/composer.tsx";
import { Icon } from "../parts/icons.tsx";
import { Empty, Top } from "../parts/shell.tsx";
import { Rows } from "../parts/transcript.tsx";
import { Text } from "../parts/words.tsx";
import { wide } from "../state/layout.ts";
import { back } from "../state/route.ts";
import { canAct, link, pending, sessions } from "../state/store.ts";
import { SessionView } from "../state/session-view.ts";
import { baseName, costOf, fateOf, MODES, questionOf } from "../text/words.ts";
import { approvals } from "../state/store.ts";
import { SessionSheet } from "./session-sheet.tsx";

const NEAR_END_PX = 64;
const NEAR_START_PX = 400;

export function SessionScreen({ id }: { id: string }) {
  const session = sessions.value.get(id);
  const asked = pending.value.filter((one) => one.session_id === id);
  const isTyping = useSignal(false);
  const [isFolded, fold] = useState(false);
  const [isSheet, sheet] = useState(false);
  const first = asked[0];
  useEffect(() => fold(false), [first?.approval_id]);
  if (session === undefined)
    return (
      <div class="detail">
        <div class="col">
          <Top slim title="Session" back={<Back />} />
          <main id="main" class="scroll">
            {link.value === "live" && <Empty>There is no such session, or no longer.</Empty>}
          </main>
        </div>
      </div>
    );
  // while somebody types, a request is one line: it never comes between a finger and a key
  const isBar = first !== undefined && !wide.value && (isFolded || isTyping.value);
  const showsDock = first !== undefined && !isBar;
  return (
    <div class={showsDock ? "detail asks" : "detail"}>
      <div class="col">
        <Top slim back={<Back />} title={<Text text={session.name} />} sub={<Text text={subtitle(session)} />}>
          {session.turn_open && (
            <button
              class="icon"
              aria-label="Interrupt the agent"
              aria-disabled={!canAct.value}
              onClick={() => void post(`/sessions/${id}/interrupt`).catch(() => undefined)}
            >
              <Icon name="stop" />
            </button>
          )}
          <button class="icon" aria-label="More" aria-haspopup="dialog" onClick={() => sheet(true)}>
            <Icon name="more" />
          </button>
        </Top>
        <Log key={id} id={id} session={session} isSlack={first !== undefined} />
        <Settled sessionId={id} />
        {isBar && first !== undefined && (
          <button class="askbar" onClick={() => fold(false)}>
            {asked.length === 1 ? "1 request waiting" : `${asked.length} requests waiting`}: <Text text={questionOf(first)} />
          </button>
        )}
        {(!showsDock || wide.value) && (
          <section aria-label="Reply">
            <Foot session={session} onTyping={(has) => (isTyping.value = has)} />
          </section>
        )}
      </div>
      {showsDock && first !== undefined && (
        <section class="dock" aria-label="Request">
          {!wide.value && (
            <button class="grab" aria-label="Fold this request" onClick={() => fold(true)}>
              <span />
            </button>
          )}
          {asked.length > 1 && <p class="count num">1 of {asked.length} requests</p>}
          <Ask key={first.approval_id} approval={first} place="dock" directory={session.directory} />
        </section>
      )}
      {isSheet && <SessionSheet session={session} onClose={() => sheet(false)} />}
    </div>
  );
}

function Back() {
  if (wide.value) return null;
  return (
    <button class="icon" aria-label="Back to sessions" onClick={() => back("/")}>
      <Icon name="back" />
    </button>
  );
}

function subtitle(session: SessionBody): string {
  const parts = [session.directory === null ? session.agent_type : baseName(session.directory), session.adapter];
  if (session.mode !== "ask") parts.push(`mode ${MODES[session.mode].name.toLowerCase()}`);
  return [...parts, costOf(session)].filter((part) => part).join(", ");
}

/** A request of this session that somebody else decided while it was shown: who and where, for a while. */
function Settled({ sessionId }: { sessionId: string }) {
  const shown = useRef(new Set<string>());
  const [told, tell] = useState<ApprovalBody | null>(null);
  const mine = [...approvals.value.values()].filter((one) => one.session_id === sessionId);
  useEffect(() => {
    for (const one of mine) {
      if (one.state === "pending") shown.current.add(one.approval_id);
      else if (shown.current.delete(one.approval_id)) tell(one);
    }
  });
  useEffect(() => {
    if (told === null) return;
    const timer = setTimeout(() => tell(null), 8000);
    return () => clearTimeout(timer);
  }, [told]);
  if (told === null) return null;
  return (
    <p class="settled" role="status">
      <Icon name={told.resolution?.answer?.decision === "approve" ? "check" : "close"} />
      <span>{fateOf(told.resolution, told.state)}</span>
    </p>
  );
}

function Foot({ session, onTyping }: { session: SessionBody; onTyping: (has: boolean) => void }) {
  const [problem, setProblem] = useState<string | null>(null);
  if (session.state !== "ended") return <Composer session={session} onFocus={onTyping} />;
  const resume = async (): Promise<void> => {
    setProblem(null);
    try {
      await post(`/sessions/${session.session_id}/resume`);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "That did not work");
    }
  };
  return (
    <div class="composer ended">
      {problem !== null && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <span class="muted">This session has ended.</span>
      <button class="btn" onClick={() => void resume()} aria-disabled={!canAct.value}>
        Resume
      </button>
    </div>
  );
}

function Log({ id, session, isSlack }: { id: string; session: SessionBody; isSlack: boolean }) {
  const [view] = useState(() => new SessionView(id));
  const box = useRef<HTMLElement>(null);
  const place = useRef({ atEnd: true, height: 0, top: 0, first: "" });
  const [missed, setMissed] = useState(0);
  const { items } = view.transcript.value;
  useEffect(() => () => view.close(), [view]);

  // before the browser draws: stay at the end, or keep what is being read where it is
  useLayoutEffect(() => {
    const main = box.current;
    if (main === null) return;
    const was = place.current;
    const firstId = items[0]?.id ?? "";
    if (was.atEnd) main.scrollTop = main.scrollHeight;
    else if (firstId !== was.first && was.first !== "") main.scrollTop = was.top + main.scrollHeight - was.height;
    place.current = { ...was, height: main.scrollHeight, top: main.scrollTop, first: firstId };
  });
  useEffect(() => {
    const main = box.current;
    if (main === null) return;
    // the dock and the keyboard change the room that there is
    const watcher = new ResizeObserver(() => {
      if (place.current.atEnd) main.scrollTop = main.scrollHeight;
    });
    watcher.observe(main);
    return () => watcher.disconnect();
  }, []);
  const count = useRef(items.length);
  useEffect(() => {
    if (place.current.atEnd) {
      count.current = items.length;
      if (missed !== 0) setMissed(0);
      view.trim();
    } else if (items.length > count.current) setMissed(items.length - count.current);
  }, [items.length]);

  const scrolled = (): void => {
    const main = box.current;
    if (main === null) return;
    const atEnd = main.scrollHeight - main.scrollTop - main.clientHeight < NEAR_END_PX;
    place.current = { ...place.current, atEnd, top: main.scrollTop, height: main.scrollHeight };
    if (atEnd && missed !== 0) {
      count.current = items.length;
      setMissed(0);
    }
    if (main.scrollTop < NEAR_START_PX && view.hasOlder.value) void view.loadOlder();
  };
  const toEnd = (): void => {
    const main = box.current;
    if (main !== null) main.scrollTop = main.scrollHeight;
  };
  return (
    <div class="logbox">
      <main id="main" class="scroll" ref={box} onScroll={scrolled}>
        {view.hasOlder.value && <p class="older muted">{view.isLoading.value ? "Loading…" : "Older messages are above"}</p>}
        <div class={isSlack ? "log slack" : `log ${session.turn_open ? "taut" : ""}`} role="log" aria-live="off" aria-label="Transcript" tabIndex={0}>
          <Rows items={items} sessionId={id} directory={session.directory} />
          {session.turn_open && !isSlack && <div class="ev working" aria-label="The agent is working" role="img" />}
        </div>
        {view.problem.value !== null && <Empty>{view.problem.value}</Empty>}
        {items.length === 0 && !view.isLoading.value && view.problem.value === null && <Empty>Nothing was said yet.</Empty>}
      </main>
      {missed > 0 && (
        <button class="jump" onClick={toEnd}>
          <Icon name="down" /> Jump to latest ({missed} new)
        </button>
      )}
    </div>
  );
}

/** The name can be changed from the session's sheet, and this is the one call that does it. */
export const rename = (id: string, name: string): Promise<SessionBody> => call<SessionBody>("PATCH", `/sessions/${id}`, { name });
