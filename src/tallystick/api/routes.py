"""The whole surface of the API.

POST /v1/audit-logs             record events
GET  /v1/audit-logs             find events: a page, or with `Accept` the whole result as CSV or NDJSON
GET  /v1/audit-logs/{id}        one event
GET  /v1/audit-logs/{id}/related  what happened around it
GET  /v1/audit-logs/histogram   counts over time
GET  /v1/audit-logs/facets      the values that occur most
GET  /v1/audit-logs/live        new events as server-sent events
GET  /v1/actions                the catalogue, and unknown actions seen
GET  /v1/audit-logs/{id}/proof  that the event stands in the log
GET  /v1/ledger/checkpoint      the log's size and root, signed
GET  /v1/ledger/key             the keys that sign
GET  /v1/ledger/tile/{path}     its tiles and entries
GET  /v1/ledger/consistency     that it only grew
GET  /v1/retention              how long events are kept, and what goes soon
GET  /v1/legal-holds            what must stay           POST  place a hold
GET  /v1/legal-holds/{id}       one hold                 POST /v1/legal-holds/{id}/release
GET  /healthz /readyz /metrics  alive · ready · how it fares
GET  /openapi.json /docs        this, for programs and for people
"""

from litestar import Router

from tallystick.api.count_events import show_facets, show_histogram
from tallystick.api.find_events import find_events, show_event
from tallystick.api.follow_events import follow_events
from tallystick.api.health import show_health, show_metrics, show_readiness
from tallystick.api.keep import list_holds, place_hold, release_hold, show_hold, show_retention
from tallystick.api.list_actions import list_actions
from tallystick.api.problems import HANDLERS
from tallystick.api.prove import show_checkpoint, show_consistency, show_key, show_proof, show_tile
from tallystick.api.record_events import record_events
from tallystick.api.reference import show_docs, show_docs_stylesheet, show_openapi
from tallystick.api.related_events import show_related

ROUTES = [
    record_events,
    find_events,
    show_event,
    show_related,
    show_histogram,
    show_facets,
    follow_events,
    list_actions,
    show_proof,
    show_checkpoint,
    show_key,
    show_tile,
    show_consistency,
    show_retention,
    list_holds,
    place_hold,
    show_hold,
    release_hold,
    show_health,
    show_readiness,
    show_metrics,
    show_openapi,
    show_docs,
    show_docs_stylesheet,
]

API = Router(path="/", route_handlers=ROUTES, exception_handlers=HANDLERS, include_in_schema=False)
