// The explorer in Chromium before Spot: one JSON line for each search, with the question that its page sent and the table that it
// then shows; and pictures.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { chromium } from "playwright";

const [program, port, pictures] = process.argv.slice(2);
const SECONDS = 30_000;
const server = spawn(process.execPath, ["build"], { env: { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: port }, stdio: "ignore" });
const address = `http://localhost:${port}/`;
const ready = () => fetch(address).then((answer) => answer.ok, () => false);
for (let tries = 0; tries < 100 && !(await ready()); tries++) await new Promise((resolve) => setTimeout(resolve, 100));

// Spot allows no credentials, which the page sends: at EUCAIM both are of one origin.
const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-web-security"] });
const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
const errors = new Set();
page.on("pageerror", (error) => errors.add(error.message.split("\n")[0]));
const decoded = (text) => JSON.parse(Buffer.from(text, "base64"));

// Search, and wait for the answer's end.
async function search(name) {
  const [asked, answered] = [page.waitForRequest((each) => each.method() === "POST"), page.waitForResponse(/\/beam\/.+/)];
  await page.getByRole("button", { name: "Search" }).click();
  const question = decoded(decoded((await asked).postDataJSON().query).query);
  await (await answered).finished();
  await page.waitForTimeout(1000);
  const rows = await page.locator("tr.table-row:has(.table-cell-name)").all();
  const cells = (row) => row.locator("td").allInnerTexts();
  const table = (await Promise.all(rows.map(cells))).map((row) => row.map((text) => text.trim()));
  console.log(JSON.stringify({ name, ast: question.ast, table }));
  for (const button of await page.locator(".expand-button").all()) await button.click();
  await page.waitForTimeout(500);
  await page.screenshot({ path: join(pictures, `${name.replaceAll(/\W+/g, "-").toLowerCase()}.png`), fullPage: true });
}

// Open the catalogue's page anew at a field.
async function field(category, name) {
  await page.goto(address);
  await page.getByText(category, { exact: true }).click({ timeout: SECONDS });
  await page.getByText(name).first().click();
}

async function value(category, name, text) {
  await field(category, name);
  await page.locator(`div:has(> span:text-is("${text}")) + button`).click();
  await search(`${name}: ${text}`);
}

async function from(category, name, number) {
  await field(category, name);
  await page.locator('input[type="number"]').first().fill(String(number));
  await page.locator('[part~="query-add-button"]').first().click();
  await search(`${name}: ${number} to 0`);
}

await page.goto(address);
await page.getByText("Image Parameters").waitFor({ timeout: SECONDS });
await search("everything");
await value("Image Parameters", "Modality", "Computed Tomography");
await value("Patient", "Gender", "female");
await from("Patient", "Age at Diagnosis", 40);
await value("Cancer stage", "cT category", "cT1");
console.log(JSON.stringify({ errors: [...errors] }));
await browser.close();
server.kill();
