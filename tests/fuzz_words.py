"""What a hostile client says: words for `fuzz_fhir`, good ones first, by what they are said of."""

from collections.abc import Mapping, Sequence

LONG, HUGE = 4_100, 100_000
"""More characters than a value may have, and more bytes than any header needs."""
ODD = (
    "", " ", ",", ",,", "|", "||", "|a", "a|", "a|b|c|d", "\\", "\\,", "a\\|b", "$", ":", "/", "//", "a/b/c", "../..", "*",
    "?", "%", "%00", "%zz", "'", "' OR 1=1 --", '"', ";", "\0", "a\0b", "\r\nX: 1", "\t", "\x0b\x1f\x7f", "\ufffe\uffff",
    "\u202e", "💩", "ß" * 40, "e\u0301" * 20, "null", "true", "false", "NaN", "-0", "0", "-1", "1e9", "9" * 30, "0x10", "٣",
    "<script>&amp;", "{{7*7}}", "[" * 50, "urn:oid:", "urn:oid:1.2.3", "http://", "http://[::1", "x" * 65, "x" * LONG,
    ",".join("abc" * 100), "a" * 63 + "_", "_id", "Patient/",
)  # fmt: skip
DATES = (
    "2020", "2020-01", "2020-01-01", "2020-01-01T10:00:00Z", "2020-01-01T10:00:00.123456+01:00", "2020-01-01T10:00:00 01:00",
    "2020-13", "2020-02-30", "0000", "9999", "2999-12-31", "1000-01-01T00:00:00+23:59", "2020-01-01T24:00:00Z", "20200101",
    "now", "2020-01-01T10:00", "2020-1-1", "٢٠٢٠", "2020-01-01T10:00:60Z", "2020-01-01T10:00:00+99:99",
    "2999-12-31T23:59:59.999999-23:59",
)  # fmt: skip
NUMBERS = ("45", "0", "-0", "999999", "1000000", "45.0", "45.5", "+3", "1e3", "٤٥", "-999999")
PREFIXES = ("", "", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "xx", "gege")
MODIFIERS = (
    "", "", "", "missing", "not", "exact", "contains", "identifier", "of-type", "text", "above", "in", "iterate", "Patient",
    "ImagingStudy", "Organization", "Consent", "nobody", ":", "not:not", "missing.missing",
)  # fmt: skip
CODES = (
    "male", "CT", "MR", "active", "available", "inactive", "on-study", "F", "MG", "rest", "read", "0", "E", "R", "export",
    "query", "http://dicom.nema.org/resources/ontology/DCM|CT", "http://snomed.info/sct|76752008",
    "urn:dicom:uid|urn:oid:1.2.3", "person",
)  # fmt: skip
SHAPES: Mapping[str, Sequence[str]] = {
    "_count": ("0", "1", "2", "50", "1000", "1001", "-1", "x", "1.5", "9" * 12, "", "٣"),
    "_total": ("none", "estimate", "accurate", "some", ""),
    "_totalMethod": ("count", "x"),
    "_summary": ("true", "text", "data", "count", "false", "x", ""),
    "_elements": ("id", "status,subject", "series", "meta", "", ",", "x" * 300, "Patient.gender", "identifier.value", "\0"),
    "_sort": ("_id", "-_id", "_lastUpdated", "-started,_id", "name", "a,b,c,d", "-", "--_id", "", "_id,_id"),
    "_format": (
        "json", "xml", "application/fhir+json", "application/fhir xml", "text/html", "json;fhirVersion=5.0", "", "x" * LONG,
        ";",
    ),
    "_pretty": ("true", "false", "", "yes"),
    "_since": DATES,
    "_at": DATES,
    "_type": ("Patient", "ImagingStudy,Patient", "AuditEvent", "Nobody", "", ",", "Patient,Nobody"),
    "_typeFilter": (
        "Patient?gender=male", "ImagingStudy?modality=CT,Patient?gender=female", "Patient?_count=3", "Patient", "?",
        "Patient?", "Group?member=Patient/x", "ImagingStudy?patient.organization.name=a", "Patient?gender=%00",
        "Patient?_has:ImagingStudy:patient:age=gt1",
    ),
    "_outputFormat": ("ndjson", "application/fhir+ndjson", "csv", "application/fhir ndjson", ""),
    "includeAssociatedData": ("LatestProvenanceResources", "x"),
    "patient": ("Patient/x", "x", "Group/x", ""),
    "_filter": ("name eq a",),
    "_text": ("a",),
    "_list": ("x",),
}  # fmt: skip
HEADERS: Mapping[str, Sequence[str]] = {
    "Accept": (
        "application/fhir+json", "application/fhir+xml", "*/*", "text/html", "application/fhir+json;fhirVersion=5.0",
        "a/b;q=nan", ",", "application/fhir+xml;q=0.1, application/json;q=0", "application/fhir+json;" * 90, "x/y," * 70,
        '"', "application/fhir+xml;q=1e9",
    ),
    "Prefer": (
        "respond-async", "handling=lenient", "handling=strict", "handling=lenient, respond-async", '"\\' * 200,
        "return=minimal", "respond-async; wait=10", 'handling="lenient', "=", "x" * LONG,
    ),
    "If-None-Match": ("*", 'W/"1"', '"1"', "1", 'W/"', '"' * 999, 'W/"1", "2"', "\xff"),
    "If-Match": ('W/"1"', "*", '"x"', "\\"),
    "If-Modified-Since": (
        "Fri, 31 Dec 2099 23:59:59 GMT", "x", "Fri, 31 Dec 99999999999999999999 23:59:59 GMT", "0",
        "Fri, 31 Dec 9999 23:59:59 -2359",
    ),
    "If-Unmodified-Since": ("Fri, 31 Dec 1999 23:59:59 GMT", "Thu, 01 Jan 0000 00:00:00 GMT"),
    "Accept-Encoding": ("gzip", "gzip;q=0", "*;q=nan", "identity", "gzip;q=-1, *", "br;q=1e400", ","),
    "Authorization": (
        "", "Bearer", "Bearer x", "Basic eDp5", "Bearer a.b.c", "bearer  ", "Bearer " + "." * 5_000, "\xff\xfe",
        "Bearer null",
    ),
    "Range": ("bytes=0-1", "bytes=" + "0-1," * 300, "x"),
    "Content-Length": ("0", "99999999999999", "-1", "x"),
    "Host": ("evil.example", "a b", "[::", "a:99999999", ""),
    "X-Forwarded-For": ("127.0.0.1", "x", ", , ,", "::1%25"),
    "Accept-Charset": ("utf-16",),
    "Expect": ("100-continue",),
    "Cookie": ("a=b; " * 400, '"\\777'),
    "X-Anything": ("x" * HUGE,),
}  # fmt: skip
PATHS = (
    "", "/", "/R4", "/R4/", "/R9/metadata", "/R4/$export", "/R4/Observation", "/R4/Patient/_search", "/R4/Patient//_history",
    "/R4/%00", "/R4/metadata/", "/R4/$everything", "/R4/Patient/x/$everything", "/R4/.well-known/smart-configuration",
    "/R5/Patient", "/R5/$export", "/R4/Patient/a%2fb", "/R4/..%2f..%2f", "/R4/Patient/x/_history/1",
    "/R5/ConceptMap/$translate", "/R4/Consent/x/Consent",
)  # fmt: skip
METHODS = ("PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW")
