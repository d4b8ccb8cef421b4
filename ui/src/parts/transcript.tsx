// The transcript: what was said and done, hanging on one thread.
import { Component, type ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { get, post } from "../api/client.ts";
import type { TextBody } from "../api/types.gen.ts";
import { approvals } from "../state/store.ts";
import type { Asked, Input, Item, Mark, ToolCall, Words } from "../state/transcript.ts";
import { ago, clock, span } from "../text/when.ts";
import { byWhom, questionOf } from "../text/words.ts";
import { Files } from "./diff.tsx";
import { Icon } from "./icons.tsx";
import { Markdown } from "./markdown.tsx";
import { Text } from "./words.tsx";

interface Props {
  item: Item;
  sessionId: string;
  directory: string | null;
}

/** Drawn anew only when its item is another object. */
class Row extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    return next.item !== this.props.item;
  }

  override render() {
    const { item, sessionId, directory } = this.props;
    switch (item.kind) {
      case "input":
        return <Said item={item} sessionId={sessionId} />;
      case "message":
        return <Message item={item} sessionId={sessionId} />;
      case "thinking":
        return <Thinking item={item} />;
      case "tool":
        return <Tool item={item} sessionId={sessionId} directory={directory} />;
      case "asked":
        return <Asking item={item} />;
      case "mark":
        return <Marked item={item} />;
    }
  }
}

const CHUNK = 40;

interface AllProps {
  items: readonly Item[];
  sessionId: string;
  directory: string | null;
}

/** All of them, in pieces: a change at the end makes the page compare the last piece, not four hundred rows. */
export function Rows({ items, sessionId, directory }: AllProps) {
  const chunks = [];
  for (let at = 0; at < items.length; at += CHUNK)
    chunks.push(<Chunk key={at} items={items.slice(at, at + CHUNK)} sessionId={sessionId} directory={directory} />);
  return <>{chunks}</>;
}

class Chunk extends Component<AllProps> {
  override shouldComponentUpdate(next: AllProps): boolean {
    const { items } = this.props;
    return next.items.length !== items.length || next.items.some((item, place) => item !== items[place]);
  }

  override render() {
    const { items, sessionId, directory } = this.props;
    return (
      <>
        {items.map((item) => (
          <Row key={`${item.kind}/${item.id}`} item={item} sessionId={sessionId} directory={directory} />
        ))}
      </>
    );
  }
}

function Said({ item, sessionId }: { item: Input; sessionId: string }) {
  const again = (): void => void post(`/sessions/${sessionId}/input`, { text: item.text }).catch(() => undefined);
  return (
    <div class={`ev user ${item.fate}`}>
      <p class="pre">
        <Text text={item.text} where="prose" />
      </p>
      {item.fate === "queued" && <p class="note">Waits for its turn</p>}
      {item.fate === "undelivered" && (
        <p class="note">
          The agent did not get this.{" "}
          <button class="link" onClick={again}>
            Send it again
          </button>
        </p>
      )}
      <Whole cut={item.cut} sessionId={sessionId} field="text" />
    </div>
  );
}

function Message({ item, sessionId }: { item: Words; sessionId: string }) {
  return (
    <div class={item.final ? "ev say" : "ev say open"}>
      {!item.whole && <p class="muted">…</p>}
      <Markdown text={item.text + item.live} final={item.final} />
      <Whole cut={item.cut} sessionId={sessionId} field="text" />
    </div>
  );
}

function Thinking({ item }: { item: Words }) {
  return (
    <Fold title={item.final ? "Thought" : "Thinking…"} note="" class="think">
      <Markdown text={item.text + item.live} final={item.final} />
    </Fold>
  );
}

const FIRST_LINES = 12;

function Tool({ item, sessionId, directory }: { item: ToolCall; sessionId: string; directory: string | null }) {
  const title = item.tool === "" || item.title.startsWith(item.tool) ? item.title : `${item.tool}  ${item.title}`;
  const note = item.done === null ? "…" : !item.done.ok ? "failed" : noteOf(item, item.done);
  return (
    <Fold title={title} note={note} class={item.done !== null && !item.done.ok ? "tool bad" : "tool"}>
      <Given input={item.input} title={item.title} />
      {item.done !== null && item.done.output !== "" && (
        <Output text={item.done.output} isDiff={isDiff(item.done.output)} directory={directory} path={String(item.input["path"] ?? "")} />
      )}
      {item.done !== null && <Whole cut={item.done.cut} sessionId={sessionId} field="output" />}
    </Fold>
  );
}

