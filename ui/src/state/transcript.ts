// A session's transcript as a fold over its events: pure, and the same for any order of pages and any repetition.
import type { Approval, ApprovalResolved, By, Delta, EnvelopeBody, Event } from "../api/types.gen.ts";

export interface Words {
  kind: "message" | "thinking";
  id: string;
  at: string;
  /** What the log holds, up to `end` in UTF-16 code units of the whole. */
  text: string;
  end: number;
  /** What is being written after that and not yet in the log. */
  live: string;
  final: boolean;
  /** False while the beginning stands on an older page. */
  whole: boolean;
  /** The event whose text the log shows cut, and its true size in bytes. */
  cut: { seq: number; size: number } | null;
}

export interface Input {
  kind: "input";
  id: string;
  at: string;
  text: string;
  fate: "queued" | "sent" | "undelivered";
  cut: { seq: number; size: number } | null;
}

export interface ToolCall {
  kind: "tool";
  id: string;
  at: string;
  tool: string;
  title: string;
  input: Record<string, unknown>;
  /** Null while it runs. */
  done: { at: string; ok: boolean; output: string; cut: { seq: number; size: number } | null } | null;
}

export interface Asked {
  kind: "asked";
  id: string;
  at: string;
  approval: Approval;
  /** Null while it waits. */
  fate: { at: string; answer: ApprovalResolved["answer"]; by: By | null } | null;
}

/** Something that happened, said in one line. */
export interface Mark {
  kind: "mark";
  id: string;
  at: string;
  tone: "plain" | "bad";
  text: string;
}

export type Item = Words | Input | ToolCall | Asked | Mark;

export interface Transcript {
  readonly items: readonly Item[];
  /** The newest event that is in it. */
  readonly upto: number;
  /** Older events begin before this; null when there are none. */
  readonly before: number | null;
}

export const EMPTY: Transcript = { items: [], upto: 0, before: null };

/** An event with its type inside, so that `switch` can tell the kinds apart. */
export const eventOf = (envelope: EnvelopeBody): Event => ({ ...envelope.data, type: envelope.type }) as Event;

/** The transcript after these events, given in order. Those that are in it already change nothing. */
export function apply(before: Transcript, envelopes: readonly EnvelopeBody[]): Transcript {
  const draft = new Draft(before.items);
  let upto = before.upto;
  for (const envelope of envelopes) {
    if (envelope.seq <= upto) continue;
    upto = envelope.seq;
    draft.take(envelope, eventOf(envelope));
  }
  return upto === before.upto ? before : { ...before, items: draft.items, upto };
}

/** The transcript with text that is being written; without it where the log has that text already. */
export function applyLive(before: Transcript, deltas: readonly Delta[]): Transcript {
  const draft = new Draft(before.items);
  for (const delta of deltas) draft.live(delta);
  return draft.items === before.items ? before : { ...before, items: draft.items };
}

/** Copies the list once, and each item that changes once: whoever compares by identity sees what changed. */
class Draft {
  items: readonly Item[];
  private own: Item[] | null = null;

  constructor(items: readonly Item[]) {
    this.items = items;
  }

  take(envelope: EnvelopeBody, event: Event): void {
    const { seq, at } = envelope;
    switch (event.type) {
      case "input_accepted":
        this.put({ kind: "input", id: event.input_id, at, text: event.text, fate: "queued", cut: cutOf(event, "text", seq) });
        return;
      case "input_delivered":
      case "turn_started":
        if (typeof event.input_id === "string") this.change("input", event.input_id, (item) => ({ ...item, fate: "sent" }));
        return;
      case "input_undelivered":
        this.change("input", event.input_id, (item) => ({ ...item, fate: "undelivered" }));
        return;
      case "message_written":
        return this.words("message", seq, at, event);
      case "thinking_written":
        return this.words("thinking", seq, at, event);
      case "tool_call_started": {
        const { tool_call_id: id, tool, title, input } = event;
        if (!this.change("tool", id, (item) => ({ ...item, tool, title, input })))
          this.put({ kind: "tool", id, at, tool, title, input, done: null });
        return;
      }
      case "tool_call_finished": {
        const done = { at, ok: event.ok, output: event.output, cut: cutOf(event, "output", seq) };
        const id = event.tool_call_id;
        if (!this.change("tool", id, (item) => ({ ...item, done })))
          this.put({ kind: "tool", id, at, tool: "", title: "A tool call", input: {}, done });
        return;
      }
      case "approval_requested": {
        const { approval } = event;
        this.put({ kind: "asked", id: approval.approval_id, at, approval, fate: null });
        return;
      }
      case "approval_resolved": {
        const fate = { at, answer: event.answer, by: event.by };
        this.change("asked", event.approval_id, (item) => ({ ...item, fate }));
        return;
      }
      case "approval_withdrawn":
        this.change("asked", event.approval_id, (item) => ({ ...item, fate: { at, answer: null, by: null } }));
        return;
      case "turn_completed":
        this.settle();
        if (event.outcome === "interrupted") this.mark(envelope, "plain", "Interrupted");
        if (event.outcome === "failed") this.mark(envelope, "bad", event.detail ?? "The turn failed");
        return;
      case "run_ended":
        this.settle();
        return this.mark(envelope, event.reason === "failed" || event.reason === "lost" ? "bad" : "plain", ended(event));
      case "notice_raised":
        return this.mark(envelope, event.level === "info" ? "plain" : "bad", event.text);
      case "mode_changed":
        return this.mark(envelope, "plain", `Approval mode is now ${event.mode}`);
      case "session_resumed":
        return this.mark(envelope, "plain", "Resumed");
      default:
        return; // what has no place in a transcript
    }
  }

