// Markdown that is still being written: blocks that are closed are read once, only the open end is read again.
import { Lexer, type Token } from "marked";

/** Markers of quotes and lists at the start of one line, beyond which nobody means structure. */
const NESTING_LIMIT = 24;
const NESTED = new RegExp(`^(?:[ \\t]*(?:>|[-*+]|\\d{1,9}[.)])){${NESTING_LIMIT}}`, "m");
/** Delimiters in a row that make a reader of inline markup go back and forth. */
const DELIMITERS = /[*_~`[\]()<!]{200}|(?:[[(<]\S?){200}/;
const LONGEST_BLOCK = 40_000;

export type Block = Token | { type: "plain"; raw: string };

/** Reads `text` as blocks; gives plain text where the markup is an attack or too much. Never throws. */
export function lex(text: string): Block[] {
  if (text.length > LONGEST_BLOCK || NESTED.test(text) || DELIMITERS.test(text)) return byParagraph(text);
  return attempt(text);
}

function byParagraph(text: string): Block[] {
  if (text.length > 4_000_000) return [{ type: "plain", raw: text }];
  return text.split(/(?<=\n\n)/).flatMap((part): Block[] => {
    if (part.length > LONGEST_BLOCK || NESTED.test(part) || DELIMITERS.test(part)) return [{ type: "plain", raw: part }];
    return attempt(part);
  });
}

function attempt(text: string): Block[] {
  try {
    return new Lexer({ gfm: true }).lex(text);
  } catch {
    return [{ type: "plain", raw: text }];
  }
}

/** One message that grows: `blocks(text)` after every change, with the same objects for what did not change. */
export class BlockStream {
  private closed: Block[] = [];
  private closedLength = 0;
  private closedText = "";

  blocks(text: string, isFinal: boolean): Block[] {
    const normal = text.replace(/\r\n|\r/g, "\n");
    if (!normal.startsWith(this.closedText)) this.forget();
    if (isFinal) {
      this.forget(); // read as a whole: a list that went on after its end was closed is one list again
      return lex(normal);
    }
    const rest = normal.slice(this.closedLength);
    const open = lex(rest);
    // the last two may still change their kind: a line below turns a paragraph into a heading or a table
    const solid = open.map((block, place) => (block.type === "space" ? -1 : place)).filter((place) => place >= 0);
    const keepFrom = solid.at(-2) ?? 0;
    const done = open.slice(0, keepFrom);
    const length = done.reduce((sum, block) => sum + block.raw.length, 0);
    // the reader rewrites some spaces of what it read; then the lengths say nothing about the text
    if (length > 0 && done.map((block) => block.raw).join("") === rest.slice(0, length)) {
      this.closed = [...this.closed, ...done];
      this.closedLength += length;
      this.closedText = normal.slice(0, this.closedLength);
      return [...this.closed, ...open.slice(keepFrom)];
    }
    return [...this.closed, ...open];
  }

  private forget(): void {
    this.closed = [];
    this.closedLength = 0;
    this.closedText = "";
  }
}
