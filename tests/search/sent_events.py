"""Events as senders may send them: every field, few and odd values, so that many of them meet."""

from typing import Any, get_args

from hypothesis import strategies as st

from tallystick.events.catalogue import CATEGORIES, SEVERITIES, STATUSES
from tallystick.events.incoming import ActorType, Channel, Context, Mode
from tests.search.material import ADDRESSES, PIECES

_pieces = st.sampled_from((*PIECES, "*", '"', "\\", "\\\\", "'", ":", "(", ")", "OR", "..", ">", "=", "|", "“", "”"))
# A few that differ in case alone, beside any.
_spellings = st.sampled_from(
    ("eve@acme.com", "Eve@Acme.com", "EVE@ACME.COM", "Eve", "usr_1", "USR_1", "vpc-prod", "VPC*")
)
texts = st.one_of(_spellings, _spellings, st.lists(_pieces, max_size=4).map("".join))
types = st.sampled_from(("project", "Project", "user", "a*b", "\\*", "x y"))
keys = st.one_of(
    st.sampled_from(("a", "before", "after", "x y", "a.b", "", ":", '"', "\\", "email address", "*")), texts
)
scalars = st.one_of(
    texts, st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(),
    st.sampled_from(("x" * 300, "3000", "3e3", "true", "null")),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3),
        st.fixed_dictionaries({"before": inner, "after": inner}),
        st.fixed_dictionaries({"after": inner}),
        st.fixed_dictionaries({"before": inner}),
    ),
    max_leaves=6,
)
_FIXED = {"channel": get_args(Channel), "mode": get_args(Mode), "country": ("DE", "de", "Us"), "ip_address": ADDRESSES}


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


_person = {"type": st.sampled_from(get_args(ActorType)), "id": texts, "email": texts, "name": texts}
_resource = st.builds(
    lambda kind, given, more: {"type": kind, **given, **more},
    types,
    st.one_of(*(st.fixed_dictionaries({name: texts.filter(bool)}) for name in ("id", "name"))),
    _optional(id=texts.filter(bool), role=texts),
)
events = st.builds(
    lambda action, rest: {"action": action, **rest},
    st.sampled_from(("user.login", "deployment.failed", "s3.put", "policy.updated")),
    _optional(
        description=texts,
        status=st.sampled_from(STATUSES),
        category=st.sampled_from(CATEGORIES),
        severity=st.sampled_from(SEVERITIES),
        status_reason=texts,
        original_action=texts,
        actor=_optional(**_person, on_behalf_of=_optional(**_person)),
        resources=st.lists(_resource, min_size=1, max_size=3),
        context=_optional(
            **{name: st.sampled_from(_FIXED[name]) if name in _FIXED else texts for name in Context.__struct_fields__}
        ),
        changes=st.dictionaries(keys, values, max_size=3),
        metadata=st.dictionaries(keys, values, max_size=2),
    ),
)
