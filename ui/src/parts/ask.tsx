// A request for a decision: what is asked in full, then the two ways to answer.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { ApprovalBody } from "../api/types.gen.ts";
import { type Deciding, useDecision } from "../state/decision.ts";
import { canAct } from "../state/store.ts";
import { ago } from "../text/when.ts";
import { plain } from "../text/visible.ts";
import { baseName, fateOf, questionOf, shortPath } from "../text/words.ts";
import { Files, Stat, statOf } from "./diff.tsx";
import { Icon } from "./icons.tsx";
import { RejectSheet } from "./reject.tsx";
import { Text } from "./words.tsx";

interface Props {
  approval: ApprovalBody;
  /** card: one of many, long things folded. dock: beside its session. page: alone, everything shown. */
  place: "card" | "dock" | "page";
  directory: string | null;
}

export function Ask({ approval, place, directory }: Props) {
  const deciding = useDecision(approval);
  const id = useId();
  const room = useRef<HTMLDivElement>(null);
  const isShown = useShownWhole(room, approval, place);
  if (approval.state !== "pending") return <Resolved approval={approval} />;
  const href = `/approvals/${approval.approval_id}`;
  return (
    <article class={`ask in-${place}`} aria-labelledby={id}>
      <header>
        <div>
          <h2 id={id}>
            <Text text={questionOf(approval)} />
          </h2>
          <p>
            <Text text={subtitle(approval, place, directory)} />
          </p>
        </div>
        {place === "dock" ? (
          <a class="icon" href={href} aria-label="Open the whole request">
            <Icon name="grow" />
          </a>
        ) : (
          <span class="wait num">{ago(approval.requested_at)}</span>
        )}
      </header>
      <div class="peek" ref={room} {...(place === "dock" ? { tabIndex: 0, role: "region", "aria-label": "What is asked" } : {})}>
        <Matter approval={approval} place={place} directory={directory} />
      </div>
      {deciding.problem !== null && (
        <p class="problem" role="alert">
          {deciding.problem}
        </p>
      )}
      {!canAct.value && <p class="problem">No connection to tetherd: what you decide now would come too late.</p>}
      <Answers approval={approval} deciding={deciding} isShown={isShown} href={href} />
    </article>
  );
}

function subtitle(approval: ApprovalBody, place: Props["place"], directory: string | null): string {
  const session = place === "dock" ? "" : approval.session_name;
  const where = approval.cwd ?? directory;
  const parts = [session];
  if (approval.kind === "command" && where) parts.push(`in ${shortPath(where)}`);
  if (approval.kind === "edit" && place === "dock") parts.push(insideOf(approval, directory));
  if (approval.kind === "tool") parts.push(approval.title);
  return plain(parts.filter((part) => part !== "").join(", "));
}

function insideOf(approval: ApprovalBody, directory: string | null): string {
  if (directory === null) return "";
  const outside = approval.files.filter((file) => !file.path.startsWith(`${directory}/`));
  if (outside.length > 0) return `Outside of the project: ${outside.map((file) => shortPath(file.path)).join(", ")}`;
  const added = approval.files.filter((file) => /^--- \/dev\/null$/m.test(file.diff)).length;
  return `Inside the project${added === 0 ? ", no new files" : added === 1 ? ", 1 new file" : `, ${added} new files`}`;
}

/** What is asked, never shortened: whoever approves has to have had it before their eyes. */
function Matter({ approval, place, directory }: Props) {
  const parts: ComponentChildren[] = [];
  if (approval.command !== null)
    parts.push(
      <pre class="cmd" key="command">
        <Text text={approval.command} />
      </pre>,
    );
  if (approval.kind === "plan" || (approval.kind === "tool" && place === "dock" && approval.command === null && approval.files.length === 0))
    parts.push(
      <p key="title">
        <Text text={approval.title} />
      </p>,
    );
  if (approval.files.length > 0 && place === "card")
    parts.push(
      <ul class="one" key="names">
        {approval.files.map((file) => (
          <li key={file.path}>
            <Text text={nameIn(file.path, directory)} /> <Stat diff={statOf([file])} />
          </li>
        ))}
      </ul>,
    );
  if (approval.files.length > 0 && place !== "card")
    parts.push(<Files key="files" files={approval.files} directory={directory} />);
  return <>{parts}</>;
}

const nameIn = (path: string, directory: string | null): string =>
  directory && path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : shortPath(path);

