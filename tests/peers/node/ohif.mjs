// OHIF from its package, with the settings that it comes with but the address: it lists studies, and shows one after the other.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { open, serve } from "./page.mjs";

const [dist, program, base, port, pictures, ...views] = process.argv.slice(2);
const SECONDS = 60_000;
const settings = readFileSync(join(dist, "app-config.js"), "utf8").replaceAll(/(wadoUriRoot|qidoRoot|wadoRoot): '[^']*'/g, `$1: '${base}/dicom-web'`);
const server = await serve(dist, Number(port), { "/app-config.js": settings });
const { browser, page, refused } = await open(program, base);
const tell = (what, seen) => console.log([what, ...seen].join("\t"));
const named = (name) => page.locator(`[data-cy="${name}"]`);

// A picture of what is shown, once it no longer changes.
async function picture(name, shown) {
  await shown.first().waitFor({ timeout: SECONDS });
  for (let last = null, now = null; last === null || !now.equals(last); await page.waitForTimeout(2000)) {
    await shown.first().hover();
    [last, now] = [now, await shown.first().screenshot({ path: join(pictures, `${name}.png`) })];
  }
}

// Open the segmentation that the study has, and say what its segments are called.
async function segments() {
  await named("study-browser-thumbnail-no-image").first().dblclick();
  await named("yes-hydrate-btn").click({ timeout: SECONDS });
  await named("panelSegmentation-btn").click();
  await named("data-row").first().waitFor({ timeout: SECONDS });
  return named("data-row").allInnerTexts();
}

for (const said of ["Skip all", "Confirm and hide"]) await page.addLocatorHandler(page.getByText(said), (button) => button.click());
await page.goto(`http://127.0.0.1:${port}/`);
const count = page.getByText(/^1-\d+ of \d+$/);
await count.waitFor({ timeout: SECONDS });
tell("listed", [await count.innerText()]);
await page.screenshot({ path: join(pictures, "list.png") });
for (const [name, mode, study] of views.map((each) => each.split("="))) {
  await page.goto(`http://127.0.0.1:${port}/${mode}?StudyInstanceUIDs=${study}`);
  const shown = page.locator(mode === "microscopy" ? ".ol-viewport" : ".cornerstone-canvas");
  await picture(name, shown);
  if (name === "segmented") {
    tell("segments", (await segments()).map((text) => text.replaceAll("\n", " ")));
    await picture("segments", shown);
    await page.screenshot({ path: join(pictures, "page.png") });
  }
}
tell("refused", refused);
await browser.close();
server.close();
