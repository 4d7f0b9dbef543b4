"""OperationOutcome (R4): how every refusal is said on the FHIR face."""

import msgspec

from mappings.fhir.serial import told


def outcome(code: str, sentence: str, where: str | None = None, severity: str = "error") -> bytes:
    """An OperationOutcome's JSON with one issue: issue-type `code`, the sentence, and the parameter or element at fault.

    The sentence stands twice: many clients show `diagnostics` alone.
    """
    said = {"details": {"text": sentence}, "diagnostics": sentence}
    issue = told(severity=severity, code=code, **said, expression=[where] if where else None)
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [issue]})
