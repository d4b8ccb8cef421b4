import { expect, test } from "vitest";
import type { Delta, EnvelopeBody } from "../src/api/types.gen.ts";
import { apply, applyLive, EMPTY, type Transcript, type Words } from "../src/state/transcript.ts";

let seq = 0;
const event = (type: string, data: Record<string, unknown>): EnvelopeBody =>
  ({ seq: ++seq, at: "2026-01-01T12:00:00Z", session_id: "s-1", type, data: { blobs: {}, ...data } }) as EnvelopeBody;
const part = (offset: number, text: string, final = false): EnvelopeBody =>
  event("message_written", { message_id: "m", offset, text, final });
const delta = (offset: number, text: string): Delta => ({ session_id: "s-1", message_id: "m", kind: "message", offset, text });
const words = (transcript: Transcript): Words => transcript.items.find((item) => item.kind === "message") as Words;

const STORY: EnvelopeBody[] = [
  event("input_accepted", { input_id: "i", text: "do it", by: {} }),
  event("turn_started", { cause: "input", input_id: "i" }),
  part(0, "I will "),
  part(7, "look.", true),
  event("tool_call_started", { tool_call_id: "t", tool: "Read", title: "Read a", input: {} }),
  event("tool_call_finished", { tool_call_id: "t", ok: true, output: "ok" }),
  event("approval_requested", { approval: { approval_id: "a" } }),
  event("approval_resolved", { approval_id: "a", answer: { decision: "approve" }, by: { kind: "policy", rule: "r" } }),
  event("turn_completed", { outcome: "interrupted", detail: null }),
  event("run_ended", { run_id: "r", reason: "failed", code: 3, signal: null, detail: null }),
];

test("the whole story in one go", () => {
  const { items } = apply(EMPTY, STORY);
  expect(items.map((item) => item.kind)).toEqual(["input", "message", "tool", "asked", "mark", "mark"]);
  expect(items[0]).toMatchObject({ fate: "sent" });
  expect(items[1]).toMatchObject({ text: "I will look.", final: true });
  expect(items[2]).toMatchObject({ done: { ok: true, output: "ok" } });
  expect(items[3]).toMatchObject({ fate: { by: { rule: "r" } } });
  expect(items[5]).toMatchObject({ tone: "bad", text: "Failed: the agent exited with code 3" });
});

test("told in any pieces, with any repetition, it is the same story", () => {
  const whole = apply(EMPTY, STORY).items;
  for (let round = 0; round < 300; round += 1) {
    let transcript = EMPTY;
    for (let at = 0; at < STORY.length; ) {
      const from = Math.max(0, at - Math.floor(Math.random() * 4));
      at += 1 + Math.floor(Math.random() * 4);
      transcript = apply(transcript, STORY.slice(from, at));
    }
    expect(transcript.items).toEqual(whole);
  }
});

test("what does not change stays the same object", () => {
  const before = apply(EMPTY, STORY.slice(0, 4));
  const after = apply(before, STORY.slice(4));
  expect(after.items[1]).toBe(before.items[1]);
  expect(apply(after, STORY)).toBe(after);
});

test("text under way is shown once, however the log and the stream overlap", () => {
  const text = "The quick brown fox jumps over the lazy dog, twice. ".repeat(4);
  for (let round = 0; round < 300; round += 1) {
    let transcript = EMPTY;
    let [logged, live] = [0, 0];
    while (logged < text.length) {
      if (Math.random() < 0.6) {
        // the daemon tells what is not in the log yet: all that a reader has not had, or (anew) all of it
        const from = Math.random() < 0.2 ? logged : Math.max(live, logged);
        live = Math.min(text.length, Math.max(from, live) + Math.floor(Math.random() * 20));
        if (live > from) transcript = applyLive(transcript, [delta(from, text.slice(from, live))]);
      } else {
        const end = Math.min(text.length, logged + 1 + Math.floor(Math.random() * 30));
        transcript = apply(transcript, [part(logged, text.slice(logged, end), end === text.length)]);
        logged = end;
      }
      const item = words(transcript);
      const shown = item === undefined ? "" : item.text + item.live;
      expect(text.startsWith(shown)).toBe(true);
      expect(shown.length).toBeGreaterThanOrEqual(logged);
    }
    expect(words(transcript)).toMatchObject({ text, live: "", final: true });
  }
});

test("a message whose beginning is on an older page says so, and a late delta adds nothing to a finished one", () => {
  const page = apply(EMPTY, [part(100, "the end", true)]);
  expect(words(page)).toMatchObject({ whole: false, text: "the end" });
  expect(applyLive(page, [delta(107, " and more")])).toBe(page);
});

test("a part may correct what was written before", () => {
  expect(words(apply(EMPTY, [part(0, "colour red"), part(7, "blue", true)])).text).toBe("colour blue");
});
