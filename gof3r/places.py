"""Where S3 is for a user: endpoint, region, addressing and certificates, out of all places that may say so.

Theory: what is nearest to the user wins: the ``Config``, the environment, AWS's files, what S3 itself
assumes. Names and order are those of AWS's own tools (AWS SDKs and Tools Reference Guide, "Settings
reference"; where it leaves something open, botocore). An endpoint given by anyone, at any distance, is the
endpoint: use_fips_endpoint, use_dualstack_endpoint and use_accelerate_endpoint only choose among AWS's own.

This is the only module that reads settings of AWS; ``credentials`` asks for the keys. It reads the files
without botocore, which costs 0.3 s and 25 MB, and only when nothing nearer has answered. Of a file that
cannot be read it shows a line's number and never the line, which may hold a key.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from gof3r.engine.errors import UsageError, one_line
from gof3r.engine.s3.request import needs_path_style, parse_endpoint
from gof3r.engine.values import Endpoint, Header, Role, Target

from .config import Config, check_region
from .dotfile import home

REGION = "us-east-1"  # what S3 itself assumes where nobody names a region

ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "profile": ("AWS_DEFAULT_PROFILE", "AWS_PROFILE"),
    "ca-bundle": ("AWS_CA_BUNDLE",),
}
"""Option to the variables that say the same, first the one that wins: botocore's order, so that region and
keys come from one profile; AWS_REGION is the other SDKs'."""

_AWS_HOST = re.compile(
    r"s3(?:-fips)?(?:\.dualstack)?[.-]([a-z]+(?:-[a-z]+)+-[0-9]+)\.amazonaws\.com(?:\.cn)?"
)
_AWS_DOMAIN = re.compile(r"s3[a-z0-9.-]*\.amazonaws\.com(\.cn)?")
_ACCELERATE = re.compile(r"s3-accelerate(?:\.dualstack)?\.amazonaws\.com")


@dataclass(frozen=True, slots=True)
class Place:
    """One S3 service as one user reaches it."""

    endpoint: Endpoint
    region: str
    path_style: bool
    """Asked for; a bucket or an endpoint may need it all the same."""
    ca_bundle: str
    """A file of PEM certificates; empty for the usual ones."""

    @property
    def partition(self) -> str:
        """The part of AWS that this is in: objects are copied within it; empty for other services."""
        domain = _AWS_DOMAIN.fullmatch(self.endpoint.host)
        if domain is None:
            return ""
        return "aws-cn" if domain[1] else "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    def target(
        self,
        bucket: str,
        key: str,
        version_id: str = "",
        headers: tuple[Header, ...] = (),
        role: Role = "main",
    ) -> Target:
        """The object here. Raises UsageError where the endpoint cannot serve the bucket."""
        path_style = self.path_style or needs_path_style(bucket, self.endpoint)
        if path_style and _ACCELERATE.fullmatch(self.endpoint.host):
            # S3 User Guide, "Requirements for using Amazon S3 Transfer Acceleration".
            why = "it takes no --path-style and no bucket whose name has a dot"
            raise UsageError(one_line(f"bucket {bucket!r} at {self.endpoint}: {why}"))
        return Target(self.endpoint, self.region, bucket, key, path_style, version_id, headers, role)


def place(config: Config, environ: Mapping[str, str]) -> Place:
    """Where ``config`` and everything behind it put S3. Raises UsageError for a setting that is no use."""
    profile = _Profile(config.profile or _said(environ, "profile") or "default", environ)
    endpoint = _endpoint(config, environ, profile)
    # An endpoint of AWS that names its region needs no other word: s3gof3r's users give only --endpoint.
    named = _AWS_HOST.fullmatch(endpoint.host) if endpoint else None
    region = (
        config.region
        or _said(environ, "region")
        or (named and named[1])
        or profile.values.get("region")
        or REGION
    )
    check_region(region)
    if endpoint is None:
        endpoint = parse_endpoint(_aws_host(region, environ, profile), config.ssl)
    accelerated = _ACCELERATE.fullmatch(endpoint.host) is not None
    return Place(
        endpoint=endpoint,
        region=region,
        # As for botocore, accelerated comes first where a file asks for both.
        path_style=config.path_style or (not accelerated and profile.s3.get("addressing_style") == "path"),
        ca_bundle=_ca_bundle(config, environ, profile) if endpoint.scheme == "https" else "",
    )


def _said(environ: Mapping[str, str], option: str) -> str:
    return next((environ[name] for name in ENVIRONMENT[option] if environ.get(name)), "")


