"""What somebody who is signed in posted from one of our pages, and how what it asks for is done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from litestar.datastructures import FormMultiDict

from tallystick.access.audit import Caller
from tallystick.access.csrf import check_form_token
from tallystick.clock import now_us
from tallystick.database.engine import Database as ControlDatabase
from tallystick.ingest.recorder import Recorder as EventRecorder
from tallystick.query.scope import Scope
from tallystick.web.dependencies import Acting, Database, Form, Given, Reader, Recorder, SessionToken

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Posting:
    """A form that carried the token of its session: a handler that takes one cannot forget to look."""

    form: FormMultiDict
    reader: Scope
    caller: Caller
    database: ControlDatabase
    recorder: EventRecorder

    def text(self, name: str) -> str:
        """A field as it was typed; "" when there is none."""
        return str(self.form.get(name, ""))

    def texts(self, *names: str) -> dict[str, str]:
        """Several fields, without the spaces around them."""
        return {name: self.text(name).strip() for name in names}

    def all(self, name: str) -> list[str]:
        """Every value of a field that may stand there more than once."""
        return [str(one) for one in self.form.getall(name, [])]

    async def do(self, act: Callable[..., T], *arguments: object, **named: object) -> T:
        """One act in its own transaction: `act(connection, scope, …, now=, caller=)`."""

        def run() -> T:
            with self.database.write() as connection:
                return act(connection, self.reader, *arguments, **named, now=now_us(), caller=self.caller)

        return await self.run(run)

    async def run(self, work: Callable[[], T]) -> T:
        """Work with transactions of its own; what it told goes on its way into the trail."""
        done = await self.database.run(work)
        self.recorder.own_actions_waiting()
        return done


Posted = Given[Posting]


async def provide_posted(
    form: Form, session_token: SessionToken, reader: Reader, acting: Acting, database: Database, recorder: Recorder
) -> Posting:
    """What was posted; Forbidden (`bad_form_token`) unless the form is of this session."""
    check_form_token(session_token, str(form.get("form_token", "")))
    return Posting(form, reader, acting, database, recorder)
