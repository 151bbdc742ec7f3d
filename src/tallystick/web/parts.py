"""What handlers are given, by name of the parameter: the parts from app.py, and what `signed_in` finds out.

They are marked as given, since a handler's other parameters are checked against what a request says.
"""

from typing import Any, TypeVar

from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from tallystick import settings
from tallystick.access import acts, authenticate, sessions, sign_in
from tallystick.database import engine
from tallystick.ingest import recorder
from tallystick.live import hub
from tallystick.query import scope
from tallystick.search import find
from tallystick.web import page_frame

T = TypeVar("T")
Given = NamedDependency[SkipValidation[T]]

WebRequest = Request[Any, Any, Any]
Acting = Given[acts.Caller]
Authenticator = Given[authenticate.Authenticator]
Caller = Given[acts.Caller]
Database = Given[engine.Database]
Finder = Given[find.Finder]
Form = Given[FormMultiDict]
Frame = Given[page_frame.PageFrame]
LiveHub = Given[hub.LiveHub]
Reader = Given[scope.Scope]
Recorder = Given[recorder.Recorder]
Session = Given[sessions.Session]
SessionToken = Given[str]
Settings = Given[settings.Settings]
SignIn = Given[sign_in.SignIn]