def _endpoint(config: Config, environ: Mapping[str, str], profile: _Profile) -> Endpoint | None:
    text = config.endpoint
    if not text and not _flag("ignore_configured_endpoint_urls", environ, profile):
        text = _said(environ, "endpoint") or profile.endpoint_url
    return parse_endpoint(text, config.ssl) if text else None


def _aws_host(region: str, environ: Mapping[str, str], profile: _Profile) -> str:
    """AWS's own for ``region`` ("Amazon Simple Storage Service endpoints" in the AWS General Reference)."""
    fips = "-fips" if _flag("use_fips_endpoint", environ, profile) else ""
    name = "use_dualstack_endpoint"
    dualstack = ".dualstack" if _true(profile.s3.get(name, "")) or _flag(name, environ, profile) else ""
    if _true(profile.s3.get("use_accelerate_endpoint", "")):
        if fips:
            raise UsageError("use_fips_endpoint and use_accelerate_endpoint: S3 has no endpoint that is both")
        return f"s3-accelerate{dualstack}.amazonaws.com"
    china = ".cn" if region.startswith("cn-") else ""
    return f"s3{fips}{dualstack}.{region}.amazonaws.com{china}"


def _flag(name: str, environ: Mapping[str, str], profile: _Profile) -> bool:
    """A setting that is on or off, from the environment or else the profile."""
    return _true(environ.get(f"AWS_{name.upper()}") or profile.values.get(name, ""))


def _true(text: str) -> bool:
    return text.strip().lower() == "true"


def _ca_bundle(config: Config, environ: Mapping[str, str], profile: _Profile) -> str:
    for source, path in (
        ("--ca-bundle", config.ca_bundle),
        ("AWS_CA_BUNDLE", _said(environ, "ca-bundle")),
        (f"ca_bundle of profile {profile.name}", profile.values.get("ca_bundle", "")),
    ):
        if path and not os.path.isfile(path):
            raise UsageError(one_line(f"{source}: there is no file {path!r}"))
        if path:
            return path
    return ""


_Sections = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class _Profile:
    """A profile of AWS's shared files, which are read when something of it is first asked for."""

    name: str
    environ: Mapping[str, str] = field(repr=False)

    @cached_property
    def _config(self) -> _Sections:
        return _sections(self.environ, "AWS_CONFIG_FILE", "~/.aws/config")

    @cached_property
    def values(self) -> Mapping[str, str]:
        """All that is said of it; as for botocore, the file of credentials has the last word."""
        name = self.name
        spelled = ["default"] if name == "default" else []
        spelled += [f'profile "{name}"', f"profile {name}"]
        found = [self._config.get(section, {}) for section in spelled]
        found += [_sections(self.environ, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials").get(name, {})]
        return {key: value for section in found for key, value in section.items()}

    @property
    def s3(self) -> Mapping[str, str]:
        """What is indented beneath ``s3 =``."""
        return _indented(self.values.get("s3", ""))

    @property
    def endpoint_url(self) -> str:
        """Of its section of services, or its own; empty where it names none."""
        services = self.values.get("services")
        if services:
            sections = (f'services "{services}"', f"services {services}")
            section = next((self._config[name] for name in sections if name in self._config), None)
            if section is None:  # going on would take the object to another service
                raise UsageError(one_line(f"profile {self.name}: there is no section [services {services}]"))
            url = _indented(section.get("s3", "")).get("endpoint_url")
            if url:
                return url
        return self.values.get("endpoint_url", "")


def _indented(text: str) -> Mapping[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _sections(environ: Mapping[str, str], variable: str, default: str) -> _Sections:
    path = environ.get(variable) or default
    if path.startswith("~/"):
        folder = home(environ)
        path = os.path.join(folder, path[2:]) if folder else ""
    if not os.path.isfile(path):
        return {}
    import configparser  # late: most machines that hold buckets have a role and no such file

    # AWS knows no DEFAULT section, no interpolation, and takes the last of two equal sections.
    parser = configparser.RawConfigParser(default_section="", strict=False)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except configparser.ParsingError as error:
        number = getattr(error, "lineno", 0) or error.errors[0][0]
        raise UsageError(one_line(f"{path}: line {number} cannot be understood")) from None
    except UnicodeDecodeError:
        raise UsageError(one_line(f"{path}: it is not UTF-8")) from None
    except OSError as error:
        raise UsageError(one_line(f"{path}: it cannot be read: {error.strerror}")) from None
    return {name: {key: value.strip() for key, value in parser.items(name)} for name in parser.sections()}
