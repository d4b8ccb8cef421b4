// The transcript of the session that is open: its newest page, older ones on demand, then the stream.
import { signal } from "@preact/signals";
import { ApiError, get } from "../api/client.ts";
import type { EnvelopeBody, ItemPage } from "../api/types.gen.ts";
import { listen, liveTexts } from "./store.ts";
import { apply, applyLive, EMPTY, type Transcript } from "./transcript.ts";

/** Events of a page: about sixty messages and tool calls. */
const PAGE = 240;
/** Items on the screen; with more of them phones get slow. */
const CAP = 400;

export class SessionView {
  readonly transcript = signal<Transcript>(EMPTY);
  readonly isLoading = signal(true);
  readonly problem = signal<string | null>(null);
  readonly hasOlder = signal(false);
  private envelopes: EnvelopeBody[] = [];
  private before: number | null = null;
  private early: EnvelopeBody[] | null = [];
  private readonly unlisten: () => void;

  constructor(readonly sessionId: string) {
    this.unlisten = listen(sessionId, (entries, deltas) => {
      if (this.early !== null) {
        this.early.push(...entries);
        return;
      }
      this.envelopes.push(...entries);
      this.transcript.value = applyLive(apply(this.transcript.value, entries), deltas);
    });
    void this.load();
  }

  close(): void {
    this.unlisten();
  }

  async load(): Promise<void> {
    try {
      const page = await get<ItemPage>(`/sessions/${this.sessionId}/items?limit=${PAGE}`);
      const newest = page.items.at(-1)?.seq ?? 0;
      const missed = (this.early ?? []).filter((one) => one.seq > newest);
      this.early = null;
      this.envelopes = [...page.items, ...missed];
      this.setBefore(page.next_before);
      this.refold();
    } catch (error) {
      const isGone = error instanceof ApiError && error.status === 404;
      this.problem.value = isGone ? "There is no such session, or no longer." : "The transcript cannot be read now.";
    }
    this.isLoading.value = false;
  }

  /** One older page, in front of what is there. */
  async loadOlder(): Promise<void> {
    if (this.before === null || this.isLoading.value) return;
    this.isLoading.value = true;
    try {
      const page = await get<ItemPage>(`/sessions/${this.sessionId}/items?limit=${PAGE}&before=${this.before}`);
      this.envelopes = [...page.items, ...this.envelopes];
      this.setBefore(page.next_before);
      this.refold();
    } catch {
      // it stays where it was; scrolling asks again
    }
    this.isLoading.value = false;
  }

  /** Let go of what lies far above, for a reader who is at the end. */
  trim(): void {
    const extra = this.transcript.value.items.length - CAP;
    if (extra < 100) return;
    const first = this.transcript.value.items[extra];
    const from = first === undefined ? -1 : this.envelopes.findIndex((one) => one.at === first.at);
    if (from <= 0) return;
    this.envelopes = this.envelopes.slice(from);
    this.setBefore(this.envelopes[0]?.seq ?? null);
    this.refold();
  }

  private setBefore(before: number | null): void {
    this.before = before;
    this.hasOlder.value = before !== null;
  }

  private refold(): void {
    this.transcript.value = applyLive(apply(EMPTY, this.envelopes), liveTexts(this.sessionId));
  }
}
