// One request to the daemon, and what goes wrong with one.
import type { Problem } from "./types.gen.ts";
import { readKey } from "./key.ts";

/** The daemon said no, or nobody answered: then `status` is 0. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;
  readonly facts: Record<string, unknown>;

  constructor(status: number, problem: Partial<Problem>) {
    super(problem.detail ?? (status === 0 ? "tetherd does not answer" : `tetherd answered ${status}`));
    this.status = status;
    this.code = problem.code ?? (status === 0 ? "unreachable" : "unknown");
    this.hint = problem.hint ?? null;
    this.facts = problem as Record<string, unknown>;
  }
}

/** Sent with everything: the half of a device's proof that no other page and no other port has. */
export async function proof(): Promise<Record<string, string>> {
  const key = await readKey();
  return key === null ? {} : { "X-Tetherd-Key": key };
}

export type Method = "GET" | "POST" | "PATCH" | "PUT" | "DELETE";

/** Ask for `path` below /api. Throws ApiError. */
export async function call<T>(method: Method, path: string, body?: unknown, idempotencyKey?: string): Promise<T> {
  const headers = await proof();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
  let response: Response;
  try {
    response = await fetch(`/api${path}`, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  } catch {
    throw new ApiError(0, {});
  }
  if (!response.ok) throw await errorOf(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export async function errorOf(response: Response): Promise<ApiError> {
  const problem: unknown = await response.json().catch(() => null);
  return new ApiError(response.status, typeof problem === "object" && problem !== null ? problem : {});
}

export const get = <T>(path: string): Promise<T> => call<T>("GET", path);

/** Do something once: should the answer get lost, asking again with the same words does not do it twice. */
export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  const key = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
  try {
    return await call<T>("POST", path, body, key);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 0) throw error;
    return await call<T>("POST", path, body, key);
  }
}
