"""All shapes of bodies and answers, of every part of the API."""

from tallystick.api.document.alerting import ALERTED_SCHEMAS
from tallystick.api.document.checking import CHECKED_SCHEMAS
from tallystick.api.document.destining import DESTINED_SCHEMAS
from tallystick.api.document.erasing import ERASED_SCHEMAS
from tallystick.api.document.exporting import EXPORTED_SCHEMAS
from tallystick.api.document.keeping import KEPT_SCHEMAS
from tallystick.api.document.reporting import REPORTED_SCHEMAS
from tallystick.api.document.scheduling import SCHEDULED_SCHEMAS
from tallystick.api.document.schemas import SCHEMAS

SHAPES = (
    SCHEMAS | CHECKED_SCHEMAS | KEPT_SCHEMAS | ERASED_SCHEMAS | EXPORTED_SCHEMAS | SCHEDULED_SCHEMAS
    | ALERTED_SCHEMAS | DESTINED_SCHEMAS | REPORTED_SCHEMAS
)  # fmt: skip
