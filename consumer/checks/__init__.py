"""Asks, before the service starts, what it will depend on: Kafka, its permissions, the topic's records, the webhook.

Every question is harmless (nothing is joined, committed, made or written; the webhook gets an empty object, if that is
asked for) and has a deadline. Each answer is a `Finding`: what was seen and, where it is wrong, what to do.
"""
