// Markdown as nodes: no markup is ever read from a text, and only harmless addresses become links.
import { Component, type ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import type { Token, Tokens } from "marked";
import { BlockStream, type Block } from "../text/blockstream.ts";
import { Code } from "./code.tsx";
import { Text } from "./words.tsx";

const LINKED = /^(?:https?:\/\/|mailto:)/i;
const MAX_ROWS = 200;
const MAX_PLAIN = 20_000;

export function Markdown({ text, final }: { text: string; final: boolean }) {
  const stream = useRef<BlockStream>(null);
  stream.current ??= new BlockStream();
  return (
    <>
      {stream.current.blocks(text, final).map((block, place) => (
        <One key={place} block={block} />
      ))}
    </>
  );
}

/** Drawn once for each block: a closed block is the same object after every change. */
class One extends Component<{ block: Block }> {
  override shouldComponentUpdate(next: { block: Block }): boolean {
    return next.block !== this.props.block && next.block.raw !== this.props.block.raw;
  }

  override render() {
    return draw(this.props.block);
  }
}

function draw(block: Block): ComponentChildren {
  if (block.type === "plain") return <p class="plain">{<Text text={block.raw.slice(0, MAX_PLAIN)} where="prose" />}</p>;
  const token = block as Token;
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading": {
      const { depth, tokens } = token as Tokens.Heading;
      return <p class={`md-h md-h${Math.min(depth, 4)}`}>{inline(tokens)}</p>;
    }
    case "paragraph":
      return <p>{inline((token as Tokens.Paragraph).tokens)}</p>;
    case "text": {
      const text = token as Tokens.Text;
      return text.tokens ? inline(text.tokens) : <Text text={entities(text.text)} where="prose" />;
    }
    case "code": {
      const code = token as Tokens.Code;
      return <Code text={code.text} language={code.lang?.split(/\s/)[0] ?? ""} />;
    }
    case "blockquote":
      return <blockquote>{many((token as Tokens.Blockquote).tokens)}</blockquote>;
    case "list": {
      const list = token as Tokens.List;
      const items = list.items.map((item, place) => (
        <li key={place} class={item.task ? "task" : undefined}>
          {item.task && <span aria-label={item.checked ? "done" : "open"}>{item.checked ? "☑ " : "☐ "}</span>}
          {many(item.tokens.filter((one) => (one.type as string) !== "checkbox"))}
        </li>
      ));
      return list.ordered ? <ol start={list.start === "" ? 1 : list.start}>{items}</ol> : <ul>{items}</ul>;
    }
    case "table":
      return table(token as Tokens.Table);
    case "hr":
      return <hr />;
    default: // raw HTML among them: shown as the text that it is
      return (
        <p class="plain">
          <Text text={token.raw} where="prose" />
        </p>
      );
  }
}

const many = (tokens: readonly Token[]): ComponentChildren => tokens.map((token, place) => <One key={place} block={token} />);

function table(token: Tokens.Table): ComponentChildren {
  const more = token.rows.length - MAX_ROWS;
  return (
    <div class="table" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead>
          <tr>
            {token.header.map((cell, place) => (
              <th key={place}>{inline(cell.tokens)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.slice(0, MAX_ROWS).map((row, number) => (
            <tr key={number}>
              {row.map((cell, place) => (
                <td key={place}>{inline(cell.tokens)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 && <p class="muted">{more} more rows are not shown</p>}
    </div>
  );
}

function inline(tokens: readonly Token[] | undefined): ComponentChildren {
  return tokens?.map((token, place) => {
    switch (token.type) {
      case "strong":
        return <strong key={place}>{inline((token as Tokens.Strong).tokens)}</strong>;
      case "em":
        return <em key={place}>{inline((token as Tokens.Em).tokens)}</em>;
      case "del":
        return <del key={place}>{inline((token as Tokens.Del).tokens)}</del>;
      case "codespan":
        return (
          <code key={place}>
            <Text text={(token as Tokens.Codespan).text} />
          </code>
        );
      case "br":
        return <br key={place} />;
      case "link":
        return <Link key={place} href={(token as Tokens.Link).href} raw={token.raw} tokens={(token as Tokens.Link).tokens} />;
      case "image": // never loaded: that would tell its server who reads this, and when
        return <Link key={place} href={(token as Tokens.Image).href} raw={token.raw} tokens={undefined} label={(token as Tokens.Image).text || "image"} />;
      case "escape":
        return (token as Tokens.Escape).text;
      case "text": {
        const text = token as Tokens.Text;
        return text.tokens ? inline(text.tokens) : <Text key={place} text={entities(text.text)} where="prose" />;
      }
      default:
        return <Text key={place} text={token.raw} where="prose" />;
    }
  });
}

interface LinkProps {
  href: string;
  raw: string;
  tokens: Token[] | undefined;
  label?: string;
}

/** A link shows where it leads, unless its words do. Anything but the web and mail stays text. */
function Link({ href, raw, tokens, label }: LinkProps) {
  if (!LINKED.test(href)) return <Text text={raw} where="prose" />;
  const said = label ?? (tokens?.map((token) => token.raw).join("") || href);
  const host = hostOf(href);
  return (
    <>
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {label === undefined && tokens ? inline(tokens) : <Text text={said} where="prose" />}
      </a>
      {host !== "" && !said.includes(host) && <span class="muted"> ({<Text text={host} />})</span>}
    </>
  );
}

function hostOf(href: string): string {
  try {
    return new URL(href).host;
  } catch {
    return "";
  }
}

const NAMED: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", mdash: "—", ndash: "–", hellip: "…" };

const entities = (text: string): string =>
  text.includes("&")
    ? text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{2,8}));/gi, (whole, decimal?: string, hex?: string, name?: string) => {
        if (name !== undefined) return NAMED[name] ?? whole;
        const point = decimal === undefined ? parseInt(hex ?? "", 16) : Number(decimal);
        return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : whole;
      })
    : text;
