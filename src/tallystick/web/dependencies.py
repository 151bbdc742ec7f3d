"""The objects that Litestar injects into the handlers of the pages, by the name of a parameter.

`XDep` in a handler's signature is an X that a provider made: the services come from `app.py`, the scope, the form and
the like from `providers.py`. The mark keeps Litestar from checking them against the request.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from tallystick.access.audit import Caller
from tallystick.access.authenticate import Authenticator
from tallystick.access.sessions import Session
from tallystick.access.sign_in import SignIn
from tallystick.data_access.recorder import DataAccessRecorder
from tallystick.database.engine import Database
from tallystick.destinations.context import DestinationContext
from tallystick.destinations.delivery_worker import DeliveryWorker
from tallystick.erasure.eraser import Eraser
from tallystick.exports.exporter import Exporter
from tallystick.http.allowance import Allowance
from tallystick.ingest.recorder import Recorder
from tallystick.integrity.checker import Checker
from tallystick.ledger.prover import Prover
from tallystick.live.hub import LiveHub
from tallystick.query.scope import Scope
from tallystick.search.find import Finder
from tallystick.settings import Settings
from tallystick.store.events import EventStore
from tallystick.web.page_frame import PageFrame
from tallystick.web.viewer import Viewer
from tallystick.work.request_pools import RequestPools

T = TypeVar("T")
Injected = NamedDependency[SkipValidation[T]]

WebRequest = Request[Any, Any, Any]
FormReader = Callable[[], Awaitable[FormMultiDict]]
AuthenticatorDep = Injected[Authenticator]
BodiesDep = Injected[Allowance]
CallerDep = Injected[Caller]
CheckerDep = Injected[Checker]
DataAccessDep = Injected[DataAccessRecorder]
DatabaseDep = Injected[Database]
DeliveryWorkerDep = Injected[DeliveryWorker]
DestinationContextDep = Injected[DestinationContext]
EraserDep = Injected[Eraser]
ExporterDep = Injected[Exporter]
FinderDep = Injected[Finder]
FormDep = Injected[FormMultiDict]
FormReaderDep = Injected[FormReader]
FrameDep = Injected[PageFrame]
LiveHubDep = Injected[LiveHub]
PoolsDep = Injected[RequestPools]
ProverDep = Injected[Prover]
RecorderDep = Injected[Recorder]
RequestCallerDep = Injected[Caller]
UserScopeDep = Injected[Scope]
ViewerDep = Injected[Viewer]
SessionDep = Injected[Session]
SessionTokenDep = Injected[str]
SettingsDep = Injected[Settings]
SignInDep = Injected[SignIn]
StoreDep = Injected[EventStore]