  live(delta: Delta): void {
    const place = this.find(delta.kind, delta.message_id);
    if (place < 0) {
      const { message_id: id, kind, text, offset } = delta;
      const fresh = { kind, id, at: "", text: "", end: offset, live: text, final: false, whole: offset === 0, cut: null };
      this.put(fresh);
      return;
    }
    const item = this.items[place] as Words;
    const skip = item.end + item.live.length - delta.offset;
    if (item.final || skip < 0 || skip > item.live.length + delta.text.length) return; // lossy: the log will bring it
    const kept = skip > item.live.length ? "" : item.live.slice(0, item.live.length - skip);
    const fresh = skip > item.live.length ? delta.text.slice(skip - item.live.length) : delta.text;
    const live = kept + fresh;
    if (live !== item.live) this.replace(place, { ...item, live });
  }

  private words(kind: "message" | "thinking", seq: number, at: string, event: Part): void {
    const cut = cutOf(event, "text", seq);
    const end = event.offset + event.text.length;
    const place = this.find(kind, event.message_id);
    if (place < 0) {
      const { message_id: id, text, offset, final } = event;
      this.put({ kind, id, at, text, end, live: "", final, whole: offset === 0, cut });
      return;
    }
    const item = this.items[place] as Words;
    const back = Math.max(0, item.end - event.offset);
    const text = item.text.slice(0, Math.max(0, item.text.length - back)) + event.text;
    const live = event.final ? "" : item.live.slice(Math.max(0, end - item.end));
    const started = item.at === "" ? at : item.at;
    this.replace(place, { ...item, at: started, text, end, live, final: event.final, cut: cut ?? item.cut });
  }

  /** The turn is over: nobody goes on writing. */
  private settle(): void {
    this.items.forEach((item, place) => {
      if ((item.kind === "message" || item.kind === "thinking") && !item.final)
        this.replace(place, { ...item, text: item.text + item.live, live: "", final: true });
    });
  }

  private mark(envelope: EnvelopeBody, tone: Mark["tone"], text: string): void {
    this.put({ kind: "mark", id: `mark-${envelope.seq}`, at: envelope.at, tone, text });
  }

  private change<K extends Item["kind"]>(
    kind: K,
    id: string,
    make: (item: Extract<Item, { kind: K }>) => Extract<Item, { kind: K }>,
  ): boolean {
    const place = this.find(kind, id);
    if (place < 0) return false;
    this.replace(place, make(this.items[place] as Extract<Item, { kind: K }>));
    return true;
  }

  /** From the end: what changes is nearly always among the newest. */
  private find(kind: Item["kind"], id: string): number {
    return this.items.findLastIndex((item) => item.kind === kind && item.id === id);
  }

  private put(item: Item): void {
    this.owned().push(item);
  }

  private replace(place: number, item: Item): void {
    this.owned()[place] = item;
  }

  private owned(): Item[] {
    if (this.own === null) {
      this.own = [...this.items];
      this.items = this.own;
    }
    return this.own;
  }
}

interface Part {
  message_id: string;
  offset: number;
  text: string;
  final: boolean;
  blobs: Record<string, { sha256: string; size: number }>;
}

function cutOf(
  event: { blobs: Record<string, { size: number }> },
  field: string,
  seq: number,
): { seq: number; size: number } | null {
  const blob = event.blobs[field];
  return blob === undefined ? null : { seq, size: blob.size };
}

function ended(event: Extract<Event, { type: "run_ended" }>): string {
  if (event.detail) return `Ended: ${event.detail}`;
  switch (event.reason) {
    case "finished":
      return "Ended";
    case "stopped":
      return "Stopped";
    case "lost":
      return "The agent is gone, and nobody saw how it ended";
    case "failed":
      return event.signal === null ? `Failed: the agent exited with code ${event.code}` : `Failed: killed by signal ${event.signal}`;
  }
}
