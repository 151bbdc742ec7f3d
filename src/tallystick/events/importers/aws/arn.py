"""Names of AWS's resources: ARNs, and the ids that say by their beginning what they are.

After the service authorization reference (the ARN forms of each service) and the EC2 user guide ("Resource IDs").
"""

import re

from tallystick.events.importers.aws.fields import snake

_ARN = re.compile(r"arn:aws[\w-]*:[^\s\"',;()\[\]]+")
# What an id is about: `vpce-0a1b…`; and what has no kind in its ARN: `arn:aws:sns:eu-west-1:111122223333:alarms`.
_ID = re.compile(r"([a-z]{1,10}(?:-attach|-rtb|-cidr-assoc)?)-[0-9a-f]{8,32}")
_ID_KINDS = {
    "i": "ec2_instance", "ami": "ec2_image", "vol": "ec2_volume", "snap": "ec2_snapshot", "sg": "ec2_security_group",
    "subnet": "ec2_subnet", "vpc": "ec2_vpc", "eni": "ec2_network_interface", "igw": "ec2_internet_gateway",
    "nat": "ec2_nat_gateway", "rtb": "ec2_route_table", "acl": "ec2_network_acl", "eipalloc": "ec2_address",
    "vpce": "ec2_vpc_endpoint", "lt": "ec2_launch_template", "tgw": "ec2_transit_gateway",
}  # fmt: skip
_KINDLESS = {
    "sns": "sns_topic", "sqs": "sqs_queue", "codecommit": "codecommit_repository",
    "codepipeline": "codepipeline_pipeline", "s3": "s3_bucket",
}  # fmt: skip
# Kinds of ARNs that are called otherwise everywhere else.
_KINDS = {
    "rds_db": "rds_db_instance", "rds_snapshot": "rds_db_snapshot", "rds_subgrp": "rds_db_subnet_group",
    "rds_pg": "rds_db_parameter_group", "rds_cluster": "rds_db_cluster",
    "rds_cluster_snapshot": "rds_db_cluster_snapshot", "rds_cluster_pg": "rds_db_cluster_parameter_group",
    "elasticloadbalancing_loadbalancer": "elasticloadbalancing_load_balancer",
    "elasticloadbalancing_targetgroup": "elasticloadbalancing_target_group",
}  # fmt: skip
# Kinds whose name may hold slashes, or does behind a path.
_SLASHED = {"ecr_repository", "secretsmanager_secret", "ssm_parameter", "logs_log_group", "kms_alias", "s3_object"}
# What services append to a name in its ARN: a UUID, or many digits.
_UNIQUE_END = re.compile(r"(?<=.)/(?:[0-9a-f]{8}(?:-[0-9A-Za-z]{1,12}){1,5}|[0-9a-f]{16,32})$")
_UNIQUE_KINDS = frozenset({"ecs_task", "ecs_container_instance", "datasync_task"})  # which have no other name
_SECRET_END = re.compile(r"-[A-Za-z0-9]{6}$")  # what Secrets Manager appends to a secret's name in its ARN


def is_arn(text: str) -> bool:
    """Whether the text is an ARN with a resource."""
    return text.startswith("arn:aws") and text.count(":") >= 5


def is_id(text: str) -> bool:
    """Whether the text has the form of an id such as `i-0a1b2c3d`."""
    return _ID.fullmatch(text) is not None


def arns_in(text: str) -> list[str]:
    """The ARNs in a sentence, without the point at its end."""
    return [one.rstrip(".:") for one in _ARN.findall(text) if is_arn(one.rstrip(".:"))]


def kind_of_id(text: str) -> str:
    """`ec2_instance` for `i-0a1b2c3d`; empty if the beginning is not known."""
    match = _ID.fullmatch(text)
    return _ID_KINDS.get(match[1], "") if match else ""


def kind_of_arn(arn: str) -> str:
    """`arn:aws:ec2:us-east-1:123456789012:instance/i-05` as `ec2_instance`."""
    service, kind, _ = _parts(arn)
    if service == "s3" and not kind and "/" in arn:
        return "s3_object"
    full_kind = snake(f"{service}_{kind}") if kind else _KINDLESS.get(service, snake(service))
    return _KINDS.get(full_kind, full_kind) or "aws"


def name_of_arn(arn: str) -> str:
    """The name that people know: `mei` of `…:user/ops/mei`, `prod/db` of `…:secret:prod/db-AbCdEf`."""
    service, kind, inner = _parts(arn)
    full_kind = kind_of_arn(arn)
    if full_kind == "secretsmanager_secret":
        return _SECRET_END.sub("", inner)
    if full_kind == "ssm_parameter":
        return f"/{inner}" if "/" in inner else inner
    if full_kind == "s3_object":
        return inner.partition("/")[2] or inner
    if full_kind in _SLASHED:
        return inner.removesuffix(":*")
    if full_kind not in _UNIQUE_KINDS:
        inner = _UNIQUE_END.sub("", inner)
    return inner.rpartition("/")[2] if kind or service in ("autoscaling", "apigateway") else inner


def _parts(arn: str) -> tuple[str, str, str]:
    """The service, the kind of the resource, which may be empty, and its name with its path."""
    _, _, service, _, _, inner, *_ = [*arn.split(":", 5), *[""] * 6]
    match = re.match(r"/?([A-Za-z][\w-]*)[/:](.+)", inner)
    if not match or service in ("s3", *_KINDLESS):
        return service, "", inner
    return service, match[1], match[2]
