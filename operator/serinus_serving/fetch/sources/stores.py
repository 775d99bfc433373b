"""From a URI and the clouds' own variables to a store of obstore: which bucket, endpoint, credentials and hosts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

import obstore
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

from serinus_serving.fetch.errors import ArtifactUnreachable, ArtifactUriInvalid
from serinus_serving.fetch.source import Access
from serinus_serving.fetch.sources.straight import Address

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig, S3Config

    Store = S3Store | GCSStore | AzureStore | HTTPStore

_BUCKETS = ("s3", "gs", "az")
_AZURE_HOST = re.compile(r"^(?P<account>[a-z0-9-]+)\.blob\.(core\.windows\.net|core\.chinacloudapi\.cn)$")
_RETRIES: RetryConfig = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
"""Few: whoever downloads tries again himself, and goes on where it was."""
_SIGNED_FOR = timedelta(hours=1)
"""Each part is signed anew; a request is long sent by then."""


@dataclass(frozen=True)
class Location:
    """Where the artifact is. `path` names a folder or an object; `single`: the store is one file, at no path.

    `authorities` is a file with the certificates that the team trusts.
    """

    store: Store
    path: str
    hosts: tuple[str, ...]
    single: bool = False
    name: str = ""
    address: Callable[[str], Address] | None = None
    """Gives the address of an object, by its name in the store, where it can be read without a library.

    With the others, a signature may need a right and a request of its own.
    """
    authorities: str | None = None


def locate(uri: str, access: Access) -> Location:
    """Make the store of a URI; sends no request. Raises ArtifactUriInvalid."""
    parts = urlsplit(uri)
    if parts.username or parts.password:
        raise ArtifactUriInvalid(f"{access.credentials.hide(uri)} holds a password: put it into spec.model.credentials")
    if not parts.netloc:
        raise ArtifactUriInvalid(f"{uri} names no {'bucket' if parts.scheme in _BUCKETS else 'host'}")
    if parts.scheme in _BUCKETS:
        _check_key(uri, parts.scheme, access)
    match parts.scheme:
        case "s3":
            return _s3(parts, access)
        case "gs":
            return _gs(parts, access)
        case "az":
            return _azure(parts.netloc, parts.path, "", access)
    if parts.scheme == "https" and (match := _AZURE_HOST.match(parts.netloc)):
        if parts.fragment:
            raise ArtifactUriInvalid(
                f"{access.credentials.hide(uri)} has a #, where an address ends: write %23 for one in a blob's name"
            )
        container, _, path = parts.path.lstrip("/").partition("/")
        return _azure(container, unquote(path), parts.query, access, account=match["account"])
    return _http(uri, parts, access)


def _check_key(uri: str, scheme: str, access: Access) -> None:
    """Refuse what could be a part of the object's name, or of an address: to drop it would be to fetch another one."""
    mark = next((mark for mark in "?#" if mark in uri), None)
    if mark is None:
        return
    signed = " and put a SAS into AZURE_STORAGE_SAS_TOKEN" if scheme == "az" else ""
    raise ArtifactUriInvalid(
        f"{access.credentials.hide(uri)} has a {mark}, which no object can be named with in {scheme}://: leave away "
        f"what begins there{signed}, rename the object, or name the folder that it is in"
    )


