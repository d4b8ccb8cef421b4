// What is rare or final about a session: its name and mode, its logs, stopping and forgetting it.
import { useEffect, useState } from "preact/hooks";
import { call, get, post } from "../api/client.ts";
import type { SessionBody, SessionLogs } from "../api/types.gen.ts";
import { Sheet } from "../parts/sheet.tsx";
import { Text } from "../parts/words.tsx";
import { go } from "../state/route.ts";
import { canAct, putSession } from "../state/store.ts";
import { costOf, MODES, shortPath } from "../text/words.ts";

export function SessionSheet({ session, onClose }: { session: SessionBody; onClose: () => void }) {
  const id = session.session_id;
  const [name, setName] = useState(session.name);
  const [problem, setProblem] = useState<string | null>(null);
  const [sure, setSure] = useState<"stop" | "delete" | null>(null);
  const [showsLogs, showLogs] = useState(false);
  const attempt = async (work: () => Promise<unknown>, closes: boolean): Promise<void> => {
    setProblem(null);
    try {
      await work();
      if (closes) onClose();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "That did not work");
    }
  };
  const change = (body: { name?: string; approval_mode?: SessionBody["mode"] }): Promise<void> =>
    attempt(async () => putSession(await call<SessionBody>("PATCH", `/sessions/${id}`, body)), false);
  if (showsLogs) return <Logs session={session} onClose={onClose} />;
  const isLive = !["created", "ended"].includes(session.state);
  return (
    <Sheet title="This session" onClose={onClose}>
      <div class="stack">
        {problem !== null && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <form
          class="inline"
          onSubmit={(event) => {
            event.preventDefault();
            if (name.trim() !== "" && name !== session.name) void change({ name: name.trim() });
          }}
        >
          <label class="field">
            <span>Name</span>
            <input value={name} maxLength={80} onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          <button class="btn" aria-disabled={name.trim() === "" || name === session.name || !canAct.value}>
            Rename
          </button>
        </form>
        <fieldset class="modes">
          <legend>What passes without you</legend>
          {(Object.keys(MODES) as SessionBody["mode"][]).map((mode) => (
            <label key={mode} class="pick">
              <input type="radio" name="mode" checked={session.mode === mode} onChange={() => void change({ approval_mode: mode })} />
              <span>
                <b>{MODES[mode].name}</b>
                <span class="muted">{MODES[mode].says}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <dl class="facts">
          <dt>Agent</dt>
          <dd>{session.agent_type ?? session.adapter}</dd>
          {session.directory !== null && (
            <>
              <dt>Directory</dt>
              <dd class="mono">
                <Text text={shortPath(session.directory)} />
              </dd>
            </>
          )}
          <dt>Turns</dt>
          <dd class="num">{session.turns}</dd>
          <dt>Used</dt>
          <dd class="num">{costOf(session) ?? "The agent did not say"}</dd>
        </dl>
        <button class="btn" onClick={() => showLogs(true)}>
          Logs
        </button>
        {isLive && (
          <button
            class="btn bad"
            aria-disabled={!canAct.value}
            onClick={() => (sure === "stop" ? void attempt(() => post(`/sessions/${id}/stop`), true) : setSure("stop"))}
          >
            {sure === "stop" ? "Yes, stop the agent and all that it started" : "Stop"}
          </button>
        )}
        {!isLive && (
          <button
            class="btn bad"
            aria-disabled={!canAct.value}
            onClick={() => {
              if (sure !== "delete") return setSure("delete");
              void attempt(async () => {
                await call("DELETE", `/sessions/${id}`);
                go("/", { replace: true });
              }, true);
            }}
          >
            {sure === "delete" ? "Yes, delete it with all that was said" : "Delete"}
          </button>
        )}
      </div>
    </Sheet>
  );
}

function Logs({ session, onClose }: { session: SessionBody; onClose: () => void }) {
  const [logs, setLogs] = useState<SessionLogs | string | null>(null);
  useEffect(() => {
    get<SessionLogs>(`/sessions/${session.session_id}/logs`).then(setLogs, () => setLogs("The logs cannot be read now."));
  }, [session.session_id]);
  return (
    <Sheet title="Logs" onClose={onClose}>
      <div class="stack">
        {typeof logs === "string" && <p class="problem">{logs}</p>}
        {logs !== null && typeof logs !== "string" && (
          <>
            <h3>What the agent wrote to stderr</h3>
            <pre class="out tall" tabIndex={0}>
              {logs.stderr === "" ? "(nothing)" : <Text text={logs.stderr} />}
            </pre>
            {logs.unrecognised.length > 0 && (
              <>
                <h3>Lines that tetherd did not understand</h3>
                <pre class="out tall" tabIndex={0}>
                  <Text text={logs.unrecognised.join("\n")} />
                </pre>
              </>
            )}
          </>
        )}
      </div>
    </Sheet>
  );
}
