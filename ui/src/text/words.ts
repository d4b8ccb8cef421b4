// Our words for what the daemon tells: one place, so that all screens speak alike.
import type { ApprovalBody, Approval, By, Resolution, SessionBody } from "../api/types.gen.ts";
import { clock } from "./when.ts";
import { plain } from "./visible.ts";

export type Group = "you" | "running" | "quiet";
export type Look = "wait" | "run" | "idle" | "err";

export function groupOf(session: SessionBody): Group {
  if (session.open_approvals.length > 0) return "you";
  return ["starting", "running", "interrupting", "stopping", "awaiting_approval"].includes(session.state) ? "running" : "quiet";
}

export function lookOf(session: SessionBody): Look {
  const group = groupOf(session);
  if (group === "you") return "wait";
  if (group === "running") return "run";
  return session.state === "ended" && (session.ending?.reason === "failed" || session.ending?.reason === "lost") ? "err" : "idle";
}

export const LOOKS: Record<Look, string> = { wait: "Waiting for you", run: "Running", idle: "Quiet", err: "Failed" };

/** What a session is at, in one line. */
export function lineOf(session: SessionBody, activity: string | undefined): string {
  const [asked] = session.open_approvals;
  if (asked !== undefined) return questionOf(asked);
  switch (session.state) {
    case "created":
      return session.external ? "Waiting for its agent to join" : "Not started";
    case "starting":
      return "Starting";
    case "running":
    case "awaiting_approval":
      return activity === undefined ? "Working" : plain(activity);
    case "interrupting":
      return "Interrupting";
    case "stopping":
      return "Stopping";
    case "awaiting_input":
      return session.turns > 0 ? "Finished, ready for a reply" : "Ready for a first message";
    case "ended":
      return endingOf(session);
  }
}

function endingOf(session: SessionBody): string {
  const ending = session.ending;
  switch (ending?.reason) {
    case "failed":
      if (ending.detail) return `Failed: ${plain(ending.detail)}`;
      return ending.signal === null ? `Failed: agent exited with code ${ending.code}` : `Failed: signal ${ending.signal}`;
    case "lost":
      return "Lost: nobody saw how it ended";
    case "stopped":
      return "Stopped";
    default:
      return "Ended";
  }
}

/** The question that an approval asks, as its heading. */
export function questionOf(approval: Approval | ApprovalBody): string {
  switch (approval.kind) {
    case "command":
      return "Run a shell command?";
    case "edit": {
      const count = approval.files.length;
      if (count > 1) return `Edit ${count} files?`;
      const [file] = approval.files;
      return file === undefined ? `${plain(approval.title)}?` : `Edit ${plain(baseName(file.path))}?`;
    }
    case "question":
      return plain(approval.title);
    case "plan":
      return "Begin with this plan?";
    case "tool":
      return `Use ${plain(approval.tool ?? "a tool")}?`;
  }
}

export const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1) || path;

/** `path` as a person would write it from the session's directory. */
export function nearPath(path: string, directory: string | null | undefined): string {
  if (directory && path.startsWith(`${directory}/`)) return path.slice(directory.length + 1);
  return shortPath(path);
}

export const shortPath = (path: string): string => path.replace(/^\/(?:home|Users)\/[^/]+(?=\/|$)/, "~").replace(/^\/root(?=\/|$)/, "~");

/** How it went, by whom and where: `Approved by Ada on web (Pixel 8), 12:04`. */
export function fateOf(resolution: Resolution | null, state: "pending" | "resolved" | "withdrawn"): string {
  if (resolution === null) return state === "withdrawn" ? "No longer asked: the agent took it back" : "";
  const verb = { approve: "Approved", reject: "Rejected" }[resolution.answer?.decision ?? "reject"];
  const head = resolution.answer === null ? "Closed" : verb;
  const reason = resolution.answer?.reason ? `: “${plain(resolution.answer.reason)}”` : "";
  return `${head} ${byWhom(resolution.by)}, ${clock(resolution.at)}${reason}`;
}

export function byWhom(by: By): string {
  switch (by.kind) {
    case "actor": {
      const { principal, surface, device } = by.actor;
      return device ? `on ${plain(device)}` : `by ${plain(principal.name)} on ${SURFACES[surface] ?? surface}`;
    }
    case "policy":
      return `by rule ${plain(by.rule)}`;
    case "circumstance":
      return { interrupt: "by an interrupt", stop: "by a stop", turn_end: "as the turn ended", run_end: "as the agent ended" }[by.cause];
  }
}

const SURFACES: Record<string, string> = { cli: "the command line", api: "the API", web: "the web app", push: "a notification" };

export const MODES: Record<SessionBody["mode"], { name: string; says: string }> = {
  ask: { name: "Ask", says: "Every write, command and network access waits for you" },
  edits: { name: "Edits", says: "Edits inside the project pass, everything else waits for you" },
  auto: { name: "Auto", says: "Everything passes but what always asks" },
};

export function costOf(session: SessionBody): string | null {
  const { cost_usd: cost, input_tokens: input, output_tokens: output } = session.usage;
  if (cost !== null) return `$${cost < 10 ? cost.toFixed(2) : cost.toFixed(0)}`;
  const tokens = (input ?? 0) + (output ?? 0);
  return tokens === 0 ? null : tokens < 1000 ? `${tokens} tokens` : `${(tokens / 1000).toFixed(tokens < 10_000 ? 1 : 0)}k tokens`;
}
