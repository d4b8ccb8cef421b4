// How the web app is built: into tetherd/web, which the daemon serves and the wheel holds.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const OUT = fileURLToPath(new URL("../tetherd/web", import.meta.url));
const PACKED = /\.(?:js|css|html|svg|webmanifest)$/;
// A daemon that was started with --dev: it lets in what comes from a process of its own user.
const DAEMON = process.env["TETHERD"] ?? "http://localhost:8787";

/** Tells the service worker what to keep for offline, and puts a .br and a .gz beside everything that shrinks. */
function shell(): Plugin {
  return {
    name: "tetherd-shell",
    apply: "build",
    closeBundle() {
      const files = list(OUT).filter((path) => path !== "/sw.js");
      const kept = files.map((path) => (path === "/index.html" ? "/" : path));
      const version = createHash("sha256");
      for (const path of files) version.update(path).update(readFileSync(join(OUT, path)));
      const worker = join(OUT, "sw.js");
      const source = readFileSync(worker, "utf8");
      writeFileSync(
        worker,
        source
          .replace('"__VERSION__"', JSON.stringify(version.digest("hex").slice(0, 16)))
          .replace('["__FILES__"]', JSON.stringify(kept)),
      );
      for (const path of [...files, "/sw.js"].filter((one) => PACKED.test(one))) {
        const data = readFileSync(join(OUT, path));
        writeFileSync(join(OUT, `${path}.br`), brotliCompressSync(data));
        writeFileSync(join(OUT, `${path}.gz`), gzipSync(data, { level: 9 }));
      }
    },
  };
}

function list(directory: string, prefix = ""): string[] {
  return readdirSync(join(directory, prefix))
    .sort()
    .flatMap((name) => {
      const path = `${prefix}/${name}`;
      return statSync(join(directory, path)).isDirectory() ? list(directory, path) : [path];
    });
}

export default defineConfig({
  plugins: [shell()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    port: 5173,
    strictPort: true,
    // the daemon answers to its own name alone, and to pages of its own origin
    proxy: { "/api": { target: DAEMON, changeOrigin: true, headers: { Origin: DAEMON } } },
  },
});
