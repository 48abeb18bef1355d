"""The webhook URL: read from its setting or its file when the service starts and again before each probe of a halt."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from consumer.config.secret_file import read_secret
from consumer.errors import ConfigurationError, Problem
from consumer.webhook.target import Target

if TYPE_CHECKING:
    from consumer.config.model import Destination

_SETTING = "destination.webhook_url"
_FILE = "destination.webhook_url_file"


def read_webhook_url(destination: Destination) -> str:
    """The URL, checked.

    Raises:
        ConfigurationError: none or both of the settings are there, the file cannot be read, or the URL cannot be used.
            The message does not repeat the URL.
    """
    file = destination.webhook_url_file
    if (destination.webhook_url is None) == (file is None):
        what = "and {} are both set; keep one" if file else "or {} is required"
        raise _refused(_SETTING, f"{what.format(_FILE)} (the URL that ChartMogul shows for its Segment source)")
    if file is not None:
        url, message = read_secret(file)
        if message:
            raise _refused(_FILE, message)
        path = _FILE
    else:
        assert destination.webhook_url is not None
        url, path = destination.webhook_url.get_secret_value().strip(), _SETTING
    try:
        target = Target.parse(url)
    except ConfigurationError as error:
        raise _refused(path, error.problems[0].message) from None
    if target.scheme != "https" and not destination.allow_http and not is_loopback(target.host):
        message = "must be https: over http the URL, which is the credential, travels in the clear"
        raise _refused(path, f"{message}; set destination.allow_http: true if the way there is safe")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or address; nothing is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(path: str, message: str) -> ConfigurationError:
    return ConfigurationError([Problem(path, message)])