def _s3(parts: SplitResult, access: Access) -> Location:
    """https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html has the variables."""
    get = access.credentials.get
    region = get("AWS_REGION", "AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = access.credentials.address("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    aws = (f"s3.{region}.amazonaws.com", f"*.s3.{region}.amazonaws.com")
    config: S3Config = {
        "region": region,
        "virtual_hosted_style_request": endpoint is None or get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST") == "true",
    }
    if endpoint:
        config["endpoint"] = endpoint
    store = S3Store(parts.netloc, config=config, client_options=_client(access, "AWS_CA_BUNDLE"), retry_config=_RETRIES)
    found = _in_store(store, parts.path, (_host(endpoint),) if endpoint else aws)
    if get("AWS_SKIP_SIGNATURE") not in (None, "false"):  # to sign all the same, it would look for an account
        return found
    signed = partial(obstore.sign, store, "GET", expires_in=_SIGNED_FOR)
    return replace(found, address=lambda key: Address(signed(key)), authorities=_bundle(access, "AWS_CA_BUNDLE"))


def _gs(parts: SplitResult, access: Access) -> Location:
    """https://cloud.google.com/docs/authentication/application-default-credentials; an emulator knows no accounts."""
    emulator = access.credentials.get("STORAGE_EMULATOR_HOST")
    base = emulator if not emulator or "://" in emulator else f"http://{emulator}"
    if base:
        access.credentials.checked(base, "STORAGE_EMULATOR_HOST")
    google = ("storage.googleapis.com", "oauth2.googleapis.com", "sts.googleapis.com", "iamcredentials.googleapis.com")
    config: GCSConfig = {"base_url": base, "skip_signature": True} if base else {}
    store = GCSStore(parts.netloc, config=config, client_options=_client(access), retry_config=_RETRIES)
    return _in_store(store, parts.path, (_host(base),) if base else google)


def _azure(container: str, path: str, query: str, access: Access, account: str | None = None) -> Location:
    """https://learn.microsoft.com/azure/storage/blobs/authorize-data-operations-cli has the variables."""
    get = access.credentials.get
    said = _connection_string(get("AZURE_STORAGE_CONNECTION_STRING") or "")
    account = account or get("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT") or said.get("AccountName")
    if not account:
        raise ArtifactUriInvalid(
            f"az://{container} names no account: set AZURE_STORAGE_ACCOUNT_NAME in spec.model.credentials, "
            f"or write https://ACCOUNT.blob.core.windows.net/{container}/…"
        )
    key = get("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY") or said.get("AccountKey")
    sas = query or get("AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN") or said.get("SharedAccessSignature")
    endpoint = access.credentials.address("AZURE_STORAGE_ENDPOINT") or said.get("BlobEndpoint")
    if endpoint:
        access.credentials.checked(endpoint, "AZURE_STORAGE_CONNECTION_STRING's BlobEndpoint")
    config: AzureConfig = {"account_name": account}
    if key:
        config["account_key"] = key
    if sas:
        config["sas_key"] = sas
    if endpoint:
        config["endpoint"] = endpoint
    store = AzureStore(container, config=config, client_options=_client(access), retry_config=_RETRIES)
    return _in_store(store, path, (_host(endpoint) if endpoint else f"{account}.blob.core.windows.net",))


def _http(uri: str, parts: SplitResult, access: Access) -> Location:
    """One file, at its address with its query: what is signed stays as it was written."""
    authorization = access.credentials.get("HTTP_AUTHORIZATION")
    options = _client(access)
    if authorization:
        options["default_headers"] = {"authorization": authorization}
    name = unquote(parts.path.rstrip("/").rpartition("/")[2])
    if not name:
        raise ArtifactUriInvalid(f"{uri} names no file: write the address of a file, a .tar.gz or a .zip")
    address = Address(uri, {"Authorization": authorization} if authorization else {})
    return Location(
        HTTPStore.from_url(uri, client_options=options, retry_config=_RETRIES), "", (_host(uri),), True, name,
        address=lambda _: address,
        authorities=_bundle(access),
    )  # fmt: skip


def _in_store(store: Store, path: str, hosts: tuple[str, ...]) -> Location:
    folder = path.strip("/")
    return Location(store, folder, hosts, name=folder.rpartition("/")[2])


def _client(access: Access, *bundles: str) -> ClientConfig:
    """Say how to connect: through the guard, trusting the team's authorities, with patience for big files."""
    options: ClientConfig = {
        "allow_http": True,  # an endpoint in the cluster; a host is allowed or not, with its scheme
        "proxy_url": access.proxy,
        "connect_timeout": timedelta(seconds=15),
        "read_timeout": timedelta(seconds=30),
        "timeout": timedelta(days=1),
    }
    bundle = _bundle(access, *bundles)
    if bundle:
        options["root_certificate"] = _read(bundle)
    return options


def _bundle(access: Access, *bundles: str) -> str | None:
    return access.credentials.get(*bundles, "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def _read(bundle: str) -> bytes:
    try:
        return Path(bundle).read_bytes()
    except OSError as error:
        raise ArtifactUnreachable(
            f"the certificate authorities in {bundle} cannot be read ({error.strerror}): mount the file, or unset "
            f"SSL_CERT_FILE and the like"
        ) from error


def _connection_string(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(";") if pair)
    return {name: value for name, _, value in pairs}


def _host(url: str) -> str:
    """Give host and port of an address."""
    return urlsplit(url).netloc
