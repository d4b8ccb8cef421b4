// A file's changes: wrapped with a hanging indent, signs as well as colours.
import { useMemo, useState } from "preact/hooks";
import type { FileShown } from "../api/types.gen.ts";
import { type Diff, parseDiff, type Row } from "../text/diff.ts";
import { nearPath } from "../text/words.ts";
import { Text } from "./words.tsx";

/** A file with more lines than this is folded, and one with more than the second only opens in parts. */
const FOLDED_LINES = 400;
const PART_LINES = 2000;

export function Files({ files, directory, folded = false }: { files: readonly FileShown[]; directory: string | null; folded?: boolean }) {
  return (
    <>
      {files.map((file) => (
        <File key={file.path} file={file} directory={directory} folded={folded} />
      ))}
    </>
  );
}

function File({ file, directory, folded }: { file: FileShown; directory: string | null; folded: boolean }) {
  const diff = useMemo(() => parseDiff(file.diff), [file.diff]);
  const [isOpen, open] = useState(!folded && diff.rows.length <= FOLDED_LINES);
  const [limit, setLimit] = useState(PART_LINES);
  const name = nearPath(file.path, directory);
  const more = diff.rows.length - limit;
  return (
    <section class="file" aria-label={name}>
      <div class="fh">
        <span>
          <Text text={name} />
        </span>
        <Stat diff={diff} />
      </div>
      {!isOpen && (
        <button class="unfold" onClick={() => open(true)}>
          Show {diff.rows.length} lines
        </button>
      )}
      {isOpen && <Rows rows={diff.rows.slice(0, limit)} />}
      {isOpen && diff.rows.length === 0 && <p class="none muted">No text to compare: the file itself is touched</p>}
      {isOpen && more > 0 && (
        <button class="unfold" onClick={() => setLimit(limit + PART_LINES)}>
          Show {Math.min(more, PART_LINES)} more of {more} lines
        </button>
      )}
    </section>
  );
}

export function Stat({ diff }: { diff: Pick<Diff, "added" | "removed"> }) {
  return (
    <span class="stat num">
      <span class="a">+{diff.added}</span> <span class="d">−{diff.removed}</span>
    </span>
  );
}

const SIGNS: Record<Row["kind"], string> = { same: " ", add: "+", del: "−", hunk: "", note: "" };

function Rows({ rows }: { rows: readonly Row[] }) {
  return (
    <table class="diff">
      <tbody>
        {rows.map((row, place) =>
          row.kind === "hunk" || row.kind === "note" ? (
            <tr key={place} class="hunk">
              <td colSpan={3}>
                <Text text={row.text} />
              </td>
            </tr>
          ) : (
            <tr key={place} class={row.kind}>
              <td class="n">{row.number}</td>
              <td class="s">{SIGNS[row.kind]}</td>
              <td class="c" style={{ "--ind": `${indentOf(row.text)}ch` }}>
                <Line row={row} />
              </td>
            </tr>
          ),
        )}
      </tbody>
    </table>
  );
}

function Line({ row }: { row: Row }) {
  if (row.mark === null || row.mark[0] === row.mark[1]) return <Text text={row.text} />;
  const [from, to] = row.mark;
  return (
    <>
      <Text text={row.text.slice(0, from)} />
      <mark>
        <Text text={row.text.slice(from, to)} />
      </mark>
      <Text text={row.text.slice(to)} />
    </>
  );
}

const indentOf = (text: string): number => Math.min(16, /^ */.exec(text)?.[0].length ?? 0);

/** Lines that a request adds and removes in all of its files. */
export function statOf(files: readonly FileShown[]): Pick<Diff, "added" | "removed"> {
  const diffs = files.map((file) => parseDiff(file.diff));
  return {
    added: diffs.reduce((sum, diff) => sum + diff.added, 0),
    removed: diffs.reduce((sum, diff) => sum + diff.removed, 0),
  };
}
