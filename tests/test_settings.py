"""Settings come from `ACCORD_*`, are safe by default, and what is wrong in one is said by its name."""

import dataclasses
from pathlib import Path

import pytest

from server import settings
from server.settings import Settings


def test_nothing_set_listens_on_loopback_tells_no_small_counts() -> None:
    read = settings.read({})
    assert (read.bind, read.port, read.dimse_port, read.min_subjects) == ("127.0.0.1", 8080, 11112, 10)


def test_no_secret_has_a_default() -> None:
    assert Settings().federation_secret == ""


def test_each_setting_is_read_from_its_name_as_its_default_is_typed() -> None:
    changed = {"int": "7", "str": "other", "PosixPath": "other"}
    environment = {f"ACCORD_{f.name.upper()}": changed[type(f.default).__name__] for f in dataclasses.fields(Settings)}
    read, default = settings.read(environment), Settings()
    for setting in dataclasses.fields(Settings):
        value = getattr(read, setting.name)
        assert value != getattr(default, setting.name), setting.name
        assert isinstance(value, type(setting.default)), setting.name


def test_a_number_that_is_none_is_said_by_its_name() -> None:
    with pytest.raises(ValueError, match=r"^ACCORD_PORT must be a int$"):
        settings.read({"ACCORD_PORT": "http"})


def test_a_flag_wins_over_the_environment_and_a_flag_not_given_does_not() -> None:
    assert settings.read({"ACCORD_PORT": "1"}, port=2).port == 2
    assert settings.read({"ACCORD_PORT": "1"}, port=None).port == 1


def test_a_secret_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://accord:x@database/accord\n")
    assert settings.read({"ACCORD_DATABASE_URL_FILE": str(secret)}).database_url == "postgresql://accord:x@database/accord"


def test_a_missing_secret_file_is_an_error_never_the_default(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        settings.read({"ACCORD_DATABASE_URL_FILE": str(tmp_path / "none")})


def test_the_base_url_is_what_is_told_or_where_it_listens() -> None:
    assert Settings(public_url="https://images.example.org/").base_url == "https://images.example.org"
    assert Settings(port=81).base_url == "http://127.0.0.1:81"


@pytest.mark.parametrize("name", ["ACCORD_MIN_SUBJECT", "ACCORD_DATABSE_URL", "ACCORD_DATABSE_URL_FILE"])
def test_a_setting_that_does_not_exist_is_said_and_never_ignored(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        settings.read({name: "5"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEB_WORKERS", "0"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("TOKEN_SECONDS", "301"),
        ("MIN_SUBJECTS", "0"),
        ("LEASE_SECONDS", "-5"),
    ],
)
def test_a_value_with_which_nothing_works_is_said_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"ACCORD_{name} must be"):
        settings.read({f"ACCORD_{name}": value})
