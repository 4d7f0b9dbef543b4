// dicomweb-client of npm on an Accord, in a page of another origin, since it asks by XMLHttpRequest: it finds, reads and stores.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { open, serve } from "./page.mjs";

const [program, port, base, token, native, jpeg, path, alias] = process.argv.slice(2);
const built = fileURLToPath(import.meta.resolve("dicomweb-client"));
const server = await serve("nothing", Number(port), { "/index.html": `<!doctype html><script src="/client.js"></script>`, "/client.js": readFileSync(built) });
const { browser, page, refused } = await open(program, base);
await page.goto(`http://127.0.0.1:${port}/`);

async function asked({ base, token, native, jpeg, deposit, alias }) {
  const headers = { Authorization: `Bearer ${token}` };
  const client = new DICOMwebClient.api.DICOMwebClient({ url: `${base}/dicom-web`, headers });
  const deposits = new DICOMwebClient.api.DICOMwebClient({ url: `${base}/datasets/${alias}/dicom-web`, headers });
  const value = (found, tag) => found[tag].Value[0];
  const hexadecimal = (bytes) => [...new Uint8Array(bytes)].map((each) => each.toString(16).padStart(2, "0")).join("");
  const digest = async (bytes) => hexadecimal(await crypto.subtle.digest("SHA-256", bytes));
  const digests = (contents) => Promise.all(contents.map(digest));
  const studies = (found) => found.map((each) => value(each, "0020000D")).sort();

  async function paged() {
    const seen = [];
    for (let page = null; page === null || page.length; seen.push(...page))
      page = await client.searchForStudies({ queryParams: { limit: 7, offset: seen.length } });
    return studies(seen);
  }

  async function instance(studyInstanceUID) {
    const [found] = await client.searchForInstances({ studyInstanceUID });
    return { studyInstanceUID, seriesInstanceUID: value(found, "0020000E"), sopInstanceUID: value(found, "00080018") };
  }

  async function frames(study, more = {}) {
    const named = await instance(study);
    const [metadata] = await client.retrieveInstanceMetadata(named);
    const frameNumbers = Array.from({ length: value(metadata, "00280008") }, (_, index) => index + 1);
    return digests(await client.retrieveInstanceFrames({ ...named, frameNumbers, ...more }));
  }

  const [metadata] = await client.retrieveStudyMetadata({ studyInstanceUID: native });
  const seen = {
    paged: await paged(),
    found: studies(await client.searchForStudies({ queryParams: { ModalitiesInStudy: "CT" } })),
    metadata: [value(metadata, "00080018")],
    "bulk data": await digests(await client.retrieveBulkData({ BulkDataURI: metadata["7FE00010"].BulkDataURI })),
    frames: await frames(native),
    compressed: await frames(jpeg, { mediaTypes: [{ mediaType: "image/jpeg", transferSyntaxUID: "1.2.840.10008.1.2.4.50" }] }),
    retrieved: await digests(await client.retrieveStudy({ studyInstanceUID: native })),
  };
  const file = Uint8Array.from(atob(deposit), (each) => each.charCodeAt(0));
  const answer = JSON.parse(await deposits.storeInstances({ datasets: [file.buffer] }));
  seen.stored = answer["00081199"].Value.map((each) => value(each, "00081155"));
  seen.kept = await digests([await client.retrieveInstance(await instance(value(answer, "00081190").split("/").pop()))]);
  return seen;
}

const deposit = readFileSync(path).toString("base64");
const seen = await page.evaluate(asked, { base, token, native, jpeg, deposit, alias });
for (const [what, values] of Object.entries({ ...seen, refused })) console.log([what, ...values].join("\t"));
await browser.close();
server.close();
