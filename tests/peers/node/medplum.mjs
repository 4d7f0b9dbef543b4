// Medplum's client on an Accord: it proves itself with an assertion (SMART Backend Services).
import { MedplumClient } from "@medplum/core";

const [baseUrl, assertion, pseudonym] = process.argv.slice(2);
const { origin, pathname } = new URL(baseUrl);
const medplum = new MedplumClient({ baseUrl: origin, fhirUrlPath: pathname.slice(1), tokenUrl: `${origin}/oauth/token` });
const kind = "ImagingStudy";

const ids = (resources) => [...resources].map((each) => each.id);
const search = (query) => medplum.searchResources(kind, query);
const tell = (what, seen) => console.log([what, ...seen].join("\t"));

async function paged() {
  const seen = [];
  for await (const page of medplum.searchResourcePages(kind, { _count: 7 })) seen.push(...ids(page));
  return seen;
}

async function refused() {
  try {
    await search({ colour: "red" });
  } catch (error) {
    return error.outcome.issue[0].diagnostics;
  }
}

await medplum.startJwtAssertionLogin(assertion);
const chained = ids(await search({ "patient.identifier": pseudonym }));
tell("chained", chained);
tell("read", [(await medplum.readResource(kind, chained[0])).started]);
tell("found", ids(await search({ modality: "CT", _count: 100 })));
tell("paged", await paged());
tell("sorted", ids(await search({ _sort: "-started", _count: 100 })));
const including = await medplum.search(kind, { _id: chained[0], _include: "ImagingStudy:patient" });
tell("included", ids(including.entry.map((entry) => entry.resource).filter((each) => each.resourceType === "Patient")));
tell("counted", [(await medplum.search(kind, { _summary: "count" })).total]);
tell("refused", [await refused()]);
