// Text from an agent, with what cannot be seen made visible.
import { pieces } from "../text/visible.ts";

export function Text({ text, where = "code" }: { text: string; where?: "prose" | "code" }) {
  return (
    <>
      {pieces(text, where).map((piece, place) =>
        typeof piece === "string" ? (
          piece
        ) : (
          <span key={place} class="unseen" title="A character that cannot be seen">
            {piece.unseen}
          </span>
        ),
      )}
    </>
  );
}
