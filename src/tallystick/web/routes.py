"""The whole surface of the pages.

GET  /                          to Audit Logs
GET  /sign-in                   the form            POST /sign-in    begin a session
                                                    POST /sign-out   end it
                                                    POST /organization  go on in another one
GET  /set-up/{token}            the form            POST             make organization and first owner
GET  /audit-logs                the page
GET  /audit-logs/rows           its list alone, or with a cursor the rows that follow
GET  /audit-logs/count          how many events the list has
GET  /audit-logs/live           new rows as server-sent events
GET  /audit-logs/suggest/{name} what the User and Resource menus offer
GET  /audit-logs/complete/{name}  values behind a qualifier in the search box
GET  /audit-logs/histogram      counts over time by status
GET  /audit-logs/facets/{name}  the top values of a field
GET  /audit-logs/saved          the menu of saved views   POST             save one
                                                    POST /audit-logs/saved/{id}  rename, share, delete
GET  /audit-logs/{event_id}     the page with an event open, or its panel alone
GET  /audit-logs/{event_id}/related  what happened around it, in short
GET  /audit-logs/{event_id}/proof  its proof in one line, and proof.json to download
GET  /audit-logs/{event_id}/investigate  the timeline around it
GET  /cases                     the cases           POST /cases      make one, or add events to one
GET  /cases/{case_id}           one case            POST             write its lines
                                                    POST /cases/{case_id}/state  close, open again
                                                    POST /cases/{case_id}/events/{event_id}[/remove]  note, remove
GET  /cases/{case_id}/report.pdf, report.md  the incident report
GET  /retention                 what is kept, goes, is held, is erased; and what a change would do
                                                    POST /retention         change it
                                                    POST /retention/mail    tell the owners or not
                                                    POST /retention/views   record what people look at, or not
                                                    POST /retention/holds[/{id}/release]  place, release
                                                    POST /retention/erasures[/{id}/confirm, /cancel]  ask, decide
GET  /intake-rules              the rules, and what a new one would do
                                                    POST /intake-rules[/{id}/{change}]  add; move, change, remove
                                                    POST /intake-rules/requests/{id}/{decision}  confirm, cancel
GET  /exports                   the exports         POST /exports    ask for one
GET  /exports/schedules/new, /{id}  the form of a scheduled export
                                                    POST /exports/schedules[/{id}]  make one; change, run, pause, delete
GET  /unsubscribe/{token}       asks                POST             send no more to a recipient
GET  /exports/list              the list alone      POST /exports/{export_id}  cancel it, or delete its file
                                                    POST /exports/{export_id}/links/{link_id}  end a link
GET  /exports/{export_id}/download  its file
GET  /alerts                    what rules found, rules, detections, destinations
GET  /alerts/{alert_id}         one alert           POST             acknowledge it
GET  /alerts/{rule or detection}/backtest  what it would have done
GET  /alerts/rules/new          the form            POST             test it, make it; …/rules/{id} switch, mute, delete
                                                    POST /alerts/detections/{id}  switch it on
                                                    POST /alerts/destinations[/{id}]  make one; test, switch, delete
                                                    POST /alerts/destinations/{id}/approve  let messages leave
GET  /security                  failed sign-ins, permissions; /security/signs/{name} a sign to watch for
GET  /compliance                reports, reviews    POST /compliance/reports, reviews, reminder
GET  /compliance/reports/{report_id}  a report; …/progress, report.pdf, report.json  POST …/evidence  bundle its events
GET  /compliance/reviews/{review_id}  a review      POST             save, sign, withdraw
                                                    POST …/findings  note something at an event
GET  /members                   the people          POST /members/{id}/{act}  role, disable, enable, sign-out, remove
                                                    POST /members/leaver-keys  which keys end with a leaver
                                                    POST /members/invitations[/{id}/{act}]  invite; resend, revoke
GET  /join/{token}              an invitation       POST             accept it
GET  /api-keys                  the keys            POST /api-keys   create one
                                                    POST /api-keys/{id}/rotate, /revoke
GET  /profile                   the own account     POST /profile   change it; …/password, …/sessions[/{id}]/end
GET  /sign-in/reset             asks for a link     POST /sign-in/reset  send it
GET  /sign-in/reset/{token}     the new password    POST             set it
GET  /integrity                 checkpoint, key, checks POST /integrity/check  check now
GET  /integrity/check           how a check stands      POST /integrity/public  let everybody read the log
GET  /integrity/checkpoint, tallystick-verify.pyz  to download
GET  /static/{version}/…        stylesheet and scripts
"""

