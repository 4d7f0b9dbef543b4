// Chromium on pages of an origin of its own: a server of files on loopback, and what the page asked for.
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".svg": "image/svg+xml" };
const DRAWING = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"];

function read(folder, path) {
  const named = join(folder, normalize(decodeURIComponent(path)));
  return statSync(named, { throwIfNoEntry: false })?.isFile() ? readFileSync(named) : undefined;
}

// Serve a folder on a port, its index where it has no such file; `made` are files that it hasn't, or has otherwise.
export function serve(folder, port, made = {}) {
  const found = (path) => made[path] ?? read(folder, path);
  const server = createServer((request, response) => {
    const asked = new URL(request.url, "http://localhost").pathname;
    const path = found(asked) === undefined ? "/index.html" : asked;
    response.setHeader("Content-Type", TYPES[extname(path)] ?? "application/octet-stream");
    response.end(found(path));
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(server)));
}

// A page, and the answers of the other origin `base` that are no success, which grow while it is used.
export async function open(program, base) {
  const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", ...DRAWING] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const refused = [];
  page.on("response", (answer) => answer.url().startsWith(base) && answer.status() >= 400 && refused.push(`${answer.status()} ${answer.url()}`));
  page.on("requestfailed", (asked) => asked.url().startsWith(base) && refused.push(`${asked.failure().errorText} ${asked.url()}`));
  return { browser, page, refused };
}
