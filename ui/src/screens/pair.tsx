// This browser is not known yet: how to make it known.
import { Top } from "../parts/shell.tsx";

export function Pair() {
  return (
    <div class="inbox pair">
      <Top title="Pair this browser" />
      <main id="main">
        <p>tetherd does not know this browser yet.</p>
      </main>
    </div>
  );
}
