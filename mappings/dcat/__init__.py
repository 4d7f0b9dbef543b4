"""Datasets described for harvesters, as EUCAIM DCAT-AP has them."""
