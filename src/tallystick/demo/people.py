"""Acme's people, service accounts and projects."""

from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{} Safari/537.36"
CHROME_MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{} Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}) Gecko/20100101 Firefox/{0}"
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_2) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{} Safari/605.1.15"
)
CLI = "acme-cli/{} (linux; amd64)"


@dataclass(frozen=True, slots=True)
class Employee:
    """A person at Acme. `hours` are the local working hours (from, to); `trade` selects their scenes."""

    id: str
    email: str
    name: str
    trade: str
    zone: str
    hours: tuple[int, int]
    addresses: tuple[str, ...]  # the usual one first
    agents: tuple[str, ...]
    weight: int = 10

    @property
    def actor(self) -> Event:
        return {"type": "user", "id": self.id, "email": self.email, "name": self.name}


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account: active around the clock, always from the same addresses."""

    id: str
    name: str
    trade: str
    addresses: tuple[str, ...]
    agent: str
    weight: int = 10

    @property
    def actor(self) -> Event:
        return {"type": "service_account", "id": self.id, "name": self.name}


@dataclass(frozen=True, slots=True)
class Project:
    """A project of Acme, with the files that people edit and the region it is deployed to."""

    id: str
    name: str
    team: str
    region: str
    files: tuple[str, ...]

    @property
    def resource(self) -> Event:
        return {"type": "project", "id": self.id, "name": self.name}


JOHN = Employee(
    "usr_123", "john@example.com", "John Carter", "engineer", "Europe/London", (8, 17),
    ("192.168.1.100", "82.132.214.7"), (CHROME.format("130.0.0.0"), CLI.format("2.14.0")), 14,
)  # fmt: skip
SARAH = Employee(
    "usr_456", "sarah@acme.com", "Sarah Lin", "engineer", "Europe/London", (9, 18),
    ("192.168.1.50", "86.11.47.203"), ("Chrome/120.0",), 14,
)  # fmt: skip
MAYA = Employee(
    "usr_101", "maya@acme.com", "Maya Okafor", "lead", "Europe/London", (8, 18),
    ("192.168.1.20", "81.2.69.160"), (CHROME_MAC.format("131.0.0.0"), SAFARI.format("17.2")), 12,
)  # fmt: skip
DMITRI = Employee(
    "usr_117", "dmitri@acme.com", "Dmitri Volkov", "engineer", "Europe/Berlin", (10, 20),
    ("192.168.4.31", "91.64.118.22"), (FIREFOX.format("132.0"), CLI.format("2.13.1")),
)  # fmt: skip
TOM = Employee(
    "usr_131", "tom@acme.com", "Tom Becker", "support", "Europe/Berlin", (8, 17),
    ("192.168.4.44",), (FIREFOX.format("131.0"),),
)  # fmt: skip
PRIYA = Employee(
    "usr_142", "priya@acme.com", "Priya Raman", "engineer", "Asia/Kolkata", (9, 19),
    ("10.20.0.15", "49.207.51.88"), (CHROME.format("131.0.0.0"), CLI.format("2.14.0")), 13,
)  # fmt: skip
ELENA = Employee(
    "usr_158", "elena@acme.com", "Elena Petrova", "security", "Europe/Berlin", (9, 18),
    ("192.168.4.12",), (FIREFOX.format("132.0"),),
)  # fmt: skip
NOAH = Employee(
    "usr_190", "noah@acme.com", "Noah Fischer", "engineer", "Europe/Berlin", (11, 20),
    ("192.168.4.57", "84.190.12.66"), (CHROME.format("131.0.0.0"),),
)  # fmt: skip

PEOPLE = (
    JOHN,
    SARAH,
    MAYA,
    DMITRI,
    TOM,
    PRIYA,
    ELENA,
    Employee("usr_163", "ana@acme.com", "Ana Souza", "engineer", "America/Sao_Paulo", (9, 18),
           ("10.30.2.9", "177.34.90.14"), (CHROME_MAC.format("130.0.0.0"),)),
    Employee("usr_170", "ben@acme.com", "Ben Whitfield", "engineer", "America/New_York", (9, 18),
           ("10.10.0.21", "73.114.5.190"), (CHROME_MAC.format("131.0.0.0"), CLI.format("2.14.0")), 12),
    Employee("usr_174", "carla@acme.com", "Carla Mendes", "admin", "America/New_York", (8, 17),
           ("10.10.0.30",), (SAFARI.format("17.1"),)),
    Employee("usr_181", "kenji@acme.com", "Kenji Tanaka", "engineer", "Asia/Tokyo", (9, 19),
           ("10.40.1.5", "126.78.201.33"), (CHROME.format("130.0.0.0"), CLI.format("2.12.4"))),
    Employee("usr_188", "fatima@acme.com", "Fatima Zahra", "data", "Africa/Casablanca", (9, 17),
           ("105.158.32.71",), (FIREFOX.format("132.0"),), 8),
    NOAH,
    Employee("usr_194", "grace@acme.com", "Grace Kim", "support", "America/Los_Angeles", (8, 17),
           ("10.11.0.8", "98.207.33.140"), (CHROME_MAC.format("131.0.0.0"),)),
    Employee("usr_197", "luis@acme.com", "Luis Ortega", "engineer", "America/Los_Angeles", (9, 18),
           ("10.11.0.17",), (CHROME.format("129.0.0.0"), CLI.format("2.14.0"))),
    Employee("usr_201", "hanna@acme.com", "Hanna Lindqvist", "lead", "Europe/Stockholm", (8, 17),
           ("192.168.4.70", "83.254.16.9"), (SAFARI.format("17.2"),)),
    Employee("usr_205", "omar@acme.com", "Omar Haddad", "auditor", "Europe/Paris", (9, 17),
           ("92.184.100.12",), (FIREFOX.format("131.0"),), 4),
    Employee("usr_212", "yuki@acme.com", "Yuki Mori", "data", "Asia/Tokyo", (10, 19),
           ("10.40.1.22",), (CHROME.format("131.0.0.0"),), 7),
)  # fmt: skip

PIPELINE = ServiceAccount("sva_11", "ci-pipeline", "pipeline", ("10.0.8.11", "10.0.8.12"), "terraform-agent/1.15.2", 40)
SERVICE_ACCOUNTS = (
    PIPELINE,
    ServiceAccount("sva_12", "policy-engine", "policy", ("10.0.8.20",), "acme-policy/3.4.0", 25),
    ServiceAccount("sva_13", "github-sync", "sync", ("140.82.115.3", "140.82.115.9"), "GitHub-Hookshot/7f3c1a2", 20),
    ServiceAccount("sva_14", "scheduler", "scheduler", ("10.0.8.30",), "acme-workflows/5.1.0", 30),
)

# The project of the failed deployment. Only the story happens in it, so that its timeline matches the documentation.
API_INFRASTRUCTURE = Project("prj_88", "api-infrastructure", "platform", "eu-west-1", ("main.tf",))
VPC_PRODUCTION = Project(
    "prj_12", "vpc-production", "network", "eu-west-1",
    ("main.tf", "subnets.tf", "routes.tf", "modules/nat/main.tf", "peering.tf"),
)  # fmt: skip

PROJECTS = (
    VPC_PRODUCTION,
    Project("prj_13", "vpc-staging", "network", "eu-west-1", ("main.tf", "subnets.tf", "routes.tf")),
    Project("prj_21", "web-frontend", "product", "us-east-1", ("cdn.tf", "buckets.tf", "dns.tf", "waf.tf")),
    Project("prj_27", "billing-service", "payments", "us-east-1", ("main.tf", "queues.tf", "iam.tf", "rds.tf")),
    Project("prj_34", "data-warehouse", "data", "eu-central-1", ("clusters.tf", "buckets.tf", "roles.tf")),
    Project("prj_41", "auth-gateway", "platform", "eu-west-1", ("main.tf", "waf.tf", "certificates.tf")),
    Project("prj_46", "monitoring", "platform", "eu-west-1", ("dashboards.tf", "alarms.tf", "retention.tf")),
    Project("prj_52", "kubernetes-clusters", "platform", "us-east-1", ("eks.tf", "nodes.tf", "helm/ingress.yaml")),
    Project("prj_59", "mobile-backend", "product", "ap-south-1", ("main.tf", "dynamo.tf", "lambda/push.tf")),
    Project("prj_63", "dns-zones", "network", "us-east-1", ("acme-com.tf", "internal.tf")),
    Project("prj_70", "ml-training", "data", "us-west-2", ("gpu-pool.tf", "notebooks.tf")),
    Project("prj_77", "sandbox-priya", "product", "ap-south-1", ("main.tf", "try.tf")),
)
