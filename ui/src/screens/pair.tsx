// This browser is not known yet: a link or a typed code makes it known.
import { useState } from "preact/hooks";
import { call } from "../api/client.ts";
import { keepKey } from "../api/key.ts";
import type { PairedDevice } from "../api/types.gen.ts";
import { Top } from "../parts/shell.tsx";
import { start } from "../state/store.ts";

const LINK = /^#pair=([\w-]{10,100})$/;

/** The code in the address, which is made to forget it at once: history and screenshots keep addresses. */
export function codeInAddress(): string | null {
  const code = LINK.exec(location.hash)?.[1] ?? null;
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  return code;
}

export function Pair({ code: given }: { code: string | null }) {
  const [code, setCode] = useState(given ?? "");
  const [name, setName] = useState(deviceName());
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);

  const pair = async (): Promise<void> => {
    if (isBusy || code.trim() === "" || name.trim() === "") return;
    setBusy(true);
    setProblem(null);
    try {
      const { key } = await call<PairedDevice>("POST", "/pair", { code: code.trim(), name: name.trim() });
      await keepKey(key);
      await start();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "That did not work");
      setBusy(false);
    }
  };
  return (
    <div class="shell two lone">
      <div class="pane">
        <div class="inbox pair">
          <img src="/icon.svg" alt="" width="64" height="64" />
          <Top title="Pair this device" sub="It then shows your agents and answers them." />
          <main id="main">
            <form
              class="stack"
              onSubmit={(event) => {
                event.preventDefault();
                void pair();
              }}
            >
              {given === null && (
                <>
                  <p>
                    In a terminal on the machine where tetherd runs, say <code>tetherctl pair</code>. Then scan what it
                    shows, or type its code here.
                  </p>
                  <label class="field">
                    <span>Code</span>
                    <input class="mono code-in" value={code} maxLength={20} placeholder="XXXX-XXXX" autocomplete="one-time-code" autocapitalize="characters" spellcheck={false} onInput={(event) => setCode(event.currentTarget.value)} />
                  </label>
                </>
              )}
              <label class="field">
                <span>Name of this device</span>
                <input value={name} maxLength={80} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />
              </label>
              {problem !== null && (
                <p class="problem" role="alert">
                  {problem}. <code>tetherctl pair</code> makes a new code.
                </p>
              )}
              <button class="btn xl go" aria-disabled={isBusy || code.trim() === "" || name.trim() === ""}>
                {isBusy ? "Pairing…" : "Pair"}
              </button>
            </form>
          </main>
        </div>
      </div>
    </div>
  );
}

/** A first guess at what people call it. */
function deviceName(): string {
  const agent = navigator.userAgent;
  const system = [
    ["iPhone", /iPhone/],
    ["iPad", /iPad/],
    ["Android phone", /Android.*Mobile/],
    ["Android tablet", /Android/],
    ["Mac", /Macintosh/],
    ["Windows", /Windows/],
    ["Linux", /Linux/],
  ].find(([, pattern]) => (pattern as RegExp).test(agent))?.[0] as string | undefined;
  const browser = [
    ["Firefox", /Firefox|FxiOS/],
    ["Edge", /Edg/],
    ["Chrome", /Chrom|CriOS/],
    ["Safari", /Safari/],
  ].find(([, pattern]) => (pattern as RegExp).test(agent))?.[0] as string | undefined;
  return [browser, system].filter(Boolean).join(" on ") || "This browser";
}
