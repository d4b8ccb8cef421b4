// The one stream: everything that happens, from a cursor on, for as long as the page lives.
import { createParser } from "eventsource-parser";
import { ApiError, errorOf, proof } from "./client.ts";
import type { Delta, EnvelopeBody } from "./types.gen.ts";

/** The daemon sends a comment every 15 s; after this long without a byte the line is dead. */
const SILENCE_MS = 40_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export type Told = { kind: "entry"; cursor: string; envelope: EnvelopeBody } | { kind: "delta"; delta: Delta };

export interface Hearing {
  /** What was told, in order. */
  told(one: Told): void;
  /** The line is up, or down and when it is tried again. */
  link(state: "live" | "away"): void;
  /** It cannot go on from this cursor, or not for us. */
  refused(error: ApiError): void;
}

/** Follow from `cursor` until `signal` aborts or the daemon refuses; comes back by itself after everything else. */
export async function follow(cursor: string, hearing: Hearing, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const attempt = new AbortController();
    const stop = (): void => attempt.abort();
    signal.addEventListener("abort", stop);
    try {
      await readOnce(
        cursor,
        attempt,
        () => {
          failures = 0;
          hearing.link("live");
        },
        (one) => {
          if (one.kind === "entry") cursor = one.cursor;
          hearing.told(one);
        },
      );
    } catch (error) {
      if (error instanceof ApiError && [401, 403, 410].includes(error.status)) {
        hearing.refused(error);
        return;
      }
    } finally {
      signal.removeEventListener("abort", stop);
    }
    if (signal.aborted) return;
    hearing.link("away");
    await pause(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures) * (0.75 + Math.random() / 2), signal);
    failures += 1;
  }
}

async function readOnce(
  cursor: string,
  attempt: AbortController,
  up: () => void,
  told: (one: Told) => void,
): Promise<void> {
  let watchdog = setTimeout(() => attempt.abort(), SILENCE_MS);
  const again = (): void => {
    // phones end streams of pages that are not looked at, and do not say so
    if (document.visibilityState === "visible" && performance.now() - heard > 20_000) attempt.abort();
  };
  let heard = performance.now();
  document.addEventListener("visibilitychange", again);
  try {
    const path = `/api/events?after=${encodeURIComponent(cursor)}`;
    const response = await fetch(path, { headers: await proof(), signal: attempt.signal, cache: "no-store" });
    if (!response.ok) throw await errorOf(response);
    if (response.body === null) throw new ApiError(0, {});
    const parser = createParser({
      onEvent: ({ id, event, data }) => {
        if (event === "delta") told({ kind: "delta", delta: JSON.parse(data) as Delta });
        else if (id !== undefined) told({ kind: "entry", cursor: id, envelope: JSON.parse(data) as EnvelopeBody });
      },
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    up();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard = performance.now();
      clearTimeout(watchdog);
      watchdog = setTimeout(() => attempt.abort(), SILENCE_MS);
      parser.feed(value);
    }
  } finally {
    clearTimeout(watchdog);
    document.removeEventListener("visibilitychange", again);
    attempt.abort();
  }
}

/** Waits, but not while the page comes back into sight or the network comes up. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      document.removeEventListener("visibilitychange", seen);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const seen = (): void => {
      if (document.visibilityState === "visible") done();
    };
    const timer = setTimeout(done, milliseconds);
    window.addEventListener("online", done);
    document.addEventListener("visibilitychange", seen);
    signal.addEventListener("abort", done);
  });
}
