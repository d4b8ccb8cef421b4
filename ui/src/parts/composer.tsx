// Where you write to the agent: sent at once, or queued while it works.
import { useEffect, useRef, useState } from "preact/hooks";
import { post } from "../api/client.ts";
import type { SessionBody } from "../api/types.gen.ts";
import { canAct } from "../state/store.ts";

/** What was begun in each session and not sent; kept while the page lives. */
const drafts = new Map<string, string>();

export function Composer({ session, onFocus }: { session: SessionBody; onFocus?: (has: boolean) => void }) {
  const id = session.session_id;
  const [text, setText] = useState(drafts.get(id) ?? "");
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => setText(drafts.get(id) ?? ""), [id]);
  useEffect(() => {
    const area = box.current;
    if (area === null) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 3, 200)}px`;
  }, [text]);

  const write = (value: string): void => {
    drafts.set(id, value);
    setText(value);
  };
  const send = async (): Promise<void> => {
    const words = text.trim();
    if (words === "" || isBusy || !canAct.value) return;
    setBusy(true);
    setProblem(null);
    try {
      await post(`/sessions/${id}/input`, { text: words });
      write("");
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "That did not work");
    }
    setBusy(false);
  };
  const willQueue = session.turn_open || session.queued.length > 0;
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      {problem !== null && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <label class="vh" for="message">
        Message the agent
      </label>
      <textarea
        id="message"
        ref={box}
        rows={1}
        value={text}
        placeholder={session.open_approvals.length > 0 ? "Sent after you decide" : willQueue ? "Sent after this turn" : "Message the agent"}
        enterkeyhint="send"
        onInput={(event) => write(event.currentTarget.value)}
        onFocus={() => onFocus?.(true)}
        onBlur={() => onFocus?.(false)}
        onKeyDown={(event) => {
          // on a keyboard Enter sends; on a phone it is a new line, and the button sends
          const isPhone = matchMedia("(pointer: coarse)").matches;
          if (event.key === "Enter" && !event.isComposing && (event.ctrlKey || event.metaKey || (!event.shiftKey && !isPhone))) {
            event.preventDefault();
            void send();
          }
        }}
      />
      <button class="btn" type="submit" aria-disabled={text.trim() === "" || isBusy || !canAct.value}>
        {willQueue ? "Queue" : "Send"}
      </button>
    </form>
  );
}
