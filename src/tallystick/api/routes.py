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
GET  /v1/ledger/check           how far the check is     POST  begin one
GET  /log/{id}/…                checkpoint, key, tile/…, consistency of a log that everybody may read
GET  /v1/retention              how long events are kept, and what goes soon   POST  change it
POST /v1/retention/preview      what a change would delete
GET  /v1/legal-holds            what must stay           POST  place a hold
GET  /v1/legal-holds/{id}       one hold                 POST /v1/legal-holds/{id}/release
GET  /v1/erasures               erasing a person        POST  ask for it, and look
GET  /v1/erasures/{id}          one of them             POST /v1/erasures/{id}/confirm · /cancel
GET  /v1/exports                exports                  POST  ask for one
GET  /v1/exports/{id}           how it stands            DELETE  cancel it, or delete its file
GET  /v1/exports/{id}/download  the file                 POST /v1/exports/{id}/link  make a link to it
GET  /v1/export-links/{token}   the file, for whoever has the link
GET  /v1/export-schedules       scheduled exports        POST  make one
GET  /v1/export-schedules/{id}  one of them              PATCH, DELETE  POST …/run, …/consent  GET …/runs
GET  /v1/alert-rules            rules that watch         POST  make one   POST …/backtest, …/import
GET  /v1/alert-rules/{id}       one of them              PATCH, DELETE  POST …/mute, …/backtest
GET  /v1/alerts                 what they found
GET  /v1/alerts/{id}            one of them              POST …/acknowledge
GET  /v1/destinations           places that alerts go    POST  make one
GET  /v1/destinations/{id}      one of them              PATCH, DELETE  POST …/test, …/rotate  GET …/deliveries
POST /v1/destinations/{id}/deliveries/{delivery}/retry  send it again
GET  /v1/detections             rules that come with us  POST …/{id}/enable
GET  /v1/frameworks             what compliance reports ask
GET  /v1/reports                compliance reports       POST  ask for one
GET  /v1/reports/{id}           how it stands            GET …/content, …/pdf  POST …/evidence  bundle its events
GET  /v1/reviews                reviews                  POST  open one, or sign one at once
GET  /v1/reviews/{id}           one of them              GET …/content  POST …/findings, /sign, /withdraw
DELETE /v1/reviews/{id}/findings/{event_id}  take a finding away
GET  /v1/review-reminder        who is reminded each week PUT, DELETE  change it
GET  /healthz /readyz /metrics  alive · ready · how it fares
GET  /openapi.json /docs        this, for programs and for people
"""

from litestar import Router

from tallystick.api.alert import (
    acknowledge_alert,
    backtest_new_rule,
    backtest_rule,
    change_rule,
    delete_rule,
    enable_detection,
    import_rules,
    list_all_alerts,
    list_all_rules,
    list_detections,
    make_rule,
    mute_rule,
    show_alert,
    show_rule,
)
from tallystick.api.check_integrity import show_check, start_check
from tallystick.api.count_events import list_actions, show_facets, show_histogram
from tallystick.api.destination import (
    change_destination,
    delete_destination,
    list_deliveries,
    list_destinations,
    make_destination,
    retry_delivery,
    rotate_destination,
    show_destination,
    test_destination,
)
from tallystick.api.erasures import ask_erasure, cancel_erasure, confirm_erasure, list_erasures, show_erasure
from tallystick.api.export import (
    ask_export,
    download_export,
    end_export,
    follow_link,
    link_export,
    list_exports,
    show_export,
)
from tallystick.api.find_events import find_events, show_event
from tallystick.api.follow_events import follow_events
from tallystick.api.health import show_health, show_metrics, show_readiness
from tallystick.api.problems import HANDLERS
from tallystick.api.prove import show_checkpoint, show_consistency, show_key, show_proof, show_tile
from tallystick.api.prove_publicly import (
    show_public_checkpoint,
    show_public_consistency,
    show_public_key,
    show_public_tile,
)
from tallystick.api.record_events import record_events
from tallystick.api.reference import show_docs, show_docs_stylesheet, show_openapi
from tallystick.api.related_events import show_related
from tallystick.api.report import (
    ask_evidence,
    ask_report,
    list_frameworks,
    list_reports,
    print_report,
    read_report,
    show_report,
)
from tallystick.api.retention import (
    change_retention,
    list_holds,
    place_hold,
    preview_retention,
    release_hold,
    show_hold,
    show_retention,
)
from tallystick.api.review import (
    list_all_reviews,
    mark_finding,
    open_review,
    read_signed,
    remove_reminder,
    set_reminder,
    show_reminder,
    show_review,
    sign_review,
    unmark_finding,
    withdraw_review,
)
from tallystick.api.schedule import (
    change_schedule,
    consent_to_schedule,
    delete_schedule,
    list_all_schedules,
    list_schedule_runs,
    make_schedule,
    run_schedule,
    show_schedule,
)

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
    show_check,
    start_check,
    show_public_checkpoint,
    show_public_key,
    show_public_tile,
    show_public_consistency,
    show_retention,
    preview_retention,
    change_retention,
    list_holds,
    place_hold,
    show_hold,
    release_hold,
    list_erasures,
    ask_erasure,
    show_erasure,
    confirm_erasure,
    cancel_erasure,
    list_exports,
    ask_export,
    show_export,
    end_export,
    download_export,
    link_export,
    follow_link,
    list_all_schedules,
    make_schedule,
    show_schedule,
    change_schedule,
    delete_schedule,
    list_schedule_runs,
    run_schedule,
    consent_to_schedule,
    list_all_rules,
    make_rule,
    backtest_new_rule,
    import_rules,
    show_rule,
    change_rule,
    delete_rule,
    mute_rule,
    backtest_rule,
    list_detections,
    enable_detection,
    list_all_alerts,
    show_alert,
    acknowledge_alert,
    list_destinations,
    make_destination,
    show_destination,
    change_destination,
    delete_destination,
    test_destination,
    rotate_destination,
    list_deliveries,
    retry_delivery,
    list_frameworks,
    ask_report,
    list_reports,
    show_report,
    read_report,
    print_report,
    ask_evidence,
    open_review,
    list_all_reviews,
    show_review,
    read_signed,
    mark_finding,
    unmark_finding,
    sign_review,
    withdraw_review,
    show_reminder,
    set_reminder,
    remove_reminder,
    show_health,
    show_readiness,
    show_metrics,
    show_openapi,
    show_docs,
    show_docs_stylesheet,
]

API = Router(path="/", route_handlers=ROUTES, exception_handlers=HANDLERS, include_in_schema=False)
