// Settings of this app, and what it talks to.
import { Devices } from "./devices.tsx";
import { Top } from "../parts/shell.tsx";
import { status } from "../state/store.ts";
import { type Theme, theme } from "../state/theme.ts";
import { clock } from "../text/when.ts";

const THEMES: Record<Theme, string> = { system: "As the device", light: "Light", dark: "Dark" };

export function Settings() {
  return (
    <div class="inbox">
      <Top title="Settings" />
      <main id="main">
        <section class="panel" aria-labelledby="look">
          <h2 id="look">Appearance</h2>
          <div class="segments" role="radiogroup" aria-label="Theme">
            {(Object.keys(THEMES) as Theme[]).map((one) => (
              <label key={one}>
                <input type="radio" name="theme" class="vh" checked={theme.value === one} onChange={() => (theme.value = one)} />
                <span>{THEMES[one]}</span>
              </label>
            ))}
          </div>
        </section>
        <Devices />
        <About />
      </main>
    </div>
  );
}

function About() {
  const now = status.value;
  return (
    <section class="panel" aria-labelledby="about">
      <h2 id="about">About</h2>
      <dl class="facts">
        <dt>tetherd</dt>
        <dd class="num">{now?.version ?? "not connected"}</dd>
        {now !== null && (
          <>
            <dt>Running since</dt>
            <dd class="num">{clock(now.started_at)}</dd>
            <dt>Data</dt>
            <dd class="mono">{now.data_dir}</dd>
            <dt>Address</dt>
            <dd class="mono">{location.origin}</dd>
          </>
        )}
      </dl>
      {now?.warnings.map((warning) => (
        <p key={warning} class="problem">
          {warning}
        </p>
      ))}
      <p class="muted">Apache-2.0. This page loads nothing from anywhere but your own daemon.</p>
    </section>
  );
}
