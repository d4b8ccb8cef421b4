// Unified diffs, read into rows; within a changed line, what differs is marked.

export interface Row {
  kind: "same" | "add" | "del" | "hunk" | "note";
  /** Line number: in the old file for `del`, in the new one else; null for headings. */
  number: number | null;
  text: string;
  /** Where the text differs from the line that it replaces, as [from, to) in code units. */
  mark: readonly [number, number] | null;
}

export interface Diff {
  rows: readonly Row[];
  added: number;
  removed: number;
}

const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/;

/** Reads what the daemon sends as `diff` of a file; lines that are no diff are kept as notes. */
export function parseDiff(text: string): Diff {
  const rows: Row[] = [];
  let [oldLine, newLine, added, removed] = [0, 0, 0, 0];
  let inHunk = false;
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  for (const line of lines) {
    const hunk = HUNK.exec(line);
    if (hunk !== null) {
      inHunk = true;
      [oldLine, newLine] = [Number(hunk[1]), Number(hunk[2])];
      rows.push({ kind: "hunk", number: null, text: line, mark: null });
    } else if (inHunk && line.startsWith("+")) {
      rows.push({ kind: "add", number: newLine++, text: line.slice(1), mark: null });
      added += 1;
    } else if (inHunk && line.startsWith("-")) {
      rows.push({ kind: "del", number: oldLine++, text: line.slice(1), mark: null });
      removed += 1;
    } else if (inHunk && (line.startsWith(" ") || line === "")) {
      rows.push({ kind: "same", number: newLine++, text: line.slice(1), mark: null });
      oldLine += 1;
    } else if (!/^(?:---|\+\+\+) /.test(line) || inHunk) {
      rows.push({ kind: "note", number: null, text: line, mark: null });
    }
  }
  return { rows: marked(rows), added, removed };
}

/** Where as many lines go as come in their place, each is compared with its successor. */
function marked(rows: Row[]): Row[] {
  for (let at = 0; at < rows.length; ) {
    let dels = at;
    while (rows[dels]?.kind === "del") dels += 1;
    let adds = dels;
    while (rows[adds]?.kind === "add") adds += 1;
    if (dels - at > 0 && dels - at === adds - dels) {
      for (let offset = 0; offset < dels - at; offset += 1) compare(rows, at + offset, dels + offset);
    }
    at = Math.max(adds, at + 1);
  }
  return rows;
}

function compare(rows: Row[], del: number, add: number): void {
  const [before, after] = [rows[del], rows[add]];
  if (before === undefined || after === undefined) return;
  const limit = Math.min(before.text.length, after.text.length);
  let head = 0;
  while (head < limit && before.text[head] === after.text[head]) head += 1;
  let tail = 0;
  while (tail < limit - head && before.text.at(-1 - tail) === after.text.at(-1 - tail)) tail += 1;
  // lines that have little in common are two lines, not one that was changed
  if (head + tail < Math.max(before.text.trim().length, after.text.trim().length) * 0.3) return;
  rows[del] = { ...before, mark: [head, before.text.length - tail] };
  rows[add] = { ...after, mark: [head, after.text.length - tail] };
}
