// The thread that ties a session to you: its shape is the session's state.
import { LOOKS, type Look } from "../text/words.ts";

export function Thread({ look }: { look: Look }) {
  return (
    <svg class={`th ${look}`} viewBox="0 0 28 72" role="img" aria-label={LOOKS[look]}>
      {look === "wait" && (
        <>
          <path class="l" d="M14 0V17" />
          <circle class="o" cx="14" cy="24" r="7" />
          <circle class="k" cx="14" cy="24" r="3" />
        </>
      )}
      {look === "run" && (
        <>
          <path class="l" d="M14 0V72" />
          <circle class="k bead" cx="14" cy="24" r="5" />
        </>
      )}
      {look === "idle" && (
        <>
          <path class="l" d="M14 0V20" />
          <circle class="o" cx="14" cy="24" r="4" />
        </>
      )}
      {look === "err" && <path class="l" d="M14 0V12M9 19l10 10M19 19L9 29M14 36V50" />}
    </svg>
  );
}
