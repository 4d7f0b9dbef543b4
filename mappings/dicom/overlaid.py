"""The SOP classes of what is drawn over images, or read beside them, by who looks at these (PS3.4 annex B.5)."""

from types import MappingProxyType

_STORAGE = "1.2.840.10008.5.1.4.1.1"
OVERLAID = MappingProxyType(
    {
        f"{_STORAGE}.66.4": "Segmentation",
        f"{_STORAGE}.66.7": "Label Map Segmentation",
        f"{_STORAGE}.66.5": "Surface Segmentation",
        f"{_STORAGE}.481.3": "RT Structure Set",
        f"{_STORAGE}.91.1": "Microscopy Bulk Simple Annotations",
    }
)
_FAMILIES = (f"{_STORAGE}.88.", f"{_STORAGE}.11.")
"""Structured reports, and presentation states."""


def is_drawn_over_images(sop_class: str) -> bool:
    """Whether a viewer needs all of an object to show it: segmentations, structures, annotations, reports, states."""
    return sop_class in OVERLAID or sop_class.startswith(_FAMILIES)
