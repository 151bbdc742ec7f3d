"""A form that a signed-in person submitted from one of our pages."""

from litestar.datastructures import FormMultiDict

from tallystick.access.audit import Caller
from tallystick.access.transactions import ScopedTransactions
from tallystick.database.engine import Database
from tallystick.ingest.recorder import Recorder
from tallystick.query.scope import Scope
from tallystick.web.dependencies import (
    CallerDep,
    DatabaseDep,
    FormDep,
    Injected,
    PoolsDep,
    RecorderDep,
    UserScopeDep,
)
from tallystick.work.request_pools import RequestPools


class FormRequest(ScopedTransactions):
    """The fields of a submitted form, and the transactions it runs in.

    It exists only after the form's token was checked, so that no handler can forget the check.
    """

    def __init__(
        self,
        form: FormMultiDict,
        scope: Scope,
        caller: Caller,
        database: Database,
        pools: RequestPools,
        recorder: Recorder,
    ) -> None:
        super().__init__(database, pools, scope, caller, recorder.own_actions_waiting)
        self.form = form

    def text(self, name: str) -> str:
        """The value of a field as it was typed; "" if the form has no such field."""
        return str(self.form.get(name, ""))

    def texts(self, *names: str) -> dict[str, str]:
        """The values of several fields, stripped of surrounding whitespace."""
        return {name: self.text(name).strip() for name in names}

    def all(self, name: str) -> list[str]:
        """Every value of a field that may occur more than once."""
        return [str(value) for value in self.form.getall(name, [])]


FormRequestDep = Injected[FormRequest]


async def provide_form_request(
    form: FormDep,
    user_scope: UserScopeDep,
    caller: CallerDep,
    database: DatabaseDep,
    pools: PoolsDep,
    recorder: RecorderDep,
) -> FormRequest:
    """The submitted form, whose token `provide_form` has checked."""
    return FormRequest(form, user_scope, caller, database, pools, recorder)
