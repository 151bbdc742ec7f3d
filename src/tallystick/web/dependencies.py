"""What handlers are given, by name of the parameter: the parts from app.py, and what `signed_in` finds out.

They are marked as given, since a handler's other parameters are checked against what a request says.
"""

from typing import Any, TypeVar

from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from tallystick import settings
from tallystick.access import audit, authenticate, sessions, sign_in
from tallystick.database import engine
from tallystick.destinations import changes as destinations
from tallystick.destinations import courier
from tallystick.erasure import eraser
from tallystick.exports import exporter
from tallystick.ingest import recorder
from tallystick.integrity import checker
from tallystick.ledger import prover
from tallystick.live import hub
from tallystick.query import scope
from tallystick.search import find
from tallystick.store import events
from tallystick.web import page_frame

T = TypeVar("T")
Given = NamedDependency[SkipValidation[T]]

WebRequest = Request[Any, Any, Any]
Acting = Given[audit.Caller]
Authenticator = Given[authenticate.Authenticator]
Caller = Given[audit.Caller]
Checker = Given[checker.Checker]
Courier = Given[courier.Courier]
Database = Given[engine.Database]
Eraser = Given[eraser.Eraser]
Exporter = Given[exporter.Exporter]
Finder = Given[find.Finder]
Form = Given[FormMultiDict]
Frame = Given[page_frame.PageFrame]
LiveHub = Given[hub.LiveHub]
Posts = Given[destinations.Posts]
Prover = Given[prover.Prover]
Reader = Given[scope.Scope]
Recorder = Given[recorder.Recorder]
Session = Given[sessions.Session]
SessionToken = Given[str]
Settings = Given[settings.Settings]
SignIn = Given[sign_in.SignIn]
Store = Given[events.EventStore]
