// The explorer in Chromium before Spot: searches for everything and for CT, opens a dataset, and keeps pictures of what is shown.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { chromium } from "playwright";

const [program, port, pictures] = process.argv.slice(2);
const server = spawn(process.execPath, ["build"], { env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: port }, stdio: "ignore" });
const address = `http://localhost:${port}/`;
for (let tries = 0; tries < 100; tries++) {
  if (await fetch(address).then((answer) => answer.ok, () => false)) break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}
// Spot allows no credentials, which the page sends: the site has a proxy there that does.
const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-web-security"] });
const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
page.on("pageerror", (error) => console.log(`the page's own error: ${error.message.split("\n")[0]}`));
await page.goto(address);
await page.waitForTimeout(3000);
await page.screenshot({ path: join(pictures, "start.png"), fullPage: true });
await browser.close();
server.kill();
