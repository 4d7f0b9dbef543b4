"""What a picture's parameters may say: anything else is the asker's mistake, never a fault of ours."""

import pytest
from flask import Flask

from mappings.failures import Invalid
from server.web import dicomweb_rendered


@pytest.mark.parametrize("quality", ["²", "٣", "0", "101", "-1", "", "1e2", "9" * 5000])
def test_a_quality_is_a_number_from_1_to_100(quality):
    with Flask("test").test_request_context(query_string={"quality": quality}), pytest.raises(Invalid):
        dicomweb_rendered._quality()
