"""Email templates: the subject, the text and the HTML of a message from the templates of the package that sends it.

A message named `reminder` has three templates: `reminder.subject.txt`, `reminder.txt` and `reminder.html`. The HTML
templates extend `email.html` of this package. Values are escaped in HTML only, and printed on one line everywhere
(`display_line`), so that no name adds lines of its own to a message. Only what passes the filter `url` is a link:
addresses in other values are defanged.
"""

from dataclasses import dataclass
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from tallystick.display_text import ExactText, display_line, display_message_value

LAYOUTS = "tallystick.destinations"
MAX_SUBJECT = 180


@dataclass(frozen=True, slots=True)
class Email:
    """Subject and body of a message, the body as plain text and as HTML.

    `plain_subject` is ASCII without a text of others: it stands for the subject where a message cannot be written.
    """

    subject: str
    text: str
    html: str
    plain_subject: str = "Message from Tallystick"


class EmailTemplates:
    """The email templates of one package."""

    def __init__(self, package: str) -> None:
        self._environment = Environment(
            loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, LAYOUTS))]),
            autoescape=select_autoescape(("html",)),
            undefined=StrictUndefined,
            finalize=display_message_value,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._environment.filters |= {"exact": ExactText, "line": display_line, "url": _own_url}

    def render(self, template: str, /, **values: Any) -> Email:
        """Renders a message; its subject becomes one line of at most 180 characters."""
        subject = display_line(self._render(f"{template}.subject.txt", values), MAX_SUBJECT)
        text = self._render(f"{template}.txt", values)
        html = self._render(f"{template}.html", values | {"subject": subject})
        return Email(subject, text, html)

    def _render(self, template: str, values: dict[str, Any]) -> str:
        return self._environment.get_template(template).render(values)


def _own_url(url: str) -> ExactText:
    """A URL of Tallystick or of a rule, which stays a link."""
    return ExactText(display_line(url))
