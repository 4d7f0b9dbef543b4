"""Fills an index with studies as if they had been deposited: rows, fragments and documents as the product itself makes them."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from typing import Any

import msgspec
from sqlalchemy import insert, select

from adapters.sql import tables as t
from adapters.sql.store import stamp
from mappings.dicom.fragment import series_fragment, study_fragment
from mappings.dicom.header import Header
from mappings.fhir.imaging_study import document
from mappings.study import Instance, Series, Study, patient_key, study_key
from server.usecases.hall import Hall
