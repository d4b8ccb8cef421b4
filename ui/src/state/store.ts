// What the app knows of the daemon: snapshots by REST, then one stream of everything that happens.
import { batch, computed, signal } from "@preact/signals";
import { ApiError, get } from "../api/client.ts";
import { forgetKey, keep, kept } from "../api/key.ts";
import { follow, type Told } from "../api/stream.ts";
import type {
  ApprovalBody,
  ApprovalList,
  DaemonStatus,
  Delta,
  EnvelopeBody,
  SessionBody,
  SessionPage,
} from "../api/types.gen.ts";
import { Activity } from "./activity.ts";
import { eventOf } from "./transcript.ts";

/** Screens are drawn anew this often at most, however fast an agent writes. */
const FLUSH_MS = 66;

export type LinkState = "starting" | "live" | "away" | "unpaired";

export const link = signal<LinkState>("starting");
/** When the daemon was last heard. */
export const lastSeen = signal<string | null>(null);
export const status = signal<DaemonStatus | null>(null);
export const sessions = signal<ReadonlyMap<string, SessionBody>>(new Map());
export const approvals = signal<ReadonlyMap<string, ApprovalBody>>(new Map());
export const activity = signal<ReadonlyMap<string, string>>(new Map());
/** True while what is shown was remembered and not asked for. */
export const stale = signal(false);

export const pending = computed(() =>
  [...approvals.value.values()].filter((one) => one.state === "pending").sort((a, b) => a.requested_seq - b.requested_seq),
);
export const canAct = computed(() => link.value === "live" && !stale.value);

/** Whoever shows one session's transcript hears of it here. */
export type Listener = (entries: readonly EnvelopeBody[], deltas: readonly Delta[]) => void;
const listeners = new Map<string, Set<Listener>>();
const lives = new Activity();
let life: AbortController | null = null;

/** Text of this session that is being written and not yet in the log. */
export const liveTexts = (sessionId: string): Delta[] => lives.textsOf(sessionId);

export function listen(sessionId: string, listener: Listener): () => void {
  const known = listeners.get(sessionId) ?? new Set();
  listeners.set(sessionId, known.add(listener));
  return () => {
    known.delete(listener);
    if (known.size === 0) listeners.delete(sessionId);
  };
}

