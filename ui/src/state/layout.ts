// Is there room for columns? The one question that the size of the screen answers.
import { signal } from "@preact/signals";

const query = matchMedia("(min-width: 900px)");

export const wide = signal(query.matches);
query.addEventListener("change", () => (wide.value = query.matches));
