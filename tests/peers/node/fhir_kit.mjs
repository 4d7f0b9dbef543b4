// fhir-kit-client on an Accord, with a bearer token.
import { Client } from "fhir-kit-client";

const [baseUrl, bearerToken, pseudonym] = process.argv.slice(2);
const client = new Client({ baseUrl, bearerToken });
const resourceType = "ImagingStudy";

const ids = (bundle, kind = resourceType) =>
  (bundle.entry ?? []).map((entry) => entry.resource).filter((each) => each.resourceType === kind).map((each) => each.id);
const search = (searchParams) => client.search({ resourceType, searchParams });
const tell = (what, seen) => console.log([what, ...seen].join("\t"));

async function paged(bundle) {
  const seen = [];
  for (let page = bundle; page; page = await client.nextPage({ bundle: page })) seen.push(...ids(page));
  return seen;
}

async function refused() {
  try {
    await search({ colour: "red" });
  } catch (error) {
    return error.response.data.issue[0].diagnostics;
  }
}

const chained = ids(await search({ "patient.identifier": pseudonym }));
tell("chained", chained);
tell("read", [(await client.read({ resourceType, id: chained[0] })).started]);
tell("found", ids(await search({ modality: "CT", _count: 100 })));
tell("paged", await paged(await search({ _count: 7 })));
tell("sorted", ids(await search({ _sort: "-started", _count: 100 })));
tell("included", ids(await search({ _id: chained[0], _include: "ImagingStudy:patient" }), "Patient"));
tell("counted", [(await search({ _summary: "count" })).total]);
tell("refused", [await refused()]);
