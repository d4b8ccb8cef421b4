// What each session is at: its newest line for the list, and text under way that the log does not hold yet.
import type { Delta, EnvelopeBody, Event } from "../api/types.gen.ts";

export class Activity {
  changed = false;
  private readonly now = new Map<string, string>();
  private readonly texts = new Map<string, Delta>();

  event(envelope: EnvelopeBody, event: Event): void {
    const sessionId = envelope.session_id;
    switch (event.type) {
      case "tool_call_started":
        this.say(sessionId, event.title);
        return;
      case "message_written":
      case "thinking_written":
        this.cover(`${sessionId}/${event.message_id}`, event.offset + event.text.length, event.final);
        if (event.type === "message_written") this.say(sessionId, firstWords(event.text));
        return;
      case "turn_completed":
      case "run_ended":
      case "session_deleted":
        for (const [key, text] of this.texts) if (text.session_id === sessionId) this.texts.delete(key);
        return;
      default:
        return;
    }
  }

  deltas(deltas: readonly Delta[]): void {
    for (const delta of deltas) {
      const key = `${delta.session_id}/${delta.message_id}`;
      const known = this.texts.get(key);
      const isNext = known !== undefined && known.offset + known.text.length === delta.offset;
      this.texts.set(key, isNext ? { ...known, text: known.text + delta.text } : delta);
    }
  }

  lines(): ReadonlyMap<string, string> {
    this.changed = false;
    return new Map(this.now);
  }

  textsOf(sessionId: string): Delta[] {
    return [...this.texts.values()].filter((one) => one.session_id === sessionId);
  }

  private say(sessionId: string, line: string): void {
    if (line === "" || this.now.get(sessionId) === line) return;
    this.now.set(sessionId, line);
    this.changed = true;
  }

  private cover(key: string, end: number, final: boolean): void {
    const text = this.texts.get(key);
    if (text === undefined) return;
    if (final || end >= text.offset + text.text.length) this.texts.delete(key);
    else if (end > text.offset) this.texts.set(key, { ...text, offset: end, text: text.text.slice(end - text.offset) });
  }
}

const firstWords = (text: string): string => text.trim().split("\n", 1)[0]?.slice(0, 120) ?? "";
