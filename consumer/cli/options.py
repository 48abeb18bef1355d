"""Options that several commands share."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from consumer.config.model import Settings


class NumberRange(click.FloatRange):
    """A number in a range: click's own type lets "nan" through each, and "inf" where there is no upper end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or click's error that names the option."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number that can be counted with.", param, ctx)
        return number


config_option = click.option(
    "--config",
    "-c",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Settings, YAML. Environment variables CHARTMOGUL_CONSUMER_SECTION__NAME win over it, and can say it all.",
)
"""``--config FILE``: a Path, or None where the environment says it all."""


NEEDS_NO_WEBHOOK: Final = {
    "CHARTMOGUL_CONSUMER_DELIVERY__MODE": "shadow",
    "CHARTMOGUL_CONSUMER_DESTINATION__WEBHOOK_URL": "null",
    "CHARTMOGUL_CONSUMER_DESTINATION__WEBHOOK_URL_FILE": "null",
    "CHARTMOGUL_CONSUMER_DESTINATION__CA_FILE": "null",
}
"""Laid over the settings: the file that holds the secret is in the cluster, and the command is on a laptop."""


def settings_from(config: Path | None, *, needs_webhook: bool = True) -> Settings:
    """The settings of ``--config`` and the environment, their secrets registered with the log.

    Args:
        config: the file.
        needs_webhook: False leaves the destination out, for commands that post nothing.

    Raises:
        ConfigurationError: every mistake at once.
    """
    from consumer.config.settings import load_settings
    from consumer.ops.log import register_secret

    settings = load_settings(config, dict(os.environ) | ({} if needs_webhook else NEEDS_NO_WEBHOOK))
    for secret in settings.secrets():
        register_secret(secret)
    return settings
