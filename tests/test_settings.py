"""Settings come from `ACCORD_*`, are safe by default, and what is wrong in one is said by its name."""

import re
from pathlib import Path

import pytest

from server import settings
from server.settings import Settings, bounds, described


def test_nothing_set_listens_on_loopback_tells_no_small_counts() -> None:
    read = settings.read({})
    assert (read.bind, read.port, read.dimse_port, read.min_subjects) == ("127.0.0.1", 8080, 11112, 10)


def test_no_secret_has_a_default() -> None:
    assert Settings().federation_secret == Settings().mail_secret == Settings().openid_client_secret == ""


@pytest.mark.parametrize(
    "issuer", ["http://login.example.org", "https://login.example.org?x", "login.example.org", "https://x y"]
)
def test_a_provider_is_reached_by_https_and_said_whole(issuer: str) -> None:
    known = {"ACCORD_OPENID_CLIENT_ID": "accord", "ACCORD_OPENID_CLIENT_SECRET": "s"}
    with pytest.raises(ValueError, match="https URL"):
        settings.read(known | {"ACCORD_OPENID_ISSUER": issuer})
    with pytest.raises(ValueError, match="needs"):
        settings.read({"ACCORD_OPENID_ISSUER": "https://login.example.org"})
    assert settings.read(known | {"ACCORD_OPENID_ISSUER": "http://127.0.0.1:9/x"}).openid == (
        "http://127.0.0.1:9/x",
        "accord",
        "s",
    )


def test_each_setting_is_read_from_its_name_as_its_default_is_typed() -> None:
    changed = {"int": "9", "str": "other", "PosixPath": "other"}
    given = {name: changed[type(field.default).__name__] for name, field in described().items()}
    formed = {
        "FEDERATION_CALLERS": "other secret",
        "ORIGINS": "https://other",
        "DIMSE_REACTORS": "stock",
        "MAIL_TLS": "tls",
        "OPENID_ISSUER": "https://other",
    }
    read = settings.read(given | {f"ACCORD_{name}": text for name, text in formed.items()})
    for field in described().values():
        value = getattr(read, field.name)
        assert value != field.default, field.name
        assert isinstance(value, type(field.default)), field.name


def test_each_setting_has_a_default_and_says_what_it_is() -> None:
    assert Settings() == settings.read({})
    assert all(len(field.type.extra_json_schema["description"]) > 5 for field in described().values())  # type: ignore[attr-defined]


def test_callers_of_the_federation_have_a_name_and_a_secret_each() -> None:
    lines = "\n  biobank  Secret of the biobank \n\nother-1 Bearer x\n"
    read = settings.read({"ACCORD_FEDERATION_SECRET": "Secret s3cr3t", "ACCORD_FEDERATION_CALLERS": lines})
    assert read.federation == {"eucaim": ("Secret s3cr3t",), "biobank": ("Secret of the biobank",), "other-1": ("Bearer x",)}
    assert settings.read({"ACCORD_FEDERATION_CALLERS": "biobank x"}).federation == {"biobank": ("x",)}
    assert settings.read({}).federation == {}


def test_two_secrets_of_a_caller_are_valid_while_it_changes() -> None:
    read = settings.read({"ACCORD_FEDERATION_SECRET": "old", "ACCORD_FEDERATION_CALLERS": "biobank a\neucaim new\nbiobank b"})
    assert read.federation == {"eucaim": ("old", "new"), "biobank": ("a", "b")}


@pytest.mark.parametrize(
    "lines", ["biobank", "Biobank x", "bio_bank x", "b x\nb y\nb z", "b x\nb x", "b x\nc x", "eucaim x\neucaim y", "b s3cr3t"]
)
def test_a_caller_without_a_name_or_a_secret_of_its_own_is_refused_without_its_secret(lines: str) -> None:
    must = "lines of a name, a space and a secret, a name at most twice and a secret once."
    with pytest.raises(ValueError, match=f"^ACCORD_FEDERATION_CALLERS must be {re.escape(must)}$"):
        settings.read({"ACCORD_FEDERATION_SECRET": "s3cr3t", "ACCORD_FEDERATION_CALLERS": lines})


def test_origins_are_those_that_browsers_send() -> None:
    named = "https://viewer.example.org http://127.0.0.1:3000\nhttp://[::1]:8000"
    assert settings.read({"ACCORD_ORIGINS": named}).allowed_origins == frozenset(named.split())
    assert settings.read({}).allowed_origins == frozenset()


@pytest.mark.parametrize(
    "origin", ["*", "null", "viewer.example.org", "https://viewer/", "https://Viewer", "ftp://viewer", "https://a,https://b"]
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match=r"^ACCORD_ORIGINS must be origins"):
        settings.read({"ACCORD_ORIGINS": origin})


NUMBERS = [name for name, field in described().items() if isinstance(field.default, int)]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_taken_from_its_least_to_its_greatest_and_no_further(name: str) -> None:
    field = described()[name]
    least, most = bounds(field) or pytest.fail("it has no bounds")
    assert [getattr(settings.read({name: str(n)}), field.name) for n in (least, most)] == [least, most]
    for beyond in (least - 1, most + 1, 10**30):
        with pytest.raises(ValueError, match=rf"^{name} must be a whole number from {least} to {most}\.$"):
            settings.read({name: str(beyond)})
        with pytest.raises(ValueError, match=rf"^{name} must be a whole number"):
            settings.read({}, **{field.name: beyond})


@pytest.mark.parametrize("text", ["http", "", "7.5", "0x50", "true", "null"])
def test_a_number_that_is_none_is_said_by_its_name_and_not_told_again(text: str) -> None:
    with pytest.raises(ValueError, match=r"^ACCORD_PORT must be a whole number from 1 to 65535\.$") as refusal:
        settings.read({"ACCORD_PORT": text, "ACCORD_FEDERATION_SECRET": "s3cr3t"})
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("word", ["", "other", "Socket", "stock socket"])
def test_a_setting_that_is_a_choice_is_one_of_its_words(word: str) -> None:
    with pytest.raises(ValueError, match=r"^ACCORD_DIMSE_REACTORS must be socket or stock\.$"):
        settings.read({"ACCORD_DIMSE_REACTORS": word})


def test_a_setting_is_changed_by_nobody() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


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
