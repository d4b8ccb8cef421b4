// Characters that nobody sees, made visible: what a person approves must be what is there.

/** Controls but tab and newline, bidi marks, zero width, soft hyphen, tags, variation selectors, odd separators. */
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffc]|[\u{e0000}-\u{e0fff}]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;
/** In prose the joiners of emoji and of Persian or Indic words are what they seem. */
const JOINERS = /[\u200c\u200d]/;
const QUICK = /[^\t\n\x20-\x7e\u00a1-\u00ac\u00ae-\u017f]/;

export type Piece = string | { unseen: string };

/** The text in pieces: plain runs, and names such as U+202E for each character that cannot be seen. */
export function pieces(text: string, where: "prose" | "code" = "code"): Piece[] {
  if (!QUICK.test(text)) return [text];
  const found: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (where === "prose" && JOINERS.test(match[0])) continue;
    if (match[0] === "\r" && text[match.index + 1] === "\n") continue;
    if (match.index > from) found.push(text.slice(from, match.index));
    found.push({ unseen: nameOf(match[0]) });
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push(text.slice(from));
  return found;
}

/** The same as one text, for places that hold nothing else: titles and labels. */
export const plain = (text: string): string =>
  pieces(text)
    .map((piece) => (typeof piece === "string" ? piece : `⟨${piece.unseen}⟩`))
    .join("");

const nameOf = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
