// Where in the app we are: the address bar is the only memory of it.
import { signal } from "@preact/signals";

export type Route =
  | { name: "sessions" }
  | { name: "session"; id: string }
  | { name: "approvals" }
  | { name: "approval"; id: string }
  | { name: "new" }
  | { name: "settings"; part: string | null };

export function parse(path: string): Route {
  const [first, second] = path.split("/").filter(Boolean);
  if (first === "sessions" && second !== undefined) return { name: "session", id: second };
  if (first === "approvals") return second === undefined ? { name: "approvals" } : { name: "approval", id: second };
  if (first === "new") return { name: "new" };
  if (first === "settings") return { name: "settings", part: second ?? null };
  return { name: "sessions" };
}

export const route = signal<Route>(parse(location.pathname));

/** How far we are from the page by which the app was entered: without any way back, "back" goes up instead. */
let depth = 0;

export function go(path: string, options: { replace?: boolean } = {}): void {
  if (path === location.pathname) return;
  if (options.replace) history.replaceState(null, "", path);
  else {
    history.pushState(null, "", path);
    depth += 1;
  }
  route.value = parse(path);
  window.scrollTo(0, 0);
}

export function back(up: string): void {
  if (depth > 0) history.back();
  else go(up, { replace: true });
}

/** Links of ours change the view and not the page; modified clicks stay the browser's. */
export function followLinks(): void {
  window.addEventListener("popstate", () => {
    depth = Math.max(0, depth - 1);
    route.value = parse(location.pathname);
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || link.origin !== location.origin || link.target !== "" || link.hash !== "") return;
    event.preventDefault();
    go(link.pathname);
  });
}