from litestar import Router
from litestar.di import Provide
from litestar.exceptions import HTTPException

from tallystick.errors import TallystickError
from tallystick.web.actions_page import describe, provide_actions_page, remove, show_actions_page, show_example
from tallystick.web.alerts_page import (
    acknowledge_alert,
    approve_destination,
    change_destination,
    change_rule,
    create_destination,
    enable_detection,
    provide_alerts_page,
    show_alert,
    show_alerts,
)
from tallystick.web.api_keys_page import (
    change_key_form,
    create_key,
    provide_api_keys_page,
    revoke_key,
    rotate_key,
    show_api_keys_page,
)
from tallystick.web.assets import static_files
from tallystick.web.audit_logs import show_audit_logs, show_count, show_rows
from tallystick.web.case_actions import make_case, remove_event, set_state, write_case, write_note
from tallystick.web.case_pages import show_case, show_cases, show_report
from tallystick.web.completion import complete_value
from tallystick.web.compliance_page import (
    change_reminder,
    provide_compliance_page,
    request_report,
    show_compliance,
    start_review,
)
from tallystick.web.error_pages import show_error
from tallystick.web.event_panel import show_event, show_related
from tallystick.web.exports_page import (
    download_export,
    end_export,
    end_export_link,
    request_export,
    show_exports,
    show_list,
)
from tallystick.web.facets import show_facets
from tallystick.web.form_request import provide_form_request
from tallystick.web.histogram import show_histogram
from tallystick.web.intake_rules_page import (
    add_intake_rule,
    change_intake_rule,
    decide_intake_rules,
    provide_intake_rules_page,
    show_intake_rules,
)
from tallystick.web.integrity_page import (
    download_checkpoint,
    download_verifier,
    publish_log,
    show_check,
    show_integrity,
    start_check,
)
from tallystick.web.investigate import investigate
from tallystick.web.join_page import join, show_join_page
from tallystick.web.live_rows import follow_events
from tallystick.web.member_filter_page import provide_member_filter_page, set_member_filter, show_member_filter
from tallystick.web.members_page import (
    change_invitation,
    change_member,
    invite,
    provide_members_page,
    set_leaver_keys,
    show_members_page,
)
from tallystick.web.password_reset import request_reset, reset_password, show_new_password, show_reset
from tallystick.web.profile_page import (
    change_password,
    change_profile,
    end_other_sessions,
    end_session,
    provide_profile_page,
    show_profile,
)
from tallystick.web.proof_line import download_proof, show_proof
from tallystick.web.providers import (
    provide_caller,
    provide_form,
    provide_form_reader,
    provide_frame,
    provide_request_caller,
    provide_session,
    provide_token,
    provide_user_scope,
    provide_viewer,
)
from tallystick.web.report_page import download_json, download_pdf, request_evidence, show_progress
from tallystick.web.report_page import show_report as show_compliance_report
from tallystick.web.retention_actions import (
    change_retention,
    change_view_recording,
    decide_erasure,
    decide_request,
    place_hold,
    release_hold,
    request_erasure,
    switch_mail,
)
from tallystick.web.retention_page import provide_retention_page, show_retention
from tallystick.web.review_page import mark_finding, provide_review_page, show_review, write_review
from tallystick.web.rule_form import make_rule, provide_rule_form, show_backtest, show_new
from tallystick.web.saved_views import change_view, list_saved_views, save_view
from tallystick.web.schedules_page import change_schedule, make_schedule, show_edit, show_form
from tallystick.web.security_page import show_security, show_sign
from tallystick.web.set_up import set_up, show_set_up
from tallystick.web.sign_in import show_home, show_sign_in, sign_out, submit_sign_in, switch_organization
from tallystick.web.suggestions import suggest_values
from tallystick.web.templating import add_headers
from tallystick.web.unsubscribe import show_unsubscribe, unsubscribe

