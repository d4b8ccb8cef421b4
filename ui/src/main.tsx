// Where it begins.
import { render } from "preact";
import "./css/tokens.css";
import "./css/base.css";
import "./css/shell.css";
import "./css/rows.css";
import "./css/ask.css";
import "./css/diff.css";
import "./css/log.css";
import "./css/forms.css";
import "./css/wide.css";
import "./state/theme.ts";
import { App } from "./app.tsx";
import { followLinks } from "./state/route.ts";
import { start } from "./state/store.ts";
import { registerWorker } from "./state/worker.ts";

followLinks();
const root = document.getElementById("app");
if (root !== null) render(<App />, root);
void start();
void registerWorker();
