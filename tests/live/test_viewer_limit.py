"""How many live views can be open is a setting."""

import pytest

from tallystick.access.scopes import operator_scope
from tallystick.app import build
from tallystick.errors import TooMany
from tallystick.ids import new_uuid
from tallystick.settings import Settings


def test_as_many_live_views_are_admitted_as_the_setting_says(tmp_path):
    services = build(Settings.load({"TALLYSTICK_DATA_DIR": str(tmp_path), "TALLYSTICK_LIVE_VIEWERS": "20"}))
    scope = operator_scope(new_uuid(1))
    places = [services.hub.admit(scope) for _ in range(2)]  # a tenth of them
    with pytest.raises(TooMany):
        services.hub.admit(scope)
    places.pop().release()
    places.append(services.hub.admit(scope))
    services.connections.close()
    services.finder.close()