/** Begin, or begin again: ask what is true, then follow from there. */
export async function start(): Promise<void> {
  life?.abort();
  const mine = (life = new AbortController());
  if (sessions.value.size === 0) await remember();
  for (let wait = 500; !mine.signal.aborted; wait = Math.min(wait * 2, 10_000)) {
    try {
      const cursor = await snapshot();
      void followFrom(cursor, mine);
      return;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return unpaired();
      link.value = "away";
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** The daemon does not know this device, or no longer: nothing of what it told stays here. */
export async function unpaired(): Promise<void> {
  life?.abort();
  batch(() => {
    link.value = "unpaired";
    sessions.value = new Map();
    approvals.value = new Map();
    stale.value = false;
  });
  await forgetKey();
  await keep("sessions", null);
}

/** The state now. The cursor is taken first: what happens in between is told again, and changes nothing twice. */
async function snapshot(): Promise<string> {
  const now = await get<DaemonStatus>("/status");
  const [page, waiting, closed] = await Promise.all([
    get<SessionPage>("/sessions?limit=200"),
    get<ApprovalList>("/approvals?limit=500"),
    get<ApprovalList>("/approvals?state=closed&limit=30"),
  ]);
  batch(() => {
    status.value = now;
    sessions.value = new Map(page.sessions.map((one) => [one.session_id, one]));
    approvals.value = new Map([...waiting.approvals, ...closed.approvals].map((one) => [one.approval_id, one]));
    stale.value = false;
    link.value = "live";
    lastSeen.value = new Date().toISOString();
  });
  remembered();
  return `${now.epoch}.${now.seq}`;
}

async function followFrom(cursor: string, mine: AbortController): Promise<void> {
  let waiting: Told[] = [];
  let timer: ReturnType<typeof setTimeout> | null = null;
  const flush = (): void => {
    timer = null;
    const told = waiting;
    waiting = [];
    lastSeen.value = new Date().toISOString();
    take(told);
  };
  await follow(
    cursor,
    {
      told: (one) => {
        waiting.push(one);
        timer ??= setTimeout(flush, FLUSH_MS);
      },
      link: (state) => {
        link.value = state;
      },
      refused: (error) => void (error.status === 410 ? start() : unpaired()),
    },
    mine.signal,
  );
}

function take(told: readonly Told[]): void {
  const entries = new Map<string, EnvelopeBody[]>();
  const deltas = new Map<string, Delta[]>();
  for (const one of told) {
    if (one.kind === "delta") push(deltas, one.delta.session_id, one.delta);
    else push(entries, one.envelope.session_id, one.envelope);
  }
  batch(() => {
    for (const [sessionId, list] of entries) for (const envelope of list) note(sessionId, envelope);
    for (const list of deltas.values()) lives.deltas(list);
    if (lives.changed) activity.value = lives.lines();
    for (const sessionId of new Set([...entries.keys(), ...deltas.keys()])) {
      for (const listener of listeners.get(sessionId) ?? [])
        listener(entries.get(sessionId) ?? [], deltas.get(sessionId) ?? []);
    }
  });
}

function push<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** What an event means for lists: the daemon folds sessions, so we ask it, once for many events. */
function note(sessionId: string, envelope: EnvelopeBody): void {
  const event = eventOf(envelope);
  lives.event(envelope, event);
  switch (event.type) {
    case "session_deleted":
      sessions.value = without(sessions.value, sessionId);
      return;
    case "approval_requested":
      wanted.approvals.add(event.approval.approval_id);
      break;
    case "approval_resolved":
    case "approval_withdrawn":
      wanted.approvals.add(event.approval_id);
      break;
    case "message_written":
    case "thinking_written":
    case "tool_call_started":
    case "tool_call_finished":
    case "output_unrecognised":
      return;
    default:
      break;
  }
  wanted.sessions.add(sessionId);
  fetchSoon();
}

const wanted = { sessions: new Set<string>(), approvals: new Set<string>() };
let fetching = false;

function fetchSoon(): void {
  if (fetching) return;
  fetching = true;
  setTimeout(() => void fetchWanted(), FLUSH_MS);
}

async function fetchWanted(): Promise<void> {
  const [ofSessions, ofApprovals] = [[...wanted.sessions], [...wanted.approvals]];
  wanted.sessions.clear();
  wanted.approvals.clear();
  await Promise.all([...ofApprovals.map(refreshApproval), ...ofSessions.map(refreshSession)]);
  remembered();
  fetching = false;
  if (wanted.sessions.size + wanted.approvals.size > 0) fetchSoon();
}

export async function refreshSession(sessionId: string): Promise<void> {
  try {
    const fresh = await get<SessionBody>(`/sessions/${sessionId}`);
    const known = sessions.value.get(sessionId);
    if (known === undefined || fresh.last_seq >= known.last_seq)
      sessions.value = new Map(sessions.value).set(sessionId, fresh);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) sessions.value = without(sessions.value, sessionId);
  }
}

export async function refreshApproval(approvalId: string): Promise<ApprovalBody | null> {
  try {
    const fresh = await get<ApprovalBody>(`/approvals/${approvalId}`);
    putApproval(fresh);
    return fresh;
  } catch {
    return null;
  }
}

export function putApproval(fresh: ApprovalBody): void {
  approvals.value = new Map(approvals.value).set(fresh.approval_id, fresh);
}

export function putSession(fresh: SessionBody): void {
  sessions.value = new Map(sessions.value).set(fresh.session_id, fresh);
}

function without<T>(map: ReadonlyMap<string, T>, key: string): ReadonlyMap<string, T> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}

// -- for when the daemon is away ------------------------------------------------------------------------------------

interface Remembered {
  at: string;
  sessions: SessionBody[];
}

async function remember(): Promise<void> {
  const old = await kept<Remembered>("sessions");
  if (old === null || sessions.value.size > 0) return;
  batch(() => {
    stale.value = true;
    lastSeen.value = old.at;
    sessions.value = new Map(old.sessions.map((one) => [one.session_id, one]));
  });
}

let rememberTimer: ReturnType<typeof setTimeout> | null = null;

function remembered(): void {
  rememberTimer ??= setTimeout(() => {
    rememberTimer = null;
    if (link.value === "unpaired") return;
    const list = [...sessions.value.values()].slice(0, 100);
    void keep("sessions", { at: new Date().toISOString(), sessions: list } satisfies Remembered);
  }, 1000);
}
