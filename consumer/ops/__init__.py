"""What operators see: the metrics catalogue, health and readiness, the status page, logging.

Must never hold event contents, the webhook URL or a secret, and must never decide about delivery.
"""