WEB = Router(
    path="/",
    route_handlers=[
        show_home,
        show_sign_in,
        submit_sign_in,
        sign_out,
        switch_organization,
        show_set_up,
        set_up,
        show_audit_logs,
        show_rows,
        show_count,
        follow_events,
        suggest_values,
        complete_value,
        show_histogram,
        show_facets,
        list_saved_views,
        save_view,
        change_view,
        show_event,
        show_related,
        show_proof,
        download_proof,
        investigate,
        show_cases,
        make_case,
        show_case,
        write_case,
        set_state,
        write_note,
        remove_event,
        show_report,
        show_retention,
        change_retention,
        change_view_recording,
        switch_mail,
        place_hold,
        release_hold,
        request_erasure,
        decide_erasure,
        decide_request,
        show_intake_rules,
        add_intake_rule,
        change_intake_rule,
        decide_intake_rules,
        show_exports,
        show_list,
        request_export,
        end_export,
        download_export,
        end_export_link,
        show_form,
        make_schedule,
        show_edit,
        change_schedule,
        show_unsubscribe,
        unsubscribe,
        show_alerts,
        show_alert,
        acknowledge_alert,
        change_rule,
        enable_detection,
        create_destination,
        approve_destination,
        change_destination,
        show_new,
        make_rule,
        show_backtest,
        show_security,
        show_sign,
        show_compliance,
        request_report,
        start_review,
        change_reminder,
        show_compliance_report,
        show_progress,
        download_pdf,
        download_json,
        request_evidence,
        show_review,
        write_review,
        mark_finding,
        show_actions_page,
        show_example,
        describe,
        remove,
        show_members_page,
        set_leaver_keys,
        invite,
        change_invitation,
        change_member,
        show_join_page,
        join,
        show_member_filter,
        set_member_filter,
        show_api_keys_page,
        create_key,
        change_key_form,
        rotate_key,
        revoke_key,
        show_profile,
        change_profile,
        change_password,
        end_other_sessions,
        end_session,
        show_reset,
        request_reset,
        show_new_password,
        reset_password,
        show_integrity,
        show_check,
        start_check,
        publish_log,
        download_checkpoint,
        download_verifier,
        static_files,
    ],
    dependencies={
        "session_token": Provide(provide_token),
        "session": Provide(provide_session),
        "user_scope": Provide(provide_user_scope),
        "viewer": Provide(provide_viewer),
        "frame": Provide(provide_frame),
        "form": Provide(provide_form),
        "form_reader": Provide(provide_form_reader),
        "request_caller": Provide(provide_request_caller),
        "caller": Provide(provide_caller),
        "form_request": Provide(provide_form_request),
        "actions_page": Provide(provide_actions_page),
        "members_page": Provide(provide_members_page),
        "member_filter_page": Provide(provide_member_filter_page),
        "api_keys_page": Provide(provide_api_keys_page),
        "alerts_page": Provide(provide_alerts_page),
        "rule_form": Provide(provide_rule_form),
        "compliance_page": Provide(provide_compliance_page),
        "retention_page": Provide(provide_retention_page),
        "intake_rules_page": Provide(provide_intake_rules_page),
        "profile_page": Provide(provide_profile_page),
        "review_page": Provide(provide_review_page),
    },
    after_request=add_headers,
    exception_handlers={TallystickError: show_error, HTTPException: show_error, Exception: show_error},
    include_in_schema=False,
)
