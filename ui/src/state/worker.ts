// The service worker: keeps the app's files for when the daemon is away. A new version is taken when a person says so.
import { signal } from "@preact/signals";

/** A newer version of the app lies ready. */
export const hasUpdate = signal(false);
let waiting: ServiceWorker | null = null;

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): { createScriptURL(url: string): string };
}

/** The one address that the page's policy lets become a script, besides what index.html names. */
function ownAddress(): string {
  const types = (window as unknown as { trustedTypes?: TrustedTypes }).trustedTypes;
  const policy = types?.createPolicy("tetherd-sw", {
    createScriptURL: (url) => {
      if (url !== "/sw.js") throw new TypeError("no script of ours");
      return url;
    },
  });
  return policy === undefined ? "/sw.js" : policy.createScriptURL("/sw.js");
}

export async function registerWorker(): Promise<void> {
  if (!("serviceWorker" in navigator) || !import.meta.env.PROD) return;
  try {
    const registration = await navigator.serviceWorker.register(ownAddress(), { updateViaCache: "none" });
    const look = (worker: ServiceWorker | null): void => {
      // without a worker in charge this is the first one: there is nothing old to replace
      if (worker === null || navigator.serviceWorker.controller === null) return;
      const ready = (): void => {
        if (worker.state !== "installed") return;
        waiting = worker;
        hasUpdate.value = true;
      };
      ready();
      worker.addEventListener("statechange", ready);
    };
    look(registration.waiting);
    registration.addEventListener("updatefound", () => look(registration.installing));
  } catch {
    // a browser that keeps nothing, or an address that is not secure: the app works, only not offline
  }
}

/** Reload into the new version. */
export function takeUpdate(): void {
  navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
  waiting?.postMessage("take-over");
}
