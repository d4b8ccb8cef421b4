// The inbox: every request of every session, oldest first; what is decided meanwhile stays in its place.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ApprovalBody } from "../api/types.gen.ts";
import { Ask, Resolved, whatOf } from "../parts/ask.tsx";
import { Icon } from "../parts/icons.tsx";
import { Empty, Top } from "../parts/shell.tsx";
import { Text } from "../parts/words.tsx";
import { wide } from "../state/layout.ts";
import { back } from "../state/route.ts";
import { approvals, link, pending, refreshApproval, sessions } from "../state/store.ts";
import { clock } from "../text/when.ts";
import { fateOf, questionOf } from "../text/words.ts";

/** `beside`: next to the list of sessions, where the page has its heading already. */
export function Inbox({ beside = false }: { beside?: boolean }) {
  const order = useRef<string[]>([]);
  for (const one of pending.value) if (!order.current.includes(one.approval_id)) order.current.push(one.approval_id);
  const shown = order.current.map((id) => approvals.value.get(id)).filter((one) => one !== undefined);
  const past = [...approvals.value.values()]
    .filter((one) => one.state !== "pending" && !order.current.includes(one.approval_id))
    .sort((a, b) => ((a.resolution?.at ?? a.requested_at) < (b.resolution?.at ?? b.requested_at) ? 1 : -1));
  const count = pending.value.length;
  const sub = count === 0 ? "Nothing is waiting for you" : count === 1 ? "1 request waits for you" : `${count} requests wait for you`;
  const body = (
    <>
      {shown.map((one) =>
        one.state === "pending" ? (
          <Ask key={one.approval_id} approval={one} place="card" directory={directoryOf(one)} />
        ) : (
          <Resolved key={one.approval_id} approval={one} />
        ),
      )}
      {shown.length === 0 && link.value === "live" && (
        <Empty>
          <p>Nothing is waiting for you.</p>
          <p class="muted">When an agent asks, it shows here.</p>
        </Empty>
      )}
      {past.length > 0 && <Past approvals={past} />}
    </>
  );
  if (beside)
    return (
      <div class="inbox">
        <div class="top">
          <div class="grow">
            <h2 class="h1">Approvals</h2>
            <p>{sub}</p>
          </div>
        </div>
        <div class="pad">{body}</div>
      </div>
    );
  return (
    <div class="inbox">
      <Top title="Approvals" sub={sub} />
      <main id="main">{body}</main>
    </div>
  );
}

const directoryOf = (approval: ApprovalBody): string | null => sessions.value.get(approval.session_id)?.directory ?? null;

function Past({ approvals: past }: { approvals: readonly ApprovalBody[] }) {
  return (
    <section aria-labelledby="past">
      <div class="sec">
        <h2 id="past">Decided lately</h2>
      </div>
      <ul class="rows past">
        {past.slice(0, 20).map((one) => (
          <li key={one.approval_id}>
            <Icon name={one.resolution?.answer?.decision === "approve" ? "check" : "close"} />
            <span>
              <span class="one">
                <Text text={whatOf(one)} />
              </span>
              <br />
              <span class="muted">{fateOf(one.resolution, one.state)}</span>
            </span>
            <span class="muted num">{clock(one.resolution?.at ?? one.requested_at)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** One request on a page of its own: everything that it asks, whole. */
export function ApprovalScreen({ id }: { id: string }) {
  const approval = approvals.value.get(id);
  const [isGone, setGone] = useState(false);
  useEffect(() => {
    if (approval === undefined && link.value === "live") void refreshApproval(id).then((found) => setGone(found === null));
  }, [id, link.value]);
  return (
    <div class="inbox whole">
      <Top
        slim
        title={approval === undefined ? "Approval" : <Text text={questionOf(approval)} />}
        sub={approval === undefined ? undefined : <Text text={approval.session_name} />}
        back={
          <button class="icon" aria-label="Back" onClick={() => back("/approvals")}>
            <Icon name="back" />
          </button>
        }
      >
        {approval !== undefined && !wide.value && (
          <a class="icon" href={`/sessions/${approval.session_id}`} aria-label="Go to its session">
            <Icon name="next" />
          </a>
        )}
      </Top>
      <main id="main">
        {approval !== undefined && <Ask approval={approval} place="page" directory={directoryOf(approval)} />}
        {isGone && <Empty>There is no such request, or no longer.</Empty>}
      </main>
    </div>
  );
}
