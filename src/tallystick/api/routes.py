"""All endpoints of the API, by topic. Each module holds its handlers; their docstrings say what they do."""

from functools import cache
from typing import Any

from litestar import Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

from tallystick.api import (
    actions,
    alert_rules,
    alerts,
    api_keys,
    backtests,
    count_events,
    decisions,
    destinations,
    detections,
    erasures,
    export_schedules,
    exports,
    find_events,
    follow_events,
    health,
    intake_rules,
    integrity_check,
    invitations,
    ledger,
    legal_holds,
    member_filter,
    members,
    preview_recording,
    public_ledger,
    record_events,
    reference,
    related_events,
    reports,
    retention,
    review_reminder,
    reviews,
)
from tallystick.api.openapi import openapi_document
from tallystick.api.problems import HANDLERS
from tallystick.api.reference import Reference

# In the order of the reference.
ROUTES: list[HTTPRouteHandler] = [
    # Recording
    record_events.record_events,  # POST /v1/audit-logs
    preview_recording.preview_recording,  # POST /v1/audit-logs/preview
    # Searching
    find_events.find_events,  # GET /v1/audit-logs
    find_events.show_event,  # GET /v1/audit-logs/{id}
    related_events.show_related,  # GET /v1/audit-logs/{id}/related
    count_events.show_histogram,  # GET /v1/audit-logs/histogram
    count_events.show_facets,  # GET /v1/audit-logs/facets
    follow_events.follow_events,  # GET /v1/audit-logs/live
    actions.show_actions,  # GET /v1/actions
    actions.describe_action,  # PUT /v1/actions/{name}
    actions.remove_description,  # DELETE /v1/actions/{name}
    # Proofs
    ledger.show_proof,  # GET /v1/audit-logs/{id}/proof
    ledger.show_checkpoint,  # GET /v1/ledger/checkpoint
    ledger.show_key,  # GET /v1/ledger/key
    ledger.show_tile,  # GET /v1/ledger/tile/{path}
    ledger.show_consistency,  # GET /v1/ledger/consistency
    integrity_check.show_check,  # GET /v1/ledger/check
    integrity_check.start_check,  # POST /v1/ledger/check
    public_ledger.show_public_checkpoint,  # GET /log/{origin_id}/checkpoint
    public_ledger.show_public_key,  # GET /log/{origin_id}/key
    public_ledger.show_public_tile,  # GET /log/{origin_id}/tile/{path}
    public_ledger.show_public_consistency,  # GET /log/{origin_id}/consistency
    # Retention
    retention.show_retention,  # GET /v1/retention
    retention.change_retention,  # POST /v1/retention
    retention.preview_retention,  # POST /v1/retention/preview
    legal_holds.list_holds,  # GET /v1/legal-holds
    legal_holds.place_hold,  # POST /v1/legal-holds
    legal_holds.show_hold,  # GET /v1/legal-holds/{id}
    legal_holds.release_hold,  # POST /v1/legal-holds/{id}/release
    erasures.list_erasures,  # GET /v1/erasures
    erasures.ask_erasure,  # POST /v1/erasures
    erasures.show_erasure,  # GET /v1/erasures/{id}
    erasures.confirm_erasure,  # POST /v1/erasures/{id}/confirm
    erasures.cancel_erasure,  # POST /v1/erasures/{id}/cancel
    intake_rules.list_intake_rules,  # GET /v1/intake-rules
    intake_rules.add_intake_rule,  # POST /v1/intake-rules
    intake_rules.preview_intake_rule,  # POST /v1/intake-rules/preview
    intake_rules.show_intake_rule,  # GET /v1/intake-rules/{id}
    intake_rules.change_intake_rule,  # PATCH /v1/intake-rules/{id}
    intake_rules.remove_intake_rule,  # DELETE /v1/intake-rules/{id}
    decisions.list_decisions,  # GET /v1/decisions
    decisions.show_decision,  # GET /v1/decisions/{id}
    decisions.cancel_decision,  # POST /v1/decisions/{id}/cancel
    # Exports
    exports.list_exports,  # GET /v1/exports
    exports.ask_export,  # POST /v1/exports
    exports.show_export,  # GET /v1/exports/{id}
    exports.end_export,  # DELETE /v1/exports/{id}
    exports.download_export,  # GET /v1/exports/{id}/download
    exports.link_export,  # POST /v1/exports/{id}/link
    exports.list_export_links,  # GET /v1/exports/{id}/links
    exports.end_export_link,  # DELETE /v1/exports/{id}/links/{link}
    exports.follow_export_link,  # GET /v1/export-links/{token}
    export_schedules.list_schedules,  # GET /v1/export-schedules
    export_schedules.make_schedule,  # POST /v1/export-schedules
    export_schedules.show_schedule,  # GET /v1/export-schedules/{id}
    export_schedules.change_schedule,  # PATCH /v1/export-schedules/{id}
    export_schedules.delete_schedule,  # DELETE /v1/export-schedules/{id}
    export_schedules.list_schedule_runs,  # GET /v1/export-schedules/{id}/runs
    export_schedules.run_schedule,  # POST /v1/export-schedules/{id}/run
    export_schedules.consent_to_schedule,  # POST /v1/export-schedules/{id}/consent
    # Alerts
    alert_rules.list_alert_rules,  # GET /v1/alert-rules
    alert_rules.make_alert_rule,  # POST /v1/alert-rules
    alert_rules.show_alert_rule,  # GET /v1/alert-rules/{id}
    alert_rules.change_alert_rule,  # PATCH /v1/alert-rules/{id}
    alert_rules.delete_alert_rule,  # DELETE /v1/alert-rules/{id}
    alert_rules.mute_alert_rule,  # POST /v1/alert-rules/{id}/mute
    backtests.backtest_alert_rule,  # POST /v1/alert-rules/{id}/backtest
    backtests.backtest_new_alert_rule,  # POST /v1/alert-rules/backtest
    alert_rules.import_alert_rules,  # POST /v1/alert-rules/import
    detections.list_detections,  # GET /v1/detections
    detections.enable_detection,  # POST /v1/detections/{id}/enable
    alerts.list_alerts,  # GET /v1/alerts
    alerts.show_alert,  # GET /v1/alerts/{id}
    alerts.acknowledge_alert,  # POST /v1/alerts/{id}/acknowledge
    destinations.list_destinations,  # GET /v1/destinations
    destinations.make_destination,  # POST /v1/destinations
    destinations.show_destination,  # GET /v1/destinations/{id}
    destinations.change_destination,  # PATCH /v1/destinations/{id}
    destinations.delete_destination,  # DELETE /v1/destinations/{id}
    destinations.test_destination,  # POST /v1/destinations/{id}/test
    destinations.rotate_destination,  # POST /v1/destinations/{id}/rotate
    destinations.list_deliveries,  # GET /v1/destinations/{id}/deliveries
    destinations.retry_delivery,  # POST /v1/destinations/{id}/deliveries/{delivery}/retry
    # Compliance
    reports.list_frameworks,  # GET /v1/frameworks
    reports.list_reports,  # GET /v1/reports
    reports.ask_report,  # POST /v1/reports
    reports.show_report,  # GET /v1/reports/{id}
    reports.read_report,  # GET /v1/reports/{id}/content
    reports.print_report,  # GET /v1/reports/{id}/pdf
    reports.ask_evidence,  # POST /v1/reports/{id}/evidence
    reviews.list_reviews,  # GET /v1/reviews
    reviews.open_review,  # POST /v1/reviews
    reviews.show_review,  # GET /v1/reviews/{id}
    reviews.read_review,  # GET /v1/reviews/{id}/content
    reviews.mark_finding,  # POST /v1/reviews/{id}/findings
    reviews.unmark_finding,  # DELETE /v1/reviews/{id}/findings/{event_id}
    reviews.sign_review,  # POST /v1/reviews/{id}/sign
    reviews.withdraw_review,  # POST /v1/reviews/{id}/withdraw
    review_reminder.show_reminder,  # GET /v1/review-reminder
    review_reminder.set_reminder,  # PUT /v1/review-reminder
    review_reminder.remove_reminder,  # DELETE /v1/review-reminder
    # Members
    members.list_members,  # GET /v1/members
    members.show_member,  # GET /v1/members/{id}
    members.change_member,  # PATCH /v1/members/{id}
    members.sign_out_member,  # POST /v1/members/{id}/sign-out
    members.remove_member,  # DELETE /v1/members/{id}
    invitations.list_invitations,  # GET /v1/invitations
    invitations.invite,  # POST /v1/invitations
    invitations.show_invitation,  # GET /v1/invitations/{id}
    invitations.resend_invitation,  # POST /v1/invitations/{id}/resend
    invitations.revoke_invitation,  # DELETE /v1/invitations/{id}
    member_filter.show_member_filter,  # GET /v1/members/{id}/filter
    member_filter.set_member_filter,  # PUT /v1/members/{id}/filter
    member_filter.preview_member_filter,  # POST /v1/members/{id}/filter/preview
    # API keys
    api_keys.list_api_keys,  # GET /v1/api-keys
    api_keys.create_api_key,  # POST /v1/api-keys
    api_keys.show_api_key,  # GET /v1/api-keys/{id}
    api_keys.change_api_key,  # PATCH /v1/api-keys/{id}
    api_keys.rotate_api_key,  # POST /v1/api-keys/{id}/rotate
    api_keys.revoke_api_key,  # DELETE /v1/api-keys/{id}
    # Monitoring
    health.show_health,  # GET /healthz
    health.show_readiness,  # GET /readyz
    health.show_metrics,  # GET /metrics
    # Reference
    reference.show_openapi,  # GET /openapi.json
    reference.show_docs,  # GET /docs
    reference.show_docs_stylesheet,  # GET /docs/docs.css
]


@cache
def describe_api() -> dict[str, Any]:
    """The OpenAPI document of ROUTES."""
    return openapi_document(ROUTES)


def _provide_reference() -> Reference:
    return Reference(describe_api())


API = Router(
    path="/",
    route_handlers=ROUTES,
    exception_handlers=HANDLERS,
    dependencies={"reference": Provide(_provide_reference, use_cache=True, sync_to_thread=False)},
    include_in_schema=False,
)
