"""The files for deployment agree with the product."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from tallystick import settings, telemetry
from tallystick.cli.server_process import DEFAULT_PORT, GRACE_SECONDS, MOST_FILES
from tests.house.tree import ROOT

DEPLOYMENT = ("Dockerfile", "compose.yaml", "compose.postgresql.yaml", "deploy/systemd/tallystick.service",
    "deploy/caddy/Caddyfile", "deploy/nginx/tallystick.conf", "docs/operate/deploy.md")  # fmt: skip
OF_COMPOSE = {"TALLYSTICK_DATABASE_PASSWORD"}  # read from .env by compose alone
UNIT = "deploy/systemd/tallystick.service"


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", DEPLOYMENT)
def test_every_setting_that_a_deployment_names_exists(path):
    known = {row[0] for row in settings.table()} | OF_COMPOSE
    assert set(re.findall(r"TALLYSTICK_[A-Z_0-9]+", _text(path))) - known == set()


@pytest.mark.parametrize(
    "path", ["Dockerfile", "compose.yaml", "deploy/caddy/Caddyfile", "deploy/nginx/tallystick.conf"]
)
def test_every_deployment_reaches_the_port_on_which_the_server_listens(path):
    assert set(re.findall(r"(?:EXPOSE |127\.0\.0\.1:)(\d{4,5})\b", _text(path))) == {str(DEFAULT_PORT)}


def test_the_server_has_time_to_stop_and_files_for_its_connections():
    service, unit = yaml.safe_load(_text("compose.yaml"))["services"]["tallystick"], _text(UNIT)
    seconds = [service["stop_grace_period"].removesuffix("s"), *re.findall(r"TimeoutStopSec=(\d+)", unit)]
    assert [one for one in map(int, seconds) if one <= GRACE_SECONDS] == []
    assert {service["ulimits"]["nofile"], *map(int, re.findall(r"LimitNOFILE=(\d+)", unit))} == {MOST_FILES}


def test_the_image_and_its_container_run_without_rights():
    service = yaml.safe_load(_text("compose.yaml"))["services"]["tallystick"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in service["security_opt"]
    image = _text("Dockerfile")
    assert image.rindex("\nUSER 10001") > image.rindex("\nFROM")
    assert "\nHEALTHCHECK" in image


def test_what_the_image_is_built_from_is_sent_to_the_build():
    sent = set(re.findall(r"^!(.+)$", _text(".dockerignore"), re.MULTILINE))
    assert {one for one in sent if not (ROOT / one).exists()} == set()
    assert {"src", "docs", "deploy", "pyproject.toml", "requirements.txt", "README.md", "LICENSE"} <= sent


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_takes_the_unit(tmp_path):
    unit = tmp_path / "tallystick.service"
    unit.write_text(
        re.sub(
            "^(User|Group)=.*\n",
            "",
            _text(UNIT).replace("/opt/tallystick/bin/tallystick", "/bin/true"),
            flags=re.MULTILINE,
        )
    )
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


RULES = yaml.safe_load(_text("deploy/prometheus/rules.yaml"))["groups"][0]["rules"]
DASHBOARD = json.loads(_text("deploy/grafana/tallystick.json"))
# What Prometheus writes for each kind of metric, behind the name that the product declares.
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def _measured() -> set[str]:
    families = list(telemetry.registry.collect())
    return {family.name + suffix for family in families for suffix in SUFFIXES[family.type]}


def _named(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:tallystick|process)_\w+", expression))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_rule_is_about_a_metric_that_exists_and_has_its_page_in_the_runbook(rule):
    assert _named(rule["expr"]) - _measured() == set()
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == rule["alert"].lower()
    assert f"\n## {rule['alert']}\n" in _text(page)
    assert rule["labels"]["severity"] in ("critical", "warning")


def test_every_chapter_of_the_runbook_is_about_a_rule():
    assert re.findall(r"^## (.+)$", _text("docs/operate/runbook.md"), re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_every_panel_of_the_dashboard_is_about_metrics_that_exist():
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    assert len(expressions) > 30
    assert {one for expression in expressions for one in _named(expression)} - _measured() == set()


def test_every_gauge_is_on_the_dashboard_or_in_a_rule():
    shown = _text("deploy/prometheus/rules.yaml") + _text("deploy/grafana/tallystick.json")
    gauges = [one.name for one in telemetry.registry.collect() if one.type == "gauge" and "tallystick_" in one.name]
    assert [name for name in gauges if name not in shown] == []
