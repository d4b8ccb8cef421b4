// Chromium for the tests: reads one order a line, `{"page","on","selector","method","args"}`, and answers each in turn.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../../ui/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const PATIENCE_MS = 30_000;
const browser = await chromium.launch({ executablePath: process.argv[2], args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const pages = new Map();

async function open(name, options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const seen = { context, page, cdp: await context.newCDPSession(page), problems: [] };
  page.on("pageerror", (error) => seen.problems.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // a connection that broke, or a daemon that has only just come back, what tests bring about; a refused file or address is not
    if (message.type() === "error" && !/net::ERR_|status of 503/.test(message.text())) seen.problems.push(`console: ${message.text()}`);
  });
  // with its context and without the page's own words: what the policy refused, wherever that was
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`refused by policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
    );
  });
  pages.set(name, seen);
}

async function obey({ page: name, on, selector, method, args = [] }) {
  if (on === "browser") return method === "open" ? open(name, ...args) : pages.get(name).context.close();
  const seen = pages.get(name);
  if (on === "problems") return seen.problems.splice(0);
  const target = {
    page: () => seen.page,
    context: () => seen.context,
    cdp: () => seen.cdp,
    keyboard: () => seen.page.keyboard,
    first: () => seen.page.locator(selector).first(),
    locator: () => seen.page.locator(selector),
  }[on]();
  const value = await target[method](...args);
  return value === null || ["string", "number", "boolean"].includes(typeof value) || on === "cdp" || Array.isArray(value) || method === "evaluate"
    ? value
    : null;
}

process.stdout.write(`${JSON.stringify({ version: browser.version() })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { value: (await obey(JSON.parse(line))) ?? null };
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
