// dcmjs-dimse on an Accord: it stores a file, asks by N-ACTION whether that and another object are kept, and is told by
// N-EVENT-REPORT on an association that Accord opens (PS3.4 annex J).
import dimse from "dcmjs-dimse";
import net from "node:net";

dimse.log.setLevel("silent"); // it logs where we print
const { Client, Dataset, Scp, Server } = dimse;
const { CStoreRequest, NActionRequest } = dimse.requests;
const { NEventReportResponse } = dimse.responses;
const { PresentationContextResult, SopClass, Status, StorageClass } = dimse.constants;
const [port, calling, called, own, path, other] = process.argv.slice(2);
const PUSH = SopClass.StorageCommitmentPushModel, INSTANCE = `${PUSH}.1`;
const tell = (what, seen) => console.log([what, ...seen].join("\t"));

const asked = (request) =>
  new Promise((resolve, reject) => {
    const client = new Client();
    request.on("response", (response) => resolve(response.getStatus()));
    client.on("networkError", reject);
    client.on("associationRejected", reject);
    client.addRequest(request);
    client.send("127.0.0.1", Number(port), calling, called);
  });

const reported = new Promise((resolve) => {
  class Told extends Scp {
    associationRequested(association) {
      this.association = association;
      for (const { id } of association.getPresentationContexts()) {
        const context = association.getPresentationContext(id);
        context.setResult(PresentationContextResult.Accept, context.getTransferSyntaxUids()[0]);
      }
      this.sendAssociationAccept();
    }

    nEventReportRequest(request, callback) {
      const response = NEventReportResponse.fromRequest(request);
      response.setStatus(Status.Success);
      callback(response);
      resolve(request.getDataset().getElements());
    }

    associationReleaseRequested() {
      this.sendAssociationReleaseResponse();
    }
  }
  const listen = net.Server.prototype.listen; // it names no address, and would listen on every one
  net.Server.prototype.listen = function (at) {
    return listen.call(this, at, "127.0.0.1");
  };
  new Server(Told).listen(Number(own));
});

const store = new CStoreRequest(path);
await asked(store);
const kept = store.getAffectedSopInstanceUid();
const reference = (uid) => ({ ReferencedSOPClassUID: StorageClass.MrImageStorage, ReferencedSOPInstanceUID: uid });
const action = new NActionRequest(PUSH, INSTANCE, 1);
action.setDataset(
  new Dataset({ TransactionUID: Dataset.generateDerivedUid(), ReferencedSOPSequence: [reference(kept), reference(other)] }),
);
tell("asked", [await asked(action)]);
const report = await reported;
const uids = (sequence) => [sequence ?? []].flat().map((item) => item.ReferencedSOPInstanceUID);
tell("kept", uids(report.ReferencedSOPSequence));
tell("not kept", uids(report.FailedSOPSequence));
process.exit();
