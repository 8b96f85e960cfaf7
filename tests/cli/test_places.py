"""Where S3 is: precedence of all places that may say so, held against botocore where it is AWS's to say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gof3r.config import Config
from gof3r.engine.errors import UsageError
from gof3r.engine.s3.request import request_for
from gof3r.engine.values import Endpoint
from gof3r.places import Place, place

NOWHERE: Mapping[str, str] = {"HOME": "/nowhere"}
AWS = "https://s3.us-east-1.amazonaws.com"


def at(given: Mapping[str, Any] = {}, environ: Mapping[str, str] = {}) -> Place:
    return place(Config(**given), {**NOWHERE, **environ})


ALL = {"AWS_ENDPOINT_URL_S3": "http://s3", "AWS_ENDPOINT_URL": "http://any"}


@pytest.mark.parametrize(
    ("given", "environ", "endpoint"),
    [
        ({"endpoint": "given"}, ALL, Endpoint("https", "given")),
        ({}, ALL, Endpoint("http", "s3")),
        ({}, {"AWS_ENDPOINT_URL": "http://any"}, Endpoint("http", "any")),
        ({}, {"AWS_ENDPOINT_URL": ""}, Endpoint("https", "s3.us-east-1.amazonaws.com")),
        ({"endpoint": "given:9000", "ssl": False}, {}, Endpoint("http", "given", 9000)),
        ({"endpoint": "https://given", "ssl": False}, {}, Endpoint("https", "given")),
        ({"ssl": False}, {}, Endpoint("http", "s3.us-east-1.amazonaws.com")),
        ({"region": "eu-west-1"}, {}, Endpoint("https", "s3.eu-west-1.amazonaws.com")),
        ({"region": "cn-north-1"}, {}, Endpoint("https", "s3.cn-north-1.amazonaws.com.cn")),
    ],
)
def test_the_endpoint_comes_from_the_nearest_place(
    given: dict[str, Any], environ: dict[str, str], endpoint: Endpoint
) -> None:
    assert at(given, environ).endpoint == endpoint


def test_configured_endpoints_can_be_ignored_but_a_given_one_is_taken() -> None:
    environ = {**ALL, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert str(at({}, environ).endpoint) == AWS
    assert str(at({"endpoint": "given"}, environ).endpoint) == "https://given"
    assert str(at({}, {**environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}).endpoint) == "http://s3"


CONFIG = """
[default]
region = of-default
s3 =
    max_concurrent_requests = 20
