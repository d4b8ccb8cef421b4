// Colours for code: a chunk of its own, loaded when the first code block is seen.
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import dockerfile from "highlight.js/lib/languages/dockerfile";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import makefile from "highlight.js/lib/languages/makefile";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

const LANGUAGES = { bash, c, cpp, css, diff, dockerfile, go, ini, java, javascript, json, makefile, markdown, python, ruby, rust, sql, typescript, xml, yaml };
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);

const LIMIT = 20_000;

export interface Span {
  text: string;
  /** One of highlight.js's scopes, without what comes after a dot; empty for plain text. */
  scope: string;
}

interface Node {
  scope?: string;
  children: (Node | string)[];
}

/** The code in flat runs of one colour each; null when the language is not known or the code is too long. */
export function highlight(code: string, language: string): Span[] | null {
  if (code.length > LIMIT || hljs.getLanguage(language) === undefined) return null;
  const result = hljs.highlight(code, { language, ignoreIllegals: true });
  // the tree behind the markup: we make nodes from it and never read the markup itself
  const root = (result as unknown as { _emitter: { rootNode: Node } })._emitter.rootNode;
  const spans: Span[] = [];
  walk(root, "", spans);
  return spans;
}

function walk(node: Node, scope: string, spans: Span[]): void {
  for (const child of node.children) {
    if (typeof child === "string") spans.push({ text: child, scope });
    else walk(child, child.scope?.split(".")[0] ?? scope, spans);
  }
}
