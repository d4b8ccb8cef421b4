// A block of code: coloured when the highlighter has arrived, plain until then.
import { useEffect, useState } from "preact/hooks";
import type { Span } from "../text/highlight.ts";
import { Icon } from "./icons.tsx";
import { Text } from "./words.tsx";

const ALIASES: Record<string, string> = { sh: "bash", shell: "bash", console: "bash", zsh: "bash", py: "python", js: "javascript", jsx: "javascript", ts: "typescript", tsx: "typescript", yml: "yaml", html: "xml", svg: "xml", toml: "ini", rs: "rust", md: "markdown", rb: "ruby" };
const MAX_SHOWN = 60_000;

export function Code({ text, language }: { text: string; language: string }) {
  const [spans, setSpans] = useState<Span[] | null>(null);
  const name = language.toLowerCase();
  const shown = text.slice(0, MAX_SHOWN);
  useEffect(() => {
    let isCurrent = true;
    setSpans(null);
    if (name !== "")
      void import("../text/highlight.ts").then(({ highlight }) => {
        if (isCurrent) setSpans(highlight(shown, ALIASES[name] ?? name));
      });
    return () => {
      isCurrent = false;
    };
  }, [shown, name]);
  return (
    <div class="code">
      <pre tabIndex={0}>
        <code>
          {spans === null ? (
            <Text text={shown} />
          ) : (
            spans.map((span, place) => (
              <span key={place} class={span.scope === "" ? undefined : `hl-${span.scope}`}>
                <Text text={span.text} />
              </span>
            ))
          )}
        </code>
      </pre>
      {text.length > MAX_SHOWN && <p class="muted">{text.length - MAX_SHOWN} more characters are not shown</p>}
      <Copy text={text} />
    </div>
  );
}

export function Copy({ text }: { text: string }) {
  const [done, setDone] = useState(false);
  if (!("clipboard" in navigator)) return null;
  const copy = (): void => {
    void navigator.clipboard.writeText(text).then(() => setDone(true));
  };
  return (
    <button class="copy" onClick={copy} onBlur={() => setDone(false)} aria-label={done ? "Copied" : "Copy"}>
      <Icon name={done ? "check" : "copy"} />
    </button>
  );
}
