"""FHIR XML (R4 2.6.1) of what was written as JSON: the same elements, in the order in which R4 defines them.

That order is read off the classes of `fhir.resources`; no model is built. R4B, which it has, defines what we serve as R4 does.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, get_args
from xml.sax.saxutils import quoteattr

import msgspec

NAMESPACE = "http://hl7.org/fhir"
_ATTRIBUTES = {"Extension": ("id", "url")}
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to say (section 2.2)."""
_XHTML = "div"
Model = Any
"""A class of `fhir.resources`."""
Members = Mapping[str, Model | None]
"""Elements in their order, each with its model; None where it is a primitive, or a resource that says itself what it is."""


def as_xml(served: bytes, *, pretty: bool = False) -> bytes:
    """The XML of a resource's JSON, in lines where it is to be `pretty`. Raises KeyError for what R4 does not define."""
    told = _DECODER.decode(served)
    inner = "".join(_members_of(told, _resource(told["resourceType"])))
    written = f'<?xml version="1.0" encoding="UTF-8"?>{_named(told["resourceType"], inner)}'
    return (_indented(written) if pretty else written).encode()


def _indented(written: str) -> str:
    """What `as_xml` wrote, each element on a line of its own, in time that grows with its length alone."""
    depth, lines = 0, list[str]()
    for line in written.replace("><", ">\n<").split("\n"):  # an attribute's own < and > are escaped, as its ends of lines are
        lines.append("  " * (depth - line.startswith("</")) + line)
        depth += line.count("<") - 2 * line.count("</") - line.count("/>") - line.startswith("<?")
    return "\n".join((*lines, ""))


_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def _named(resource: str, inner: str) -> str:
    return f'<{resource} xmlns="{NAMESPACE}">{inner}</{resource}>'


@cache
def _resource(name: str) -> Model:
    from fhir.resources.R4B import get_fhir_model_class  # noqa: PLC0415 - most of a second, for who asks for XML

    return get_fhir_model_class(name)


@cache
def _defined(model: Any) -> Members:
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    return {name: _model(fields[name]) for name in model.elements_sequence()}


def _model(annotation: Any) -> Model | None:
    """The model of an element's type, however often it may stand there."""
    if hasattr(annotation, "get_model_klass"):
        model = annotation.get_model_klass()
        return None if model.__name__ in ("Resource", "FHIRPrimitiveExtension") else model
    return next(filter(None, map(_model, get_args(annotation))), None)


def _members_of(told: Mapping[str, Any], model: Model, attributes: tuple[str, ...] = ()) -> Iterator[str]:
    defined = _defined(model)
    names = {name.removeprefix("_") for name in told} - {"resourceType", *attributes}
    if unknown := names - defined.keys():
        raise KeyError(f"{model.__name__}.{min(unknown)}")
    for name in defined:
        if name in names:
            yield from _each(name, told.get(name), told.get(f"_{name}"), defined[name])


def _each(name: str, value: Any, beside: Any, model: Model | None) -> Iterator[str]:
    """An element as often as it stands there; `beside` a primitive stand its id and extensions."""
    if not isinstance(value if value is not None else beside, list):
        yield _element(name, value, beside, model)
        return
    values, besides = value or [None] * len(beside), beside or [None] * len(value)
    for one, other in zip(values, besides, strict=True):
        yield _element(name, one, other, model)


def _element(name: str, value: Any, beside: Any, model: Model | None) -> str:
    if not isinstance(value, dict):
        return str(value) if name == _XHTML else _primitive(name, value, beside or {})
    if model is None:
        kind = value["resourceType"]
        return f"<{name}>{_named(kind, ''.join(_members_of(value, _resource(kind))))}</{name}>"
    attributes = _ATTRIBUTES.get(model.__name__, ("id",))
    inner = "".join(_members_of(value, model, attributes))
    return f"<{name}{''.join(_attribute(a, value[a]) for a in attributes if a in value)}>{inner}</{name}>"


def _primitive(name: str, value: Any, beside: Mapping[str, Any]) -> str:
    said = "" if value is None else _attribute("value", value)
    if "id" in beside:
        said = _attribute("id", beside["id"]) + said
    extensions = _each("extension", beside.get("extension"), None, _resource("Extension")) if "extension" in beside else ()
    return f"<{name}{said}>{inner}</{name}>" if (inner := "".join(extensions)) else f"<{name}{said}/>"


def _attribute(name: str, value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f" {name}={quoteattr(_NO_XML.sub(chr(0xFFFD), text))}"
