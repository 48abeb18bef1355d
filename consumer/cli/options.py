"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from consumer.config.model import Settings

config_option = click.option(
    "--config",
    "-c",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Settings, YAML. Environment variables CHARTMOGUL_CONSUMER_SECTION__NAME win over it, and can say it all.",
)
"""``--config FILE``: a Path, or None where the environment says it all."""


def settings_from(config: Path | None) -> Settings:
    """The settings of ``--config`` and the environment, their secrets registered with the log.

    Raises:
        ConfigurationError: every mistake at once.
    """
    from consumer.config.settings import load_settings
    from consumer.ops.log import register_secret

    settings = load_settings(config, os.environ)
    for secret in settings.secrets():
        register_secret(secret)
    return settings
