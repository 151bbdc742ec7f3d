"""The files for deployment agree with the product."""

import re
import shutil
import subprocess

import pytest
import yaml

from tallystick import settings
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
