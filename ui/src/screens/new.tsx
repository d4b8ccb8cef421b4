// A new session: which agent, where, what passes without you, and the first prompt.
import { useEffect, useState } from "preact/hooks";
import { get, post } from "../api/client.ts";
import type { AgentList, AgentView, CreatedSession, SessionBody } from "../api/types.gen.ts";
import { Top } from "../parts/shell.tsx";
import { go } from "../state/route.ts";
import { canAct, putSession, sessions } from "../state/store.ts";
import { baseName, MODES, shortPath } from "../text/words.ts";

export function NewSession() {
  const recent = recentDirectories([...sessions.value.values()]);
  const [agents, setAgents] = useState<AgentView[]>([]);
  const [adapter, setAdapter] = useState<string | null>(null);
  const [written, setDirectory] = useState<string | null>(null);
  const directory = written ?? recent[0] ?? "";
  const [mode, setMode] = useState<SessionBody["mode"]>("ask");
  const [name, setName] = useState("");
  const [prompt, setPrompt] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);

  useEffect(() => {
    get<AgentList>("/agents").then(
      (list) => {
        // a program that joins by itself is not started from here
        const startable = list.agents.filter((agent) => agent.adapter !== "external");
        setAgents(startable);
        setAdapter((startable.find((agent) => agent.default) ?? startable[0])?.adapter ?? null);
      },
      () => setProblem("tetherd does not say which agents it has."),
    );
  }, []);

  const begin = async (): Promise<void> => {
    const where = directory.trim();
    if (isBusy || adapter === null || where === "" || !canAct.value) return;
    setBusy(true);
    setProblem(null);
    const words = prompt.trim();
    const body = {
      name: name.trim() || words.split("\n")[0]?.slice(0, 60) || baseName(where),
      adapter,
      directory: where,
      approval_mode: mode,
      ...(words === "" ? { start: true } : { prompt: words }),
    };
    try {
      const { token: _, id: __, ...made } = await post<CreatedSession>("/sessions", body);
      putSession(made);
      go(`/sessions/${made.session_id}`, { replace: true });
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "That did not work");
      setBusy(false);
    }
  };

  return (
    <div class="inbox">
      <Top title="New session" />
      <main id="main">
        <form
          class="stack form"
          onSubmit={(event) => {
            event.preventDefault();
            void begin();
          }}
        >
          <label class="field">
            <span>What should it do?</span>
            <textarea rows={4} value={prompt} placeholder="Add a health check route, with a test" onInput={(event) => setPrompt(event.currentTarget.value)} />
          </label>
          <label class="field">
            <span>Directory</span>
            <input class="mono" value={directory} list="recent" placeholder="/home/you/code/project" autocapitalize="off" autocomplete="off" spellcheck={false} onInput={(event) => setDirectory(event.currentTarget.value)} />
          </label>
          {recent.length > 0 && (
            <div class="chips" role="group" aria-label="Recent directories">
              {recent.slice(0, 6).map((one) => (
                <button key={one} type="button" class="chip" aria-pressed={one === directory} title={one} onClick={() => setDirectory(one)}>
                  {shortPath(one).split("/").slice(-2).join("/")}
                </button>
              ))}
            </div>
          )}
          <fieldset>
            <legend>Agent</legend>
            {agents.map((agent) => (
              <label key={agent.adapter} class="pick">
                <input type="radio" name="agent" checked={agent.adapter === adapter} disabled={agent.found === false} onChange={() => setAdapter(agent.adapter)} />
                <span>
                  <b>
                    {agent.adapter}
                    {agent.version !== null && <span class="muted num"> {agent.version}</span>}
                  </b>
                  <span class="muted">{agent.found === false ? "Not found on this machine" : agent.description}</span>
                </span>
              </label>
            ))}
          </fieldset>
          <fieldset>
            <legend>What passes without you</legend>
            {(Object.keys(MODES) as SessionBody["mode"][]).map((one) => (
              <label key={one} class="pick">
                <input type="radio" name="mode" checked={one === mode} onChange={() => setMode(one)} />
                <span>
                  <b>{MODES[one].name}</b>
                  <span class="muted">{MODES[one].says}</span>
                </span>
              </label>
            ))}
          </fieldset>
          <label class="field">
            <span>Name (optional)</span>
            <input value={name} maxLength={80} onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          {problem !== null && (
            <p class="problem" role="alert">
              {problem}
            </p>
          )}
          <button class="btn xl go" aria-disabled={isBusy || adapter === null || directory.trim() === "" || !canAct.value}>
            {isBusy ? "Starting…" : "Start"}
          </button>
        </form>
      </main>
    </div>
  );
}

function recentDirectories(all: readonly SessionBody[]): string[] {
  const sorted = [...all].sort((a, b) => b.last_seq - a.last_seq);
  return [...new Set(sorted.map((one) => one.directory).filter((one) => one !== null))];
}