[profile named]
region=of-named
[profile "two words"]
region=of-two
[profile bare]
output = json
[profile o'brien]
region = 100%sure
[profile both]
region = of-config
[profile store]
endpoint_url = http://store:9000
[profile services]
services = mine
endpoint_url = http://generic
[profile other-services]
services = others
endpoint_url = http://generic
[profile no-services]
services = absent
[profile ignoring]
endpoint_url = http://store:9000
ignore_configured_endpoint_urls = TRUE
[services mine]
ec2 =
  endpoint_url = http://ec2
s3 =
  endpoint_url = http://mine:9000/prefix
[services others]
ec2 =
  endpoint_url = http://ec2
[profile path]
s3 =
  addressing_style = path
[profile accelerated]
region = eu-west-1
s3 =
  use_accelerate_endpoint = true
  addressing_style = path
[profile trusting]
ca_bundle = /nowhere/of-profile.pem
"""
CREDENTIALS = """
[both]
aws_secret_access_key = s
region = of-credentials
[only]
region = of-only
"""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    (home / ".aws").mkdir()
    (home / ".aws/config").write_text(CONFIG)
    (home / ".aws/credentials").write_text(CREDENTIALS)
    return {"HOME": str(home)}


@pytest.mark.parametrize(
    ("given", "environ", "region"),
    [
        ({"region": "given"}, {"AWS_REGION": "r", "AWS_DEFAULT_REGION": "d"}, "given"),
        ({}, {"AWS_REGION": "r", "AWS_DEFAULT_REGION": "d"}, "r"),
        ({}, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "d"}, "d"),
        ({"profile": "named"}, {"AWS_DEFAULT_REGION": "d"}, "d"),
        ({}, {}, "of-default"),
        ({"profile": "default"}, {}, "of-default"),
        ({"profile": "named"}, {"AWS_PROFILE": "default"}, "of-named"),
        ({}, {"AWS_PROFILE": "named"}, "of-named"),
        ({}, {"AWS_PROFILE": "named", "AWS_DEFAULT_PROFILE": "two words"}, "of-two"),
        ({"profile": "two words"}, {}, "of-two"),
        ({"profile": "both"}, {}, "of-credentials"),
        ({"profile": "both"}, {"AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}, "of-config"),
        ({"profile": "only"}, {}, "of-only"),
        ({"profile": "bare"}, {}, "us-east-1"),
        ({"profile": "absent"}, {}, "us-east-1"),
        ({}, {"AWS_CONFIG_FILE": "/nowhere"}, "us-east-1"),
        ({}, {"AWS_CONFIG_FILE": "~/.aws/config"}, "of-default"),
        # An endpoint of AWS names its region, which s3gof3r's users rely on.
        ({"endpoint": "s3-eu-west-1.amazonaws.com"}, {}, "eu-west-1"),
        ({"endpoint": "https://s3.us-gov-west-1.amazonaws.com/"}, {}, "us-gov-west-1"),
        ({"endpoint": "s3.dualstack.eu-west-1.amazonaws.com"}, {}, "eu-west-1"),
        ({"endpoint": "s3.cn-north-1.amazonaws.com.cn"}, {}, "cn-north-1"),
        ({"endpoint": "s3-eu-west-1.amazonaws.com"}, {"AWS_REGION": "r"}, "r"),
        ({"endpoint": "s3.amazonaws.com"}, {}, "of-default"),
        ({"endpoint": "s3-external-1.amazonaws.com"}, {}, "of-default"),
        ({"endpoint": "s3-accelerate.amazonaws.com"}, {}, "of-default"),
        ({"endpoint": "s3.eu-west-1.amazonaws.com.example.org"}, {}, "of-default"),
    ],
)
def test_the_region_comes_from_the_nearest_place(
    given: dict[str, Any], environ: dict[str, str], region: str, aws: dict[str, str]
) -> None:
    assert at(given, {**aws, **environ}).region == region


def test_a_region_that_is_none_is_refused_wherever_it_comes_from(aws: dict[str, str]) -> None:
    for environ in ({"AWS_REGION": "a/b"}, {"AWS_PROFILE": "o'brien"}):
        with pytest.raises(UsageError, match="is not a region"):
            at({}, {**aws, **environ})


@pytest.mark.parametrize(
    ("profile", "environ", "endpoint"),
    [
        ("store", {}, "http://store:9000"),
        ("store", {"AWS_ENDPOINT_URL": "http://any"}, "http://any"),
        ("store", {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, AWS),
        ("ignoring", {}, AWS),
        ("ignoring", {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}, "http://store:9000"),
        ("services", {}, "http://mine:9000/prefix"),
        ("other-services", {}, "http://generic"),
        ("named", {}, "https://s3.of-named.amazonaws.com"),
    ],
)
def test_a_profile_names_its_endpoint(
    profile: str, environ: dict[str, str], endpoint: str, aws: dict[str, str]
) -> None:
    assert str(at({"profile": profile}, {**aws, **environ}).endpoint) == endpoint


def test_a_section_of_services_that_is_missing_is_no_reason_to_go_to_aws(aws: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"profile no-services: there is no section \[services absent\]"):
        at({"profile": "no-services"}, aws)
    assert at({"profile": "no-services", "endpoint": "given"}, aws).endpoint.host == "given"


FIPS, DUAL = "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"


class _NotSent(Exception):
    """Instead of a request of botocore's."""


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("", {}),
        ("", {FIPS: "true"}),
        ("", {DUAL: "true"}),
        ("", {FIPS: "TRUE", DUAL: "true"}),
        ("use_fips_endpoint = true", {}),
        ("use_fips_endpoint = true", {FIPS: "false"}),
        ("use_dualstack_endpoint = true", {}),
        ("use_dualstack_endpoint = true", {DUAL: "false"}),
        ("s3 =\n  use_dualstack_endpoint = true", {}),
        ("s3 =\n  use_dualstack_endpoint = true", {DUAL: "false"}),
        ("s3 =\n  use_dualstack_endpoint = false", {DUAL: "true"}),
        ("use_fips_endpoint = yes", {}),
        ("s3 =\n  use_accelerate_endpoint = true", {}),
        ("s3 =\n  use_accelerate_endpoint = true", {DUAL: "true"}),
        ("s3 =\n  use_accelerate_endpoint = true\n  addressing_style = path", {}),
        ("s3 =\n  addressing_style = path", {}),
        ("s3 =\n  addressing_style = virtual", {}),
        ("region = cn-north-1", {}),
        ("region = cn-north-1", {DUAL: "true"}),
        ("region = us-gov-west-1", {FIPS: "true"}),
        (
            "endpoint_url = https://s3.eu-west-3.amazonaws.com\ns3 =\n  addressing_style = path",
            {FIPS: "true"},
        ),
    ],
)
def test_aws_is_where_botocore_finds_it(
    text: str, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore import UNSIGNED
    from botocore.config import Config as Theirs
    from botocore.session import Session

    path = tmp_path / "config"
    path.write_text(f"[default]\n{'' if 'region' in text else 'region = eu-west-1'}\n{text}\n")
    settings = {"AWS_CONFIG_FILE": str(path), "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", **environ}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    client: Any = Session().create_client("s3", config=Theirs(signature_version=UNSIGNED))
    sent = []

    def keep(request: Any, **_: Any) -> None:
        sent.append(request.url)
        raise _NotSent

    client.meta.events.register("before-send.s3", keep)
    with pytest.raises(_NotSent):
        client.head_object(Bucket="bucket", Key="key")
    theirs = urlsplit(sent[0])
    ours = request_for(at({}, settings).target("bucket", "key"), "head_object", "HEAD")
    assert (ours.scheme, ours.authority, ours.path) == (theirs.scheme, theirs.netloc, theirs.path)


def test_an_accelerated_endpoint_cannot_be_a_fips_one(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("[default]\nuse_fips_endpoint = true\ns3 =\n  use_accelerate_endpoint = true\n")
    with pytest.raises(UsageError, match="no endpoint that is both"):
        at({}, {"AWS_CONFIG_FILE": str(path)})


@pytest.mark.parametrize(("path_style", "bucket"), [(False, "a.b"), (True, "bucket")])
def test_an_accelerated_endpoint_takes_no_path_style(path_style: bool, bucket: str) -> None:
    here = at({"endpoint": "s3-accelerate.dualstack.amazonaws.com", "path_style": path_style})
    with pytest.raises(UsageError, match=f"'{bucket}' at .*s3-accelerate.*no --path-style"):
        here.target(bucket, "key")


@pytest.mark.parametrize(
    ("given", "bucket", "path_style"),
    [
        ({}, "bucket", False),
        ({"path_style": True}, "bucket", True),
        ({}, "a.b", True),
        ({"endpoint": "127.0.0.1:9000"}, "bucket", True),
        ({"endpoint": "localhost"}, "bucket", True),
        ({"endpoint": "s3.example.org"}, "bucket", False),
        ({"endpoint": "s3.example.org", "profile": "path"}, "bucket", True),
        ({"endpoint": "s3-accelerate.amazonaws.com", "profile": "path"}, "bucket", False),
    ],
)
def test_path_style_is_used_where_it_is_asked_for_or_a_host_name_cannot_carry_the_bucket(
    given: dict[str, Any], bucket: str, path_style: bool, aws: dict[str, str]
) -> None:
    assert at(given, aws).target(bucket, "key").path_style is path_style


def test_the_nearest_ca_bundle_wins(tmp_path: Path) -> None:
    one, two, three, config = (tmp_path / name for name in ("one.pem", "two.pem", "three.pem", "config"))
    for path in (one, two, three):
        path.touch()
    config.write_text(f"[default]\nca_bundle = {three}\n")
    environ = {"AWS_CA_BUNDLE": str(two), "AWS_CONFIG_FILE": str(config)}
    assert at({"ca_bundle": str(one)}, environ).ca_bundle == str(one)
    assert at({}, environ).ca_bundle == str(two)
    assert at({}, {**environ, "AWS_CA_BUNDLE": ""}).ca_bundle == str(three)
    assert at({"endpoint": "http://host"}, environ).ca_bundle == ""


def test_a_ca_bundle_that_is_not_there_is_named_with_its_place(aws: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--ca-bundle: there is no file '/nowhere/ca.pem'"):
        at({"ca_bundle": "/nowhere/ca.pem"})
    with pytest.raises(UsageError, match="AWS_CA_BUNDLE: there is no file"):
        at({}, {"AWS_CA_BUNDLE": str(tmp_path)})
    with pytest.raises(UsageError, match="ca_bundle of profile trusting: there is no file"):
        at({"profile": "trusting"}, aws)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"aws_secret_access_key = SECRET\n", "line 1 cannot be understood"),
        (b"[default]\n\naws_secret_access_key SECRET\n", "line 3 cannot be understood"),
        (b"[default\nSECRET = 1\n", "line 1 cannot be understood"),
        (b"[default]\n\xffSECRET = 1\n", "it is not UTF-8"),
    ],
)
@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_file_that_cannot_be_read_is_named_and_not_shown(
    variable: str, content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    environ = {variable: str(path)}
    with pytest.raises(UsageError, match=f"{path}: {said}") as raised:
        at({}, environ)
    assert "SECRET" not in str(raised.value)
    near = {"endpoint": "http://127.0.0.1:9000", "region": "given", "path_style": True}
    assert at(near, environ).region == "given"


@pytest.mark.parametrize(
    ("endpoint", "region", "partition"),
    [
        ("", "eu-west-1", "aws"),
        ("", "us-gov-west-1", "aws-us-gov"),
        ("", "cn-north-1", "aws-cn"),
        ("s3.amazonaws.com", "us-east-1", "aws"),
        ("s3-accelerate.amazonaws.com", "us-east-1", "aws"),
        ("s3.amazonaws.com.example.org", "us-east-1", ""),
        ("mys3.amazonaws.com", "us-east-1", ""),
        ("127.0.0.1:9000", "us-east-1", ""),
    ],
)
def test_a_partition_is_told_by_awss_own_domain(endpoint: str, region: str, partition: str) -> None:
    assert at({"endpoint": endpoint, "region": region}).partition == partition
