import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { BlockStream, lex } from "../src/text/blockstream.ts";
import { parseDiff } from "../src/text/diff.ts";
import { highlight } from "../src/text/highlight.ts";
import { pieces, plain } from "../src/text/visible.ts";

const DOCUMENT = `# A heading

Some *words* with \`code\` and a [link](https://example.org).

- one
- two

  with a paragraph

1. first
2. second

| a | b |
|---|---|
| 1 | 2 |

\`\`\`python
def f():
    return "x"

# not a heading
\`\`\`

> quoted
> twice

Setext
======

The end.`;

/** All that stands in the blocks; the reader changes a space into a newline here and there. */
const raws = (blocks: { raw: string }[]): string => bare(blocks.map((block) => block.raw).join(""));
const bare = (text: string): string => text.replace(/\s/g, "");

test("a message that grows loses nothing, and is read as a whole at its end", () => {
  for (let round = 0; round < 200; round += 1) {
    const stream = new BlockStream();
    for (let at = 0; at < DOCUMENT.length; at += 1 + Math.floor(Math.random() * 40))
      expect(raws(stream.blocks(DOCUMENT.slice(0, at), false))).toBe(bare(DOCUMENT.slice(0, at)));
    expect(stream.blocks(DOCUMENT, true)).toEqual(lex(DOCUMENT));
  }
});

test("closed blocks stay the same objects while the end grows", () => {
  const stream = new BlockStream();
  const before = stream.blocks(DOCUMENT.slice(0, 200), false);
  const after = stream.blocks(DOCUMENT.slice(0, 260), false);
  expect(after[0]).toBe(before[0]);
});

test("a stream that is corrected begins anew", () => {
  const stream = new BlockStream();
  stream.blocks("# One\n\ntwo\n\nthree\n\nfour", false);
  expect(raws(stream.blocks("# Uno\n\nzwei", false))).toBe("#Unozwei");
});

test.each([
  ["nested quotes", ">".repeat(20_000) + " x"],
  ["nested lists", Array.from({ length: 3000 }, (_, depth) => " ".repeat(depth * 2) + "- x").join("\n")],
  ["open brackets", "[".repeat(50_000)],
  ["open links", "[a](".repeat(20_000)],
  ["stars", "*a ".repeat(30_000)],
  ["emphasis bomb", "*".repeat(60_000) + "a" + "*".repeat(60_000)],
  ["backticks", "`a``b".repeat(20_000)],
  ["a line of a megabyte", "x".repeat(1_000_000)],
  ["a huge table", "|a|b|\n|-|-|\n" + "|1|2|\n".repeat(50_000)],
  ["angle brackets", "<".repeat(50_000)],
  ["entities", "&#x".repeat(30_000)],
  ["underscores", "_a".repeat(40_000)],
  ["reference definitions", "[x]: /y\n".repeat(10_000)],
])("%s are text in the end, and soon", (_, text) => {
  const begun = performance.now();
  expect(raws(lex(text)).length).toBeGreaterThan(0);
  // generous: a quadratic reader needs minutes
  expect(performance.now() - begun).toBeLessThan(5000);
});

test("a diff as git writes it", () => {
  const diff = parseDiff(
    "--- a/x.py\n+++ b/x.py\n@@ -1,4 +1,5 @@ class A\n def f():\n-    return 1\n+    return 23\n \n+-- added\n last\n\\ No newline at end of file\n",
  );
  expect([diff.added, diff.removed]).toEqual([2, 1]);
  expect(diff.rows.map((row) => row.kind)).toEqual(["hunk", "same", "del", "add", "same", "add", "same", "note"]);
  expect(diff.rows[2]).toMatchObject({ number: 2, text: "    return 1", mark: [11, 12] });
  expect(diff.rows[3]).toMatchObject({ number: 2, text: "    return 23", mark: [11, 13] });
  expect(diff.rows[5]).toMatchObject({ text: "-- added" });
});

test("lines that have nothing in common are not compared", () => {
  expect(parseDiff("@@ -1 +1 @@\n-alpha\n+omega zulu\n").rows[1]).toMatchObject({ mark: null });
});

test("a text that is no diff is shown as it is", () => {
  expect(parseDiff("hello\nworld").rows.map((row) => [row.kind, row.text])).toEqual([["note", "hello"], ["note", "world"]]);
});

test("what cannot be seen is named", () => {
  expect(plain("rm \u202e-rf\u200b x\u0000\ud800")).toBe("rm ⟨U+202E⟩-rf⟨U+200B⟩ x⟨U+0000⟩⟨U+D800⟩");
  expect(pieces("naïve — 日本語 👩‍💻", "prose")).toEqual(["naïve — 日本語 👩‍💻"]);
  expect(pieces("plain\ttext\n")).toEqual(["plain\ttext\n"]);
});

test("highlighting changes no character, and knows its languages", () => {
  const code = readFileSync(new URL("../src/text/diff.ts", import.meta.url), "utf8");
  const spans = highlight(code, "typescript");
  expect(spans?.map((span) => span.text).join("")).toBe(code);
  expect(new Set(spans?.map((span) => span.scope)).size).toBeGreaterThan(3);
  expect(highlight("x", "klingon")).toBeNull();
});
