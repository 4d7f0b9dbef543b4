"""CKAN's reader of catalogues on an Accord, page by page as its harvester asks, and prints each dataset as a line of JSON."""

import json
import sys

import requests
from ckanext.dcat.processors import RDFParser

url, profile = sys.argv[1:]
while url:
    requests.head(url, timeout=60).raise_for_status()
    page = requests.get(url, timeout=60)
    page.raise_for_status()
    parser = RDFParser(profiles=[profile])
    parser.parse(page.text, _format=page.headers["content-type"])
    for dataset in parser.datasets():
        print(json.dumps(dataset))
    url = parser.next_page()
