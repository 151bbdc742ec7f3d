"""The whole surface of the pages.

GET  /                          to Audit Logs
GET  /sign-in                   the form            POST /sign-in    begin a session
                                                    POST /sign-out   end it
                                                    POST /organization  go on in another one
GET  /set-up/{token}            the form            POST             make organization and first owner
GET  /audit-logs                the page
GET  /audit-logs/rows           its list alone, or with a cursor the rows that follow
GET  /audit-logs/live           new rows as server-sent events
GET  /audit-logs/suggest/{name} what the User and Resource menus offer
GET  /audit-logs/complete/{name}  values behind a qualifier in the search box
GET  /audit-logs/histogram      counts over time by status
GET  /audit-logs/facets/{name}  the top values of a field
GET  /audit-logs/saved          the menu of saved views   POST             save one
                                                    POST /audit-logs/saved/{id}  rename, share, delete
GET  /audit-logs/{event_id}     the page with an event open, or its panel alone
GET  /audit-logs/{event_id}/related  what happened around it, in short
GET  /audit-logs/{event_id}/investigate  the timeline around it
GET  /cases                     the cases           POST /cases      make one, or add events to one
GET  /cases/{case_id}           one case            POST             write its lines
                                                    POST /cases/{case_id}/state  close, open again
                                                    POST /cases/{case_id}/events/{event_id}[/remove]  note, remove
GET  /cases/{case_id}/report.pdf, report.md  the incident report
GET  /static/{version}/…        stylesheet and scripts
"""

from litestar import Router
from litestar.di import Provide
from litestar.exceptions import HTTPException

from tallystick.errors import TallystickError
from tallystick.web.assets import static_files
from tallystick.web.audit_logs import show_audit_logs, show_rows
from tallystick.web.case_acts import make_case, remove_event, set_state, write_case, write_note
from tallystick.web.case_pages import show_case, show_cases, show_report
from tallystick.web.completion import complete_value
from tallystick.web.error_pages import show_error
from tallystick.web.event_panel import show_event, show_related
from tallystick.web.facets import show_facets
from tallystick.web.histogram import show_histogram
from tallystick.web.investigate import investigate
from tallystick.web.live_rows import follow_events
from tallystick.web.pages import with_headers
from tallystick.web.saved_views import change_view, list_saved_views, save_view
from tallystick.web.set_up import set_up, show_set_up
from tallystick.web.sign_in import enter, leave, show_home, show_sign_in, switch_organization
from tallystick.web.signed_in import (
    provide_acting,
    provide_caller,
    provide_form,
    provide_frame,
    provide_reader,
    provide_session,
    provide_token,
)
from tallystick.web.suggestions import suggest_values

WEB = Router(
    path="/",
    route_handlers=[
        show_home,
        show_sign_in,
        enter,
        leave,
        switch_organization,
        show_set_up,
        set_up,
        show_audit_logs,
        show_rows,
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
        investigate,
        show_cases,
        make_case,
        show_case,
        write_case,
        set_state,
        write_note,
        remove_event,
        show_report,
        static_files,
    ],
    dependencies={
        "session_token": Provide(provide_token),
        "session": Provide(provide_session),
        "reader": Provide(provide_reader),
        "frame": Provide(provide_frame),
        "form": Provide(provide_form),
        "caller": Provide(provide_caller),
        "acting": Provide(provide_acting),
    },
    after_request=with_headers,
    exception_handlers={TallystickError: show_error, HTTPException: show_error, Exception: show_error},
    include_in_schema=False,
)
