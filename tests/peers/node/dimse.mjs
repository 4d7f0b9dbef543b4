// dcmjs-dimse on an Accord: it verifies the connection (C-ECHO) and stores a file (C-STORE).
import dimse from "dcmjs-dimse";

dimse.log.setLevel("silent"); // it logs where we print
const { Client } = dimse;
const { CEchoRequest, CStoreRequest } = dimse.requests;
const [port, calling, called, path] = process.argv.slice(2);

const asked = (request) =>
  new Promise((resolve, reject) => {
    const client = new Client();
    request.on("response", (response) => resolve(response.getStatus()));
    client.on("networkError", reject);
    client.on("associationRejected", reject);
    client.addRequest(request);
    client.send("127.0.0.1", Number(port), calling, called);
  });
const tell = (what, seen) => console.log([what, ...seen].join("\t"));

tell("echoed", [await asked(new CEchoRequest())]);
tell("stored", [await asked(new CStoreRequest(path))]);
