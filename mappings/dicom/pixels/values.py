"""Turns stored values into what a person sees, 8 bits: modality transform, VOI transform or palette (PS3.3 §C.7.6.3, §C.11)."""

from collections.abc import Iterator
from math import isfinite

import numpy as np

from mappings.dicom.pixels.attributes import FrameAttributes, Lut, Window, undecodable
from mappings.dicom.pixels.frames import Array
from mappings.failures import Invalid

STRIP = 1024 * 1024
"""Pixels that are looked at together."""
MOST_VALUES = 65_536
"""Between the least and the greatest integer of a frame: what each looks like is made once, and not at every pixel."""
_FUNCTIONS = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})


def shown(source: FrameAttributes, stored: Array, window: Window | None) -> Array:
    """Stored values as a person sees them: grey (rows, columns) or RGB, 8 bits. Raises Invalid for a window that is none."""
    if stored.ndim == 3:
        return (stored >> max(source.stored - 8, 0)).astype(np.uint8)
    if source.photometric == "PALETTE COLOR":
        return np.concatenate([_coloured(source, strip) for strip in _strips(stored)])
    chosen = _chosen(source, window)
    ends = (0.0, 1.0) if chosen or source.voi_lut.data else _ends(source, stored)
    if stored.dtype.kind != "f" and (low := int(stored.min())) > (high := int(stored.max())) - min(MOST_VALUES, STRIP):
        each = _grey(source, np.arange(low, high + 1).astype(stored.dtype), chosen, ends)
        return np.concatenate([each[strip.astype(np.intp) - low] for strip in _strips(stored)])
    return np.concatenate([_grey(source, strip, chosen, ends) for strip in _strips(stored)])


def _strips(stored: Array) -> Iterator[Array]:
    """Some rows at a time: as fractions a whole frame would take a multiple of its memory."""
    rows = max(STRIP // stored.shape[1], 1)
    return (stored[at : at + rows] for at in range(0, len(stored), rows))


def _chosen(source: FrameAttributes, window: Window | None) -> Window | None:
    """The window that was asked for, else the object's own where it has one that can be used."""
    if window is not None:
        if not _usable(*window):
            raise Invalid("window", "A window is center, width from 1 and linear, linear-exact or sigmoid.", "window")
        return window
    center, width, function = source.window
    if source.keyword != "PixelData":
        function = "LINEAR_EXACT"  # half a step off, as LINEAR is, has no meaning between fractions: writers mean the exact one
    return (center, width, function) if _usable(center, width, function) else None


def _grey(source: FrameAttributes, stored: Array, window: Window | None, ends: tuple[float, float]) -> Array:
    """Stored values through modality and VOI transform (PS3.3 §C.11.1, §C.11.2); without one, `ends` are dark and light."""
    values = _modality(source, stored)
    if window is not None:
        light = _windowed(values, *window)
    elif (lut := source.voi_lut).data:
        light = _entry(values, lut, _table(source, lut)) / _most(lut)
    else:
        light = (values - ends[0]) / ((ends[1] - ends[0]) or 1)
    return _eight(1 - light if source.inverse else light)


def _modality(source: FrameAttributes, stored: Array) -> Array:
    if (lut := source.modality_lut).data:
        return _entry(stored, lut, _table(source, lut)).astype(np.float32)
    values: Array = np.nan_to_num(stored.astype(np.float64 if stored.itemsize > 2 else np.float32), nan=0, posinf=0, neginf=0)
    slope, intercept = source.rescale
    values *= slope
    values += intercept
    return values


def _usable(center: float, width: float, function: str) -> bool:
    least = 1 if _function(function) == "LINEAR" else 0
    return isfinite(center) and isfinite(width) and width >= least and width > 0 and _function(function) in _FUNCTIONS


def _function(code: str) -> str:
    return code.upper().replace("-", "_")


def _windowed(values: Array, center: float, width: float, function: str) -> Array:
    """PS3.3 §C.11.2.1.2 and §C.11.2.1.3, not yet clipped."""
    if _function(function) == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -50, 50)))
    if _function(function) == "LINEAR":
        center, width = center - 0.5, max(width - 1, 1e-6)
    return (values - center) / width + 0.5


def _ends(source: FrameAttributes, stored: Array) -> tuple[float, float]:
    """The values that are dark and light where no window says it: of a mask its own range, else the frame's without padding."""
    if source.stored == 1 or source.max_fraction is not None:
        return 0, source.max_fraction or 1
    each = (_modality(source, strip)[_seen(source, strip)] for strip in _strips(stored))
    ends = [(float(values.min()), float(values.max())) for values in each if values.size]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else (0, 1)


def _seen(source: FrameAttributes, stored: Array) -> Array:
    """Where values are no padding."""
    seen = np.isfinite(stored)
    if source.padding and source.keyword == "PixelData":
        low, high = source.padding
        seen &= (stored < low) | (stored > high)
    return seen


# ---- lookup tables (PS3.3 §C.11.1.1, §C.11.2.1.1, §C.7.6.3.1.5) ----


def _coloured(source: FrameAttributes, stored: Array) -> Array:
    return np.dstack([_eight(_colour(source, stored, lut)) for lut in source.palette])


def _colour(source: FrameAttributes, stored: Array, lut: Lut) -> Array:
    """One colour of a palette. Entries of 16 bits that hold 8 only, as some writers make them, count as 8."""
    entries = _table(source, lut)
    most = 255 if lut.bits > 8 and entries.max() < 256 else _most(lut)
    return _entry(stored, lut, entries) / most


def _most(lut: Lut) -> int:
    return (1 << min(max(lut.bits, 1), 16)) - 1


def _table(source: FrameAttributes, lut: Lut) -> Array:
    """A LUT's entries: bytes where as many bytes as entries are there, else words."""
    words = len(lut.data) >= 2 * lut.entries
    if not words and len(lut.data) < lut.entries:
        raise undecodable("its lookup table is cut short")
    return np.frombuffer(lut.data, f"{source.order}u{1 + words}", lut.entries)


def _entry(values: Array, lut: Lut, entries: Array) -> Array:
    looked_up: Array = entries[np.clip(np.rint(values).astype(np.int64) - lut.first, 0, len(entries) - 1)]
    return looked_up


def _eight(light: Array) -> Array:
    eight: Array = (np.clip(np.nan_to_num(light), 0, 1) * 255 + 0.5).astype(np.uint8)
    return eight
