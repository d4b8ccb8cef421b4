// The frame around every screen: navigation, the state of the line, and what is said aloud.
import type { ComponentChildren } from "preact";
import { computed } from "@preact/signals";
import { route } from "../state/route.ts";
import { lastSeen, link, pending, stale } from "../state/store.ts";
import { hasUpdate, takeUpdate } from "../state/worker.ts";
import { clock } from "../text/when.ts";
import { questionOf } from "../text/words.ts";
import { Icon, type IconName } from "./icons.tsx";

const PLACES: readonly { path: string; label: string; icon: IconName; names: readonly string[] }[] = [
  { path: "/", label: "Sessions", icon: "sessions", names: ["sessions", "session"] },
  { path: "/approvals", label: "Approvals", icon: "check", names: ["approvals", "approval"] },
  { path: "/new", label: "New", icon: "plus", names: ["new"] },
  { path: "/settings", label: "Settings", icon: "gear", names: ["settings"] },
];

export function Nav() {
  const count = pending.value.length;
  return (
    <nav class="nav" aria-label="Main">
      {PLACES.map(({ path, label, icon, names }) => (
        <a key={path} href={path} aria-current={names.includes(route.value.name) ? "page" : undefined}>
          <Icon name={icon} />
          <span>{label}</span>
          {path === "/approvals" && count > 0 && (
            <>
              <span class="badge num" aria-hidden="true">
                {count > 99 ? "99+" : count}
              </span>
              <span class="vh">, {count} waiting</span>
            </>
          )}
        </a>
      ))}
    </nav>
  );
}

/** Says when what is shown may be old: nothing else does. */
export function Banner() {
  if (link.value === "live" || link.value === "unpaired" || (link.value === "starting" && !stale.value)) return null;
  return (
    <p class="banner" role="status">
      <span class="dot" />
      {lastSeen.value === null ? "No connection to tetherd" : `No connection. Last seen ${clock(lastSeen.value)}`}
    </p>
  );
}

export function UpdateToast() {
  if (!hasUpdate.value) return null;
  return (
    <div class="toast" role="status">
      <span>There is a new version of this app.</span>
      <button class="btn" onClick={takeUpdate}>
        Reload
      </button>
    </div>
  );
}

const asking = computed(() => {
  const newest = pending.value.at(-1);
  return newest === undefined ? "" : `${newest.session_name} asks: ${questionOf(newest)}`;
});

/** For screen readers: the one thing worth an interruption, once. Focus never moves by itself. */
export function Aloud() {
  return (
    <div class="vh" role="status" aria-live="polite">
      {asking.value}
    </div>
  );
}

export function Top({ title, sub, children, back, slim = false }: { title: ComponentChildren; sub?: ComponentChildren; children?: ComponentChildren; back?: ComponentChildren; slim?: boolean }) {
  return (
    <header class={slim ? "top slim" : "top"}>
      {back}
      <div class="grow">
        <h1>{title}</h1>
        {sub !== undefined && <p>{sub}</p>}
      </div>
      {children}
    </header>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="empty">{children}</div>;
}
