// Draws the PNG icons from public/icon.svg with a browser: node scripts/icons.mjs
import { readFileSync, writeFileSync } from "node:fs";
import { chromium } from "playwright-core";

const SVG = readFileSync(new URL("../public/icon.svg", import.meta.url), "utf8");
/** Maskable icons lose their corners to the platform's shape, so theirs are square and the drawing is smaller. */
const SIZES = [
  ["icon-192.png", 192, SVG],
  ["icon-512.png", 512, SVG],
  ["apple-touch-icon.png", 180, SVG.replace('rx="112"', 'rx="0"')],
  ["icon-maskable-512.png", 512, SVG.replace('rx="112"', 'rx="0"').replace('viewBox="0 0 512 512"', 'viewBox="-48 -32 608 608"').replace('<rect width="512" height="512"', '<rect x="-48" y="-32" width="608" height="608"').replace("M150 0c", "M150 -32V0c")],
];

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const [name, size, svg] of SIZES) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(`<style>*{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${svg}`);
  writeFileSync(new URL(`../public/${name}`, import.meta.url), await page.screenshot({ omitBackground: true }));
  await page.close();
}
await browser.close();
