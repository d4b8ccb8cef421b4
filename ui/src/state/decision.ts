// Deciding one approval: armed after a moment, sent once, told what became of it.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, post } from "../api/client.ts";
import type { ApprovalBody, DecisionBody } from "../api/types.gen.ts";
import { canAct, putApproval, refreshApproval } from "./store.ts";

/** What appears or changes under a finger is not yet what the finger means. */
const ARMING_MS = 600;

export interface Deciding {
  /** False for a moment after the request appeared or changed, and while nobody would hear a decision. */
  isReady: boolean;
  isBusy: boolean;
  /** Why the last attempt came to nothing, for people. */
  problem: string | null;
  decide(decision: DecisionBody["decision"], more?: Pick<DecisionBody, "reason" | "answer">): void;
}

export function useDecision(approval: ApprovalBody): Deciding {
  const [armed, arm] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const { approval_id: id, digest } = approval;
  const sent = useRef(false);

  useEffect(() => {
    sent.current = false;
    const timer = setTimeout(() => arm(digest), ARMING_MS);
    return () => clearTimeout(timer);
  }, [id, digest]);

  const isReady = armed === digest && canAct.value && approval.state === "pending";

  const decide: Deciding["decide"] = (decision, more = {}) => {
    if (!isReady || sent.current) return;
    sent.current = true;
    setBusy(true);
    setProblem(null);
    // the digest says which request was on the screen: a changed one is refused
    post<ApprovalBody>(`/approvals/${id}/decision`, { decision, digest, ...more })
      .then(putApproval, async (error: unknown) => {
        sent.current = false;
        if (error instanceof ApiError && error.status === 409) {
          await refreshApproval(id);
          if (error.code !== "already_resolved") setProblem("This request has changed. Look at it again, then decide.");
          return;
        }
        setProblem(error instanceof Error ? error.message : "That did not work");
      })
      .finally(() => setBusy(false));
  };
  return { isReady, isBusy, problem, decide };
}
