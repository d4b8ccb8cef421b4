// All sessions: those that wait for you first, then what runs, then the rest.
import { signal } from "@preact/signals";
import type { SessionBody } from "../api/types.gen.ts";
import { activity, approvals, link, sessions, stale, status } from "../state/store.ts";
import { Icon } from "../parts/icons.tsx";
import { statOf, Stat } from "../parts/diff.tsx";
import { Empty, Top } from "../parts/shell.tsx";
import { Thread } from "../parts/thread.tsx";
import { Text } from "../parts/words.tsx";
import { ago } from "../text/when.ts";
import { costOf, type Group, groupOf, lineOf, lookOf } from "../text/words.ts";

const search = signal("");
const TITLES: Record<Group, string> = { you: "Waiting for you", running: "Running", quiet: "Quiet" };
/** Below this many there is nothing to search. */
const MANY = 8;

/** `current` is the session that is open beside the list; null where the list is the page. */
export function SessionList({ current }: { current: string | null }) {
  const all = [...sessions.value.values()];
  const wanted = search.value.trim().toLowerCase();
  const found = all.filter((one) => wanted === "" || one.name.toLowerCase().includes(wanted));
  const groups: Record<Group, SessionBody[]> = { you: [], running: [], quiet: [] };
  for (const session of found) groups[groupOf(session)].push(session);
  groups.you.sort((a, b) => (askedAt(a) < askedAt(b) ? -1 : 1));
  groups.running.sort((a, b) => b.first_seq - a.first_seq);
  groups.quiet.sort((a, b) => b.last_seq - a.last_seq);
  const list = (
    <>
        {all.length > MANY && (
          <label class="search">
            <Icon name="search" />
            <span class="vh">Search by name</span>
            <input type="search" placeholder="Search by name" value={search.value} onInput={(event) => (search.value = event.currentTarget.value)} />
          </label>
        )}
        {(["you", "running", "quiet"] as const).map(
          (group) =>
            groups[group].length > 0 && (
              <section key={group} aria-labelledby={`group-${group}`}>
                <div class={group === "you" ? "sec you" : "sec"}>
                  <h2 id={`group-${group}`}>{TITLES[group]}</h2>
                </div>
                <ul class="rows">
                  {groups[group].map((session) => (
                    <li key={session.session_id}>
                      <Row session={session} isCurrent={session.session_id === current} />
                    </li>
                  ))}
                </ul>
              </section>
            ),
        )}
        {all.length === 0 && link.value !== "starting" && (
          <Empty>
            <p>No sessions yet.</p>
            <p class="muted">
              Start one here, or in a terminal: <code>tetherctl new .</code>
            </p>
            <a class="btn go" href="/new">
              New session
            </a>
          </Empty>
        )}
        {all.length > 0 && found.length === 0 && <Empty>No session is called that.</Empty>}
    </>
  );
  const kind = stale.value ? "content stale" : "content";
  if (current !== null)
    return (
      <>
        <div class="top">
          <div class="grow">
            <h2 class="h1">Sessions</h2>
            <p>
              <Where />
            </p>
          </div>
        </div>
        <div class={kind}>{list}</div>
      </>
    );
  return (
    <>
      <Top title="Sessions" sub={<Where />} />
      <main id="main" class={kind}>
        {list}
      </main>
    </>
  );
}

function Where() {
  const word = { starting: "connecting", live: "connected", away: "not connected", unpaired: "not paired" }[link.value];
  return (
    <>
      {location.hostname}, {word}
      {status.value !== null && <span class="vh">, tetherd {status.value.version}</span>}
    </>
  );
}

const askedAt = (session: SessionBody): string =>
  approvals.value.get(session.open_approvals[0]?.approval_id ?? "")?.requested_at ?? session.updated_at;

function Row({ session, isCurrent }: { session: SessionBody; isCurrent: boolean }) {
  const look = lookOf(session);
  const [asked] = session.open_approvals;
  const cost = costOf(session);
  const when = look === "run" ? "now" : ago(look === "wait" ? askedAt(session) : session.updated_at);
  return (
    <a class="row" href={`/sessions/${session.session_id}`} aria-current={isCurrent ? "page" : undefined}>
      <Thread look={look} />
      <span class="body">
        <span class="name">
          <Text text={session.name} />
        </span>
        <span class="now">{lineOf(session, activity.value.get(session.session_id))}</span>
      </span>
      <span class="meta num">
        <span>{when}</span>
        {asked !== undefined && asked.files.length > 0 ? <Stat diff={statOf(asked.files)} /> : cost !== null && <span>{cost}</span>}
      </span>
    </a>
  );
}
