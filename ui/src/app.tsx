// Which screen is shown where.
import { Aloud, Banner, Nav, UpdateToast } from "./parts/shell.tsx";
import { ApprovalScreen, Inbox } from "./screens/approvals.tsx";
import { NewSession } from "./screens/new.tsx";
import { codeInAddress, Pair } from "./screens/pair.tsx";
import { SessionScreen } from "./screens/session.tsx";
import { SessionList } from "./screens/sessions.tsx";
import { Settings } from "./screens/settings.tsx";
import { wide } from "./state/layout.ts";
import { route } from "./state/route.ts";
import { link } from "./state/store.ts";

const given = codeInAddress();

export function App() {
  if (link.value === "unpaired") return <Pair code={given} />;
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <Screens />
      <UpdateToast />
      <Aloud />
    </>
  );
}

function Screens() {
  const here = route.value;
  switch (here.name) {
    case "sessions":
      return (
        <div class="shell">
          <Nav />
          <div class="pane list">
            <Banner />
            <SessionList current={null} />
          </div>
          {wide.value && (
            <aside class="pane" aria-label="Approvals">
              <Inbox beside />
            </aside>
          )}
        </div>
      );
    case "session":
      return (
        <div class="shell sess">
          {wide.value && <Nav />}
          {wide.value && (
            <aside class="pane list" aria-label="Sessions">
              <SessionList current={here.id} />
            </aside>
          )}
          <div class="pane view">
            <Banner />
            <SessionScreen key={here.id} id={here.id} />
          </div>
        </div>
      );
    default:
      return (
        <div class="shell two">
          <Nav />
          <div class="pane">
            <Banner />
            {here.name === "approvals" && <Inbox />}
            {here.name === "approval" && <ApprovalScreen key={here.id} id={here.id} />}
            {here.name === "new" && <NewSession />}
            {here.name === "settings" && <Settings />}
          </div>
        </div>
      );
  }
}
