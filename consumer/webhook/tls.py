"""The TLS context of a client, shared by all its connections; its authorities are loaded when they are first needed."""

from __future__ import annotations

import ssl

import certifi

from consumer.errors import ConfigurationError, Problem


class Trust:
    """A verifying context (certificate and host name, TLS 1.2 or above) and the authorities it trusts.

    Loading the public authorities takes some 30 ms, which a client for a plain http URL does not need; until then the
    context trusts nobody.
    """

    def __init__(self, ca_file: str | None) -> None:
        """Load ``ca_file`` at once, so that a mistake in it is found at the start.

        Args:
            ca_file: PEM file of the authorities to trust in place of the public ones (Mozilla's, as certifi ships
                them: slim container images have none of their own).

        Raises:
            ConfigurationError: the file cannot be read or holds no certificate.
        """
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._loaded = ca_file is not None
        if ca_file is not None:
            self._load(ca_file)

    def ready(self) -> ssl.SSLContext:
        """The context with its authorities."""
        if not self._loaded:
            self._load(certifi.where())
            self._loaded = True
        return self.context

    def _load(self, ca_file: str) -> None:
        try:
            self.context.load_verify_locations(cafile=ca_file)
        except ssl.SSLError:
            problem = "holds no certificate; a PEM file with -----BEGIN CERTIFICATE----- is expected"
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
        else:
            return
        raise ConfigurationError([Problem("destination.ca_file", problem)])
