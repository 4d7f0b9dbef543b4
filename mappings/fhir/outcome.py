"""OperationOutcome (R4): how every refusal is said on the FHIR face."""

import msgspec

from mappings.fhir.serial import told


def outcome(code: str, sentence: str, where: str | None = None, severity: str = "error") -> bytes:
    """An OperationOutcome's JSON with one issue: issue-type `code`, the sentence, and the parameter or element at fault."""
    issue = told(severity=severity, code=code, details={"text": sentence}, expression=[where] if where else None)
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [issue]})