function noteOf(item: ToolCall, done: NonNullable<ToolCall["done"]>): string {
  const took = span(item.at, done.at);
  if (isDiff(done.output)) {
    const lines = done.output.split("\n");
    const count = (sign: string): number => lines.filter((line) => line.startsWith(sign) && !line.startsWith(sign.repeat(3))).length;
    return `+${count("+")} −${count("-")}`;
  }
  const lines = done.output === "" ? 0 : done.output.trimEnd().split("\n").length;
  return lines > 1 ? `${lines} lines` : took;
}

const isDiff = (text: string): boolean => /^--- .*\n\+\+\+ .*\n@@ /.test(text);

function Given({ input, title }: { input: Record<string, unknown>; title: string }) {
  const command = input["command"];
  if (typeof command === "string") return command === title ? null : <pre class="out"><Text text={command} /></pre>;
  const names = Object.entries(input).filter(([, value]) => value !== null && value !== "");
  if (names.length === 0) return null;
  return (
    <dl class="given">
      {names.map(([name, value]) => (
        <div key={name}>
          <dt>
            <Text text={name} />
          </dt>
          <dd>
            <Text text={typeof value === "string" ? value : JSON.stringify(value)} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Output({ text, isDiff: asDiff, directory, path }: { text: string; isDiff: boolean; directory: string | null; path: string }) {
  const [isWhole, showWhole] = useState(false);
  if (asDiff) {
    const name = /^\+\+\+ (.+)$/m.exec(text)?.[1] ?? path;
    return <Files files={[{ path: name, diff: text }]} directory={directory} />;
  }
  const lines = text.trimEnd().split("\n");
  const isLong = lines.length > FIRST_LINES || text.length > 4000;
  const shown = isWhole ? text.trimEnd().slice(0, 200_000) : lines.slice(0, FIRST_LINES).join("\n").slice(0, 4000);
  return (
    <>
      <pre class="out" tabIndex={0}>
        <Text text={shown} />
      </pre>
      {isLong && !isWhole && (
        <button class="link" onClick={() => showWhole(true)}>
          Show all {lines.length} lines
        </button>
      )}
    </>
  );
}

/** A text that the log holds cut: the rest is fetched when somebody wants it. */
function Whole({ cut, sessionId, field }: { cut: { seq: number; size: number } | null; sessionId: string; field: "text" | "output" }) {
  const [text, setText] = useState<string | null>(null);
  if (cut === null) return null;
  if (text !== null)
    return (
      <pre class="out tall" tabIndex={0}>
        <Text text={text.slice(0, 2_000_000)} />
      </pre>
    );
  const fetchIt = (): void => {
    void get<TextBody>(`/sessions/${sessionId}/items/${cut.seq}/output?field=${field}`).then(
      (body) => setText(body.text),
      () => setText("(it cannot be read now)"),
    );
  };
  return (
    <button class="link" onClick={fetchIt}>
      Show all of it ({Math.ceil(cut.size / 1024)} kB)
    </button>
  );
}

function Asking({ item }: { item: Asked }) {
  const known = approvals.value.get(item.id);
  if (item.fate === null && known?.state !== "resolved")
    return (
      <div class="ev wait">
        Waiting for you{ago(item.at) === "now" ? "" : `, ${ago(item.at)}`}: <Text text={questionOf(item.approval)} />
      </div>
    );
  if (item.fate === null) return null;
  const { answer, by, at } = item.fate;
  const isYes = answer?.decision === "approve";
  const verb = answer === null ? "Closed" : isYes ? "Approved" : "Rejected";
  return (
    <div class="ev fate">
      <Icon name={isYes ? "check" : "close"} />
      <span>
        <Text text={`${verb}${by === null ? ": the agent took it back" : ` ${byWhom(by)}`}, ${clock(at)}`} />
        {answer?.reason && (
          <span class="muted">
            {" "}
            “<Text text={answer.reason} where="prose" />”
          </span>
        )}
      </span>
    </div>
  );
}

function Marked({ item }: { item: Mark }) {
  return (
    <div class={item.tone === "bad" ? "ev mark bad" : "ev mark"}>
      <Text text={item.text} where="prose" /> <span class="muted num">{clock(item.at)}</span>
    </div>
  );
}

/** One line that opens: what is inside is made only then. */
function Fold({ title, note, class: kind, children }: { title: string; note: string; class: string; children: ComponentChildren }) {
  const [isOpen, open] = useState(false);
  return (
    <div class={`ev fold ${kind}`}>
      <button aria-expanded={isOpen} onClick={() => open(!isOpen)}>
        <span class="t">
          <Text text={title} />
        </span>
        <span class="r num">{note}</span>
      </button>
      {isOpen && <div class="inside">{children}</div>}
    </div>
  );
}
