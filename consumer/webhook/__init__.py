"""The POST: one small interface (``post(body) -> status, headers, body``) and the clients behind it.

Must never retry, follow a redirect or log a URL or a body: an attempt is one request; its
loss is reported, not repaired.
"""
