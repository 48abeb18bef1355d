"""What the stand-in shows and takes beside the webhook: ``/``, ``/contacts``, ``/customers``, ``/deliveries``,
``/stats``, ``/faults``, ``/settings``. A local tool: none of it is guarded.
"""  # noqa: D205 - the list of paths is the summary

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from consumer.sandbox.faults import FaultError
from consumer.sandbox.store import CompanyMode

if TYPE_CHECKING:
    from consumer.sandbox.server import Sandbox

ENDPOINTS: Final = {
    "POST /hook/TOKEN": "the webhook; {} is the connection test",
    "GET /contacts": "as ChartMogul's /v1/contacts lists them; per_page (200), cursor",
    "GET /customers": "as ChartMogul's /v1/customers lists them; per_page (200), cursor",
    "GET /deliveries": "every body in order of arrival, once its request has ended; after (0), limit (1000)",
    "GET /stats": "posts, distinct deliveries, duplicates, statuses, busiest second, most at once",
    "GET /faults": "the fault rules in force, with hits",
    "PUT /faults": "replace them: one rule or a list of them; keys status, latency_seconds (number or [least, most]), "
    "hang, reset, accept, retry_after_seconds, probability, match (field to value), count",
    "DELETE /faults": "remove them all",
    "PUT /settings": "rate_per_second, max_parallel (null: no limit), company_mode, token",
}
ASSUMPTIONS: Final = (
    "that unknown fields and wrong types are refused, with 422",
    "that the documented API limits (40 requests/s, 20 in parallel) hold for the webhook, and how they are counted",
    "that a contact is known by user_id, else anonymous_id, and a customer by group_id or company.id",
    "that a later message overwrites the fields it has and leaves the others",
    "that Send Customer links the contact of its user_id to the group",
    "what the two values of 'Create company in ChartMogul when' do to a contact without a company",
    "which field of the API each field of a message lands in",
    "that arrays and NDJSON are taken (only a gateway in front would)",
)
_SETTINGS: Final = frozenset({"rate_per_second", "max_parallel", "company_mode", "token"})


class Views:
    """The routes; see `ENDPOINTS`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._routes = {
            ("GET", "/"): self._index,
            ("GET", "/contacts"): self._contacts,
            ("GET", "/customers"): self._customers,
            ("GET", "/deliveries"): self._deliveries,
            ("GET", "/stats"): self._stats,
            ("GET", "/faults"): self._faults,
            ("PUT", "/faults"): self._put_faults,
            ("DELETE", "/faults"): self._delete_faults,
            ("PUT", "/settings"): self._put_settings,
        }

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        route = self._routes.get((request.method, request.path))
        if route is None:
            known = any(path == request.path for _, path in self._routes)
            status = 405 if known else 404
            return _json({"errors": [{"field": None, "message": "see GET / for what there is"}]}, status)
        try:
            return await route(request)
        except (FaultError, ValueError, TypeError) as error:
            return _json({"errors": [{"field": None, "message": str(error)}]}, 422)

    async def _index(self, request: web.BaseRequest) -> web.Response:
        if "text/html" not in request.headers.get("Accept", ""):
            return _json({"about": "a local stand-in for ChartMogul", "endpoints": ENDPOINTS, "assumed": ASSUMPTIONS})
        rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(what)}</dd>" for name, what in ENDPOINTS.items())
        assumed = "".join(f"<li>{html.escape(each)}</li>" for each in ASSUMPTIONS)
        page = (
            "<!doctype html><title>ChartMogul stand-in</title><h1>A local stand-in for ChartMogul</h1>"
            f"<dl>{rows}</dl><h2>Assumed about ChartMogul</h2><ul>{assumed}</ul>"
        )
        return web.Response(text=page, content_type="text/html")

    async def _contacts(self, request: web.BaseRequest) -> web.Response:
        page, cursor = self._sandbox.store.contacts(after=_number(request, "cursor", 0), limit=_per_page(request))
        return _page(page, cursor)

    async def _customers(self, request: web.BaseRequest) -> web.Response:
        page, cursor = self._sandbox.store.customers(after=_number(request, "cursor", 0), limit=_per_page(request))
        return _page(page, cursor)

    async def _deliveries(self, request: web.BaseRequest) -> web.Response:
        store = self._sandbox.store
        limit = min(max(_number(request, "limit", 1000), 1), 10_000)
        entries = store.deliveries(after=_number(request, "after", 0), limit=limit)
        more = entries[-1]["n"] if len(entries) == limit else None
        return _json({"entries": entries, "after": more, "total": store.count("deliveries")})

    async def _stats(self, _request: web.BaseRequest) -> web.Response:
        return _json(self._sandbox.stats())

    async def _faults(self, _request: web.BaseRequest) -> web.Response:
        return _json({"rules": self._sandbox.faults.shown()})

    async def _put_faults(self, request: web.BaseRequest) -> web.Response:
        self._sandbox.faults.replace(await _body(request))
        return await self._faults(request)

    async def _delete_faults(self, request: web.BaseRequest) -> web.Response:
        self._sandbox.faults.replace([])
        return await self._faults(request)

    async def _put_settings(self, request: web.BaseRequest) -> web.Response:
        values = await _body(request)
        if not isinstance(values, dict) or set(values) - _SETTINGS:
            raise ValueError(f"an object with any of: {', '.join(sorted(_SETTINGS))}")
        sandbox = self._sandbox
        limits = {
            "rate_per_second": sandbox.traffic.rate_per_second,
            "max_parallel": sandbox.traffic.max_parallel,
        }
        limits |= {name: values[name] for name in limits if name in values}
        for name, limit in limits.items():
            if limit is not None and (type(limit) not in (int, float) or limit <= 0):
                raise ValueError(f"{name} must be a number above 0, or null")
        mode = CompanyMode(values.get("company_mode", sandbox.store.company_mode))
        token = values.get("token", sandbox.token)
        if not isinstance(token, str) or not token:
            raise ValueError("token must be a text")
        sandbox.traffic.limit(rate_per_second=limits["rate_per_second"], max_parallel=limits["max_parallel"])
        sandbox.store.company_mode = mode
        sandbox.token = token
        return _json({**limits, "company_mode": mode})


async def _body(request: web.BaseRequest) -> Any:
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise ValueError("the body is no JSON") from None


def _number(request: web.BaseRequest, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise ValueError(f"{name} must be a whole number")
    return int(text)


def _per_page(request: web.BaseRequest) -> int:
    return min(max(_number(request, "per_page", 200), 1), 10_000)


def _page(entries: list[dict[str, Any]], cursor: int | None) -> web.Response:
    return _json({"entries": entries, "cursor": cursor, "has_more": cursor is not None})


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value) + b"\n", status=status, content_type="application/json")
