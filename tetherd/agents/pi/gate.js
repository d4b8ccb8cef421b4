/**
 * Loaded into Pi by tetherd (`pi -e`): no tool runs before its answer has come.
 *
 * Pi has no permissions of its own. Each tool call becomes a `select` dialog whose title is JSON, which only
 * questions.py reads; anything but a clear "approve" blocks the call, a dialog that is dismissed included.
 * One plain file without imports from Pi: it is the same for every version, and nothing is written to the user's set-up.
 */
import { readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";

const SHOWN_BYTES = 1024 * 1024; // of a file that a call would change; larger ones are changed unseen, and that is said
const MAX_LINKS = 40; // as the kernel: more are a loop
const FILE_TOOLS = new Set(["read", "write", "edit", "grep", "find", "ls"]);
const UNICODE_SPACES = /[\u00A0\u2000-\u200A\u202F\u205F\u3000]/g;

export default function (pi) {
  pi.on("session_start", (_event, ctx) => {
    // what tetherd waits for: without this word it never sends a prompt
    ctx.ui.setStatus("tetherd", JSON.stringify({ tetherd: 1, kind: "ready", version: version() }));
  });

  pi.on("tool_call", async (event, ctx) => {
    if (!ctx.hasUI) return { block: true, reason: "Nobody can be asked." };
    const { toolCallId, toolName, input } = event;
    const question = { tetherd: 1, kind: "tool_call", toolCallId, toolName, input, ...facts(toolName, input, ctx.cwd) };
    const said = await ctx.ui.select(JSON.stringify(question), ["approve", "reject"], { signal: ctx.signal });
    const answer = parsed(said);
    if (answer.decision !== "approve") return { block: true, reason: answer.reason ?? "Nobody approved this call." };
    if (answer.input) {
      for (const name of Object.keys(input)) delete input[name];
      Object.assign(input, answer.input);
    }
  });

  // Pi repeats the whole message with every piece of it, and the whole conversation at its end: a long answer would be
  // gigabytes of JSON. The members stay readable; they only no longer go over the wire.
  pi.on("message_update", (event) => {
    unlisted(event.assistantMessageEvent, "partial");
    unlisted(event.message, "content");
  });
  pi.on("agent_end", (event) => {
    Object.defineProperty(event.messages, "toJSON", { value: () => [], configurable: true });
  });
}

function unlisted(object, name) {
  const own = object && Object.getOwnPropertyDescriptor(object, name);
  if (own?.configurable) Object.defineProperty(object, name, { ...own, enumerable: false });
}

function parsed(said) {
  try {
    const answer = JSON.parse(said);
    return answer && typeof answer === "object" ? answer : {};
  } catch {
    return {}; // dismissed, or not from tetherd
  }
}

/** What a person needs beyond the input: the file it is about, as it is now, and what is put around a command. */
function facts(toolName, input, cwd) {
  if (toolName === "bash") return { shell: shell(cwd) };
  if (!FILE_TOOLS.has(toolName)) return {};
  const given = input.path ?? ".";
  if (typeof given !== "string") return {};
  const target = where(given, cwd);
  return toolName === "write" || toolName === "edit" ? { target: { ...target, ...content(target.path) } } : { target };
}

/** As Pi resolves a path, then with its links followed; `inside` is the path below the project, null outside of it. */
function where(given, cwd) {
  let path = given.startsWith("@") ? given.slice(1) : given;
  path = path.replace(UNICODE_SPACES, " ");
  if (path === "~" || path.startsWith("~/")) path = homedir() + path.slice(1);
  const real = followed(resolve(cwd, path));
  const below = relative(followed(cwd), real);
  const isInside = below !== ".." && !below.startsWith("../") && !isAbsolute(below);
  return { path: real, inside: isInside ? below : null, exists: kind(real) !== undefined };
}

/** The real path of what exists of it, and the rest as it is; a link to nothing yet is followed too. */
function followed(path, links = 0) {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    if (parent === path || links > MAX_LINKS) return path;
    const here = join(followed(parent, links), basename(path));
    const target = linkTarget(here);
    return target === undefined ? here : followed(resolve(dirname(here), target), links + 1);
  }
}

function linkTarget(path) {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // no link, or nothing at all
  }
}

function kind(path) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // we may not look
  }
}

/** `before` null where there is no text to show: no file, no regular one, too large, not UTF-8. */
function content(path) {
  try {
    const found = kind(path);
    if (!found?.isFile() || found.size > SHOWN_BYTES) return { before: null };
    return { before: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path)) };
  } catch {
    return { before: null };
  }
}

/** The settings that put words around every command; a project's own win over the user's. */
function shell(cwd) {
  const home = process.env.PI_CODING_AGENT_DIR?.replace(/^~(?=\/|$)/, homedir()) ?? join(homedir(), ".pi", "agent");
  const settings = { ...readJson(join(home, "settings.json")), ...readJson(join(cwd, ".pi", "settings.json")) };
  return { prefix: settings.shellCommandPrefix ?? null, program: settings.shellPath ?? null };
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return {};
  }
}

/** Pi's own version, from the package that its program lies in. */
function version() {
  try {
    for (let folder = dirname(realpathSync(process.argv[1])); ; folder = dirname(folder)) {
      const found = readJson(join(folder, "package.json"));
      if (found.name?.endsWith("pi-coding-agent")) return found.version;
      if (folder === dirname(folder)) return null;
    }
  } catch {
    return null;
  }
}
