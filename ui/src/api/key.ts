// The header half of this device's proof, in IndexedDB: bound to this origin with its port, unlike a cookie.
const DATABASE = "tetherd";
const STORE = "device";

let cached: string | null | undefined;

/** The half that the daemon gave at pairing; null before that. */
export async function readKey(): Promise<string | null> {
  if (cached === undefined) {
    const value = await request<unknown>("readonly", (store) => store.get("key")).catch(() => null);
    cached = typeof value === "string" ? value : null;
  }
  return cached;
}

export async function keepKey(key: string): Promise<void> {
  await request("readwrite", (store) => store.put(key, "key"));
  cached = key;
}

export async function forgetKey(): Promise<void> {
  cached = null;
  await request("readwrite", (store) => store.delete("key")).catch(() => undefined);
}

/** Something small to remember for when the daemon is away. */
export async function keep(name: string, value: unknown): Promise<void> {
  await request("readwrite", (store) => store.put(value, name)).catch(() => undefined);
}

export async function kept<T>(name: string): Promise<T | null> {
  return ((await request<unknown>("readonly", (store) => store.get(name)).catch(() => null)) ?? null) as T | null;
}

async function request<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest): Promise<T> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  try {
    return await new Promise<T>((resolve, reject) => {
      const asked = ask(database.transaction(STORE, mode).objectStore(STORE));
      asked.onsuccess = () => resolve(asked.result as T);
      asked.onerror = () => reject(asked.error);
    });
  } finally {
    database.close();
  }
}