/** True once all of it fits on the screen, was scrolled through, or was opened on its own page. */
function useShownWhole(room: { current: HTMLDivElement | null }, approval: ApprovalBody, place: Props["place"]): boolean {
  const [shown, setShown] = useState<string | null>(null);
  useEffect(() => {
    const box = room.current;
    if (box === null || place !== "dock") return;
    const look = (): void => {
      if (box.scrollTop + box.clientHeight >= box.scrollHeight - 8) setShown(approval.digest);
    };
    look();
    box.addEventListener("scroll", look, { passive: true });
    const watcher = new ResizeObserver(look);
    watcher.observe(box);
    return () => {
      watcher.disconnect();
      box.removeEventListener("scroll", look);
    };
  }, [approval.digest, place]);
  if (place === "page") return true;
  if (place === "card") return approval.files.length === 0 && (approval.command ?? "").length < 2000;
  return shown === approval.digest;
}

interface AnswersProps {
  approval: ApprovalBody;
  deciding: Deciding;
  isShown: boolean;
  href: string;
}

function Answers({ approval, deciding, isShown, href }: AnswersProps) {
  const [isRejecting, setRejecting] = useState(false);
  const { isReady, isBusy, decide } = deciding;
  if (approval.kind === "question") return <Choices approval={approval} deciding={deciding} />;
  const off = !isReady || isBusy;
  return (
    <>
      <div class="btns">
        <button class="btn xl" aria-disabled={off} onClick={() => !off && setRejecting(true)}>
          Reject
        </button>
        {isShown ? (
          <button class="btn xl go" aria-disabled={off} onClick={() => decide("approve")}>
            {isBusy ? "Sending…" : "Approve"}
          </button>
        ) : (
          <a class="btn xl go" href={href}>
            {approval.files.length > 0 ? "Review diff" : "Review"}
          </a>
        )}
      </div>
      {isRejecting && <RejectSheet onReject={(reason) => decide("reject", reason === undefined ? {} : { reason })} onClose={() => setRejecting(false)} />}
    </>
  );
}

/** The agent's own options, each one tap; and, where it asked in words, an answer in words. */
function Choices({ approval, deciding }: { approval: ApprovalBody; deciding: Deciding }) {
  const { isReady, isBusy, decide } = deciding;
  const [text, setText] = useState<string | null>(null);
  const offered = approval.options.filter((option) => !option.lasting);
  const off = !isReady || isBusy;
  return (
    <div class="opts">
      {offered.map((option) => (
        <button
          key={option.option_id}
          class={`opt ${option.decision}`}
          aria-disabled={off}
          onClick={() => decide(option.decision, { answer: [option.option_id] })}
        >
          <Text text={option.label} />
        </button>
      ))}
      {offered.every((option) => option.decision === "reject") &&
        (text === null ? (
          <button class="opt" onClick={() => setText("")}>
            Write an answer
          </button>
        ) : (
          <form
            class="stack"
            onSubmit={(event) => {
              event.preventDefault();
              if (text.trim() !== "") decide("approve", { answer: text.trim() });
            }}
          >
            <label class="field">
              <span>Your answer</span>
              <textarea rows={3} value={text} onInput={(event) => setText(event.currentTarget.value)} />
            </label>
            <button class="btn xl go" aria-disabled={off || text.trim() === ""}>
              Answer
            </button>
          </form>
        ))}
      {!offered.some((option) => option.decision === "reject") && (
        <button class="opt reject" aria-disabled={off} onClick={() => decide("reject")}>
          Do not answer
        </button>
      )}
    </div>
  );
}

/** What is left of a request that was decided: who, where, when; in the place where it stood. */
export function Resolved({ approval }: { approval: ApprovalBody }) {
  const isYes = approval.resolution?.answer?.decision === "approve";
  return (
    <p class="resolved" role="status">
      <Icon name={isYes ? "check" : "close"} />
      <span>
        <span class="one">
          <Text text={whatOf(approval)} />
        </span>
        <br />
        <span class="muted">{fateOf(approval.resolution, approval.state)}</span>
      </span>
    </p>
  );
}

export function whatOf(approval: ApprovalBody): string {
  if (approval.command !== null) return approval.command.slice(0, 300);
  if (approval.files.length > 0) return approval.files.map((file) => baseName(file.path)).join(", ");
  const chosen = approval.resolution?.answer?.choice ?? [];
  const labels = approval.options.filter((option) => chosen.includes(option.option_id)).map((option) => option.label);
  return labels.length > 0 ? `${approval.title} ${labels.join(", ")}` : approval.title;
}
