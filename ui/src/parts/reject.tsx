// Saying no, with a word on what to do instead.
import { useState } from "preact/hooks";
import { Sheet } from "./sheet.tsx";

const CHIPS = ["Ask me first", "Do it differently", "Use a branch", "Leave it for later"];

export function RejectSheet({ onReject, onClose }: { onReject: (reason: string | undefined) => void; onClose: () => void }) {
  const [reason, setReason] = useState("");
  return (
    <Sheet title="Reject this request" onClose={onClose}>
      <form
        class="stack"
        method="dialog"
        onSubmit={() => onReject(reason.trim() === "" ? undefined : reason.trim())}
      >
        <label class="field">
          <span>Tell the agent why (optional)</span>
          <textarea rows={3} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <div class="chips">
          {CHIPS.map((chip) => (
            <button key={chip} type="button" class="chip" aria-pressed={reason === chip} onClick={() => setReason(chip)}>
              {chip}
            </button>
          ))}
        </div>
        <button class="btn xl go" type="submit">
          {reason.trim() === "" ? "Reject" : "Reject and say so"}
        </button>
      </form>
    </Sheet>
  );
}
